"""Generators of adversarial examples: trained against a model, saved, and measured on images they have not seen."""

import numpy as np

from turtlenet.attacks import AdvGAN
from turtlenet.attacks.advgan import loaded_generator
from turtlenet.attacks.runner import attack_all
from turtlenet.attacks.threat import ball_for
from turtlenet.checked import checked
from turtlenet.data import Examples
from turtlenet.data.parts import choose
from turtlenet.data.prepare import DataType, load_data
from turtlenet.files import PathType
from turtlenet.gan.measure import measure_generator
from turtlenet.gan.pictures import grid
from turtlenet.gan.report import GeneratorReport
from turtlenet.gan.train import TrainedGenerator, save_generator, train_generator
from turtlenet.models.as_classifier import ModelType, about_model, as_classifier

__all__ = ["TrainedGenerator", "save_generator", "show_generator", "train_generator"]


@checked()
def show_generator(
    path: PathType,
    model: ModelType,
    data: DataType | None = None,
    *,
    eps: float | str | None = None,
    samples: int = 1,
    limit: int | None = 1000,
    split: str | None = None,
    bounds: tuple[float, float] | None = None,
    head: str = "auto",
    seed: int = 0,
    batch_size: int | None = 256,
) -> tuple[GeneratorReport, bytes]:
    """Measures a generator on unseen images of a model.

    Args:
        path: The generator's file.
        model: A classifier, or the path of one.
        data: What to attack: the test part; see `turtlenet.evaluate`.
        eps: Radius in input units, at most the generator's; None takes that.
        samples: How many perturbations to try; see `turtlenet.attacks.AdvGAN`.
        limit: Most images, the first of the part; None for all.
        split: `test` (the usual one), `train` or `all`.
        bounds, head: See `turtlenet.train`.
        seed: Repeats the draws.
        batch_size: Images in one compiled call.

    Returns:
        The report, and a PNG of samples, empty where inputs are no pictures.

    Raises:
        TurtlenetError: Anything that does not fit, in one line.
    """
    facts = loaded_generator(str(path)).facts
    victim = as_classifier(model, bounds=bounds, head=head)
    attack = AdvGAN(generator=str(path), samples=samples)
    ball = ball_for(victim, facts["norm"], facts["eps"] if eps is None else eps)
    attack.check(victim, ball)
    examples = choose(load_data(data, victim), split, held_out=True).take(limit)
    about = about_model(model, victim)
    report = measure_generator(
        attack, victim, examples, ball, about=about, facts=facts, seed=seed, batch_size=batch_size
    )
    x, y = _of_each_class(examples, victim.num_classes)
    moved = attack_all(attack, victim, x, y, ball=ball, seed=seed, batch_size=batch_size).x
    return report, grid(x, moved, victim.bounds)


def _of_each_class(examples: Examples, num_classes: int, most: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """The first image of each class, or of the first ten."""
    x, y = examples.batch(slice(None))
    rows = [int(np.flatnonzero(y == label)[0]) for label in range(num_classes) if (y == label).any()][:most]
    return x[rows], y[rows]
