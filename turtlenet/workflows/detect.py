"""Detection by uncertainty, as a Keras project calls it; the command line calls the same."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from turtlenet import attacks as attack_family
from turtlenet.attacks import Attack
from turtlenet.attacks.threat import ball_for
from turtlenet.attacks.told import told
from turtlenet.checked import checked
from turtlenet.data.misfits import misfits
from turtlenet.data.parts import choose
from turtlenet.data.prepare import DataType, load_data
from turtlenet.detection import Detection, FittedDetector, Setting, check_stochastic, detectors, fit_on, score_on
from turtlenet.errors import DataError
from turtlenet.files import PathType
from turtlenet.models.as_classifier import ModelType, about_model, as_classifier

USUAL = ("fgsm", "pgd")


@checked()
def fit_detector(
    model: ModelType,
    data: DataType | None = None,
    *,
    attacks: Sequence[str | Attack] = (),
    detector: str = "logistic",
    population: str = "successes",
    eps: float | str | None = None,
    norm: str = "linf",
    draws: int = 50,
    attack_draws: int = 10,
    bounds: tuple[float, float] | None = None,
    head: str = "auto",
    limit: int | None = 1000,
    gradient: str = "adaptive",
    precision: str | None = None,
    seed: int = 0,
    batch_size: int | None = 64,
    tell: Callable[[str], None] = print,
) -> FittedDetector:
    """Fits a detector of adversarial inputs on the variance of a model's stochastic inferences (paper 001, eq. 12).

    Args:
        model: A classifier with a layer that draws at inference (`mc-dropout`), or the path of one.
        data: What to fit on: `(x, y)`, or the training part of a name or a path, never its test part; None for the
            embedded sample where it fits.
        attacks: Specs; their examples are put together. Nothing takes `fgsm` and `pgd`.
        detector: `logistic`, `mixture` or another registered one.
        population: `successes` fits on clean images that are classified correctly and on examples that are not;
            `all` on all of both, as the paper did.
        eps: Radius in input units, or as `"8px"` (gray levels of 255) or `"3%"` (of the pixel range); None takes 0.3
            for gray images and 8/255 for others, times the pixel range.
        norm: `linf`, `l2`, `l1` or `l0`.
        draws: Stochastic inferences behind each score.
        attack_draws: Draws that the attacks take the mean of.
        bounds, head: See `turtlenet.train`.
        limit: Most images, the first of the part; None for all.
        gradient: How the attacks take the gradient of defences: `adaptive` or `naive`.
        precision: What the model's layers compute in.
        seed: Repeats every draw.
        batch_size: Images in one compiled call, each drawn many times; None for as many as fit.
        tell: Is given what does not seem to fit, a line each.

    Raises:
        TurtlenetError: Anything that does not fit, in one line.
    """
    victim = as_classifier(model, bounds=bounds, head=head, precision=precision, gradient=gradient, draws=attack_draws)
    kind: Any = detectors.factory(detector)
    if kind.by_uncertainty():
        check_stochastic(victim)
    found = load_data(data, victim)
    if found.train is None or not len(found.train):
        raise DataError(f"Expected a part of {found.name} to fit on that is not the test part; got test images only.")
    setting = Setting(
        classifier=victim,
        examples=found.train.take(limit),
        ball=ball_for(victim, norm, eps),
        draws=draws,
        seed=seed,
        batch_size=batch_size,
        kind=kind,
    )
    for line in misfits(victim, setting.examples, setting.ball):
        tell(line)
    made = [attack_family.build(spec) for spec in attacks or USUAL]
    return fit_on(setting, made, about=about_model(model, victim), detector=detector, population=population)


@checked()
def score_detector(
    model: ModelType,
    detector: FittedDetector | PathType,
    data: DataType | None = None,
    *,
    attacks: Sequence[str | Attack] = (),
    adaptive: str = "undetected",
    eps: float | str | None = None,
    norm: str | None = None,
    attack_draws: int | None = None,
    bounds: tuple[float, float] | None = None,
    head: str = "auto",
    limit: int | None = 1000,
    split: str | None = None,
    gradient: str | None = None,
    precision: str | None = None,
    seed: int | None = None,
    batch_size: int | None = 64,
) -> Detection:
    """Scores a detector on fresh images, under plain attacks and under such that know of it.

    Args:
        model: The model that the detector was fitted on, or its path.
        detector: What `fit_detector` gave, or its file.
        data: What to score on: `(x, y)`, or the test part of a name or a path; None for that of the embedded sample.
        attacks: Specs; nothing takes those of the fit.
        adaptive: Spec of the attack that is told where the detector begins to see; empty for none.
        eps, norm, attack_draws, gradient: None takes those of the fit.
        bounds, head, precision: See `fit_detector`.
        limit: Most images, the first of the part; None for all.
        split: `test` (the usual one), `train` or `all`.
        seed: Repeats every draw; None takes the one after the fit's.
        batch_size: See `fit_detector`.

    Raises:
        TurtlenetError: Anything that does not fit, in one line; another model than the detector's own.
    """
    fitted = detector if isinstance(detector, FittedDetector) else FittedDetector.load(Path(detector))
    threat = fitted.threat
    victim = as_classifier(
        model,
        bounds=bounds,
        head=head,
        precision=precision,
        gradient=threat["gradient"] if gradient is None else gradient,
        draws=fitted.attack_draws if attack_draws is None else attack_draws,
    )
    about = about_model(model, victim)
    fitted.check_model(about)
    found = load_data(data, victim)
    if split is None and (found.test is None or not len(found.test)):
        raise DataError(f"Expected test images to score on in {found.name}; got training images only.")
    setting = Setting(
        classifier=victim,
        examples=choose(found, split, held_out=True).take(limit),
        ball=ball_for(victim, norm or threat["norm"], threat["eps"] if eps is None else eps),
        draws=fitted.draws,
        seed=fitted.seed + 1 if seed is None else seed,
        batch_size=batch_size,
        kind=type(fitted.fitted),
    )
    # A file's specs are registered names only: reading a file imports nothing.
    made = [attack_family.build(spec) for spec in attacks] or [told(spec) for spec in fitted.attacks]
    return score_on(setting, fitted, made, about=about, adaptive=adaptive)
