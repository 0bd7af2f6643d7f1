"""Generators of adversarial examples: trained against a model, saved, and measured on images they have not seen."""

from typing import Any

import numpy as np

from turtlenet.attacks import AdvGAN
from turtlenet.attacks.advgan import loaded_generator
from turtlenet.attacks.features.plain import one_for_all
from turtlenet.attacks.run.runner import attack_all
from turtlenet.checked import checked
from turtlenet.data import Examples
from turtlenet.data.prepare import DataType, part_to_score
from turtlenet.files import PathType
from turtlenet.gan.measure import measure_generator
from turtlenet.gan.pictures import MOST, grid
from turtlenet.gan.report import GeneratorReport
from turtlenet.gan.train import TrainedGenerator, save_generator, train_generator
from turtlenet.models.as_classifier import ModelType, about_model
from turtlenet.settings.base import describes
from turtlenet.settings.gan import ShowSettings

__all__ = ["TrainedGenerator", "save_generator", "show_generator", "train_generator"]


@checked()
@describes(ShowSettings)
def show_generator(
    path: PathType, model: ModelType, data: DataType | None = None, **settings: Any
) -> tuple[GeneratorReport, bytes]:
    """Measures a generator on unseen images of a model.

    Args:
        path: The generator's file.
        model: A classifier, or the path of one.
        data: What to attack: the test part; see `turtlenet.evaluate`.
        **settings: See `turtlenet.settings.gan.ShowSettings`.

    Returns:
        The report, and a PNG of samples, empty where inputs are no pictures.

    Raises:
        TurtlenetError: Anything that does not fit, in one line.
    """
    options = ShowSettings(**settings)
    facts = loaded_generator(str(path)).facts

    threat: dict[str, Any] = {"bounds": options.bounds, "eps": facts["eps"] if options.eps is None else options.eps}
    victim, ball = one_for_all(model, facts["norm"], **threat, what="for a generator", head=options.head)
    attack = AdvGAN(generator=str(path), samples=options.samples)
    attack.check(victim, ball)
    examples = part_to_score(model, data, victim, options, held_out=True)
    same: dict[str, Any] = {"seed": options.seed, "batch_size": options.batch_size}
    report = measure_generator(attack, victim, examples, ball, about=about_model(model, victim), facts=facts, **same)
    x, y = _of_each_class(examples, victim.num_classes)
    return report, grid(x, attack_all(attack, victim, x, y, ball=ball, **same).x, victim.bounds)


def _of_each_class(examples: Examples, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The first image of each class, as many as a grid has columns."""
    x, y = examples.batch(slice(None))
    rows = [int(np.flatnonzero(y == label)[0]) for label in range(num_classes) if (y == label).any()][:MOST]
    return x[rows], y[rows]
