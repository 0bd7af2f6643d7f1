"""Says what no attack can break, image by image."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from turtlenet import attacks
from turtlenet.attacks import Attack
from turtlenet.attacks.features.plain import one_for_all
from turtlenet.attacks.run.runner import attack_all
from turtlenet.certification import Certificate, Smoothing, certify_classifier
from turtlenet.certification.methods import SECONDS, Attacker, check_ball
from turtlenet.checked import checked
from turtlenet.classifier import Classifier
from turtlenet.data.fit.misfits import misfits
from turtlenet.data.prepare import DataType, part_to_score
from turtlenet.models.as_classifier import ModelType, about_model
from turtlenet.settings.base import check_of_use, takes
from turtlenet.settings.certify import CertifySettings

_OF_SMOOTHING = ("sigma", "n0", "n", "alpha", "bound")


@checked()
@takes(CertifySettings)
def certify(model: ModelType, data: DataType | None = None, **settings: Any) -> Certificate:
    """Certifies a model's answers: for which images no point of the ball is classified otherwise.

    Args:
        model: A classifier, or the path of one.
        data: What to certify, which the training must not have seen; see `evaluate`.
        **settings: See `turtlenet.settings.certify.CertifySettings`.

    Raises:
        TurtlenetError: Anything that does not fit, in one line.
    """
    options = CertifySettings(**settings)
    _check_method(options, settings)
    how: dict[str, Any] = {"head": options.head, "precision": options.precision}
    victim, ball = one_for_all(model, options.norm, bounds=options.bounds, eps=options.eps, what="to certify", **how)
    examples = part_to_score(model, data, victim, options)
    method = options.method if options.exact is None else "exact"
    smoothing = _smoothing(options) if method == "smoothing" else None
    if smoothing is None:
        check_ball(victim, ball, method)
    made = None if options.attack == "none" or smoothing else attacks.build(options.attack)
    if made is not None:
        made.check(victim, ball)
    examples.check()
    for line in misfits(victim, examples, ball):
        options.tell(line)
    return certify_classifier(
        victim,
        examples,
        ball,
        about=about_model(model, victim),
        method=method,
        seconds=options.exact or SECONDS,
        attacker=None if made is None else _attacker(made, victim, ball, options),
        attack="" if made is None else options.attack,
        seed=options.seed,
        batch_size=options.batch_size,
        progress=Path(options.progress) / ".certify.npz" if options.progress else None,
        resume=options.resume,
        smoothing=smoothing,
    )


def _check_method(options: CertifySettings, given: Mapping[str, Any]) -> None:
    """Refuses settings of another method than the one that is asked for.

    Raises:
        SettingError: The user gave one.
    """
    others = () if given.get("method") in (None, "exact") else ("exact",)
    check_of_use(CertifySettings, given, others, "--method exact", f"--method {options.method}")
    method = options.method if options.exact is None else "exact"
    if method != "smoothing":
        check_of_use(CertifySettings, given, _OF_SMOOTHING, "--method smoothing", f"--method {method}")
    elif options.attack != "none":
        # What is drawn is not attacked.
        check_of_use(CertifySettings, given, ("attack",), "a method other than smoothing", "--method smoothing")


def _smoothing(options: CertifySettings) -> Smoothing:
    return Smoothing(sigma=options.sigma, n0=options.n0, n=options.n, alpha=options.alpha, bound=options.bound)


def _attacker(attack: Attack, victim: Classifier, ball: Any, options: CertifySettings) -> Attacker:
    """The attack as a function of images, labels and places."""

    def run(x: np.ndarray, y: np.ndarray, index: np.ndarray) -> np.ndarray:
        how: dict[str, Any] = {"ball": ball, "seed": options.seed, "batch_size": options.batch_size}
        return attack_all(attack, victim, x, y, index=index, **how).x

    return run
