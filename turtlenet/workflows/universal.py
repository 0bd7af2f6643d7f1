"""From a user's model and data to one perturbation for all images."""

from collections.abc import Callable
from typing import Any

from turtlenet import attacks
from turtlenet.attacks import Perturbation
from turtlenet.attacks.threat import ball_for
from turtlenet.checked import checked
from turtlenet.data import Data, Examples
from turtlenet.data.misfits import misfits
from turtlenet.data.prepare import DataType, hold_out, load_data
from turtlenet.errors import DataError, at_least
from turtlenet.models.as_classifier import ModelType, as_classifier

__all__ = ["universal"]


@checked()
def universal(
    model: ModelType,
    data: DataType | None = None,
    *,
    eps: float | str | None = None,
    norm: str = "linf",
    bounds: tuple[float, float] | None = None,
    head: str = "auto",
    epochs: int = 10,
    step_size: float = 0.1,
    limit: int | None = 5000,
    precision: str | None = None,
    seed: int = 0,
    batch_size: int = 128,
    tell: Callable[[str], None] = print,
) -> Perturbation:
    """Fits one perturbation on training images, and tries it on test images; see `turtlenet.attacks.fit_universal`.

    Args:
        model: A classifier, or the path of one.
        data: What to fit and to try on: a name, a path, or `(x, y)`, of which a sixth is kept for trying.
        eps: Radius; see `harden_model`.
        norm, bounds, head: See `harden_model`.
        epochs: Passes over the training images.
        step_size: Length of a step, as a fraction of the radius.
        limit: Most images of either part, the first of it; None for all.
        precision: What the model's layers compute in; see `turtlenet.models.compute_in`.
        seed: Repeats the start and the order of the images.
        batch_size: Images in a step.
        tell: Is given what does not seem to fit, a line each.

    Raises:
        TurtlenetError: Anything that does not fit, in one line.
    """
    at_least(0, seed=seed)
    victim = as_classifier(model, bounds=bounds, head=head, precision=precision)
    ball = ball_for(victim, norm, eps)
    fitted_on, tried_on = _parts(load_data(data, victim), limit, seed)
    for line in misfits(victim, fitted_on, ball):
        tell(line)
    x, y = fitted_on.batch(slice(None))
    how: dict[str, Any] = {"epochs": epochs, "step_size": step_size, "batch_size": batch_size, "seed": seed}
    delta = attacks.fit_universal(victim, x, y, ball=ball, **how)
    return attacks.measure_universal(victim, *tried_on.batch(slice(None)), delta, ball)


def _parts(data: Data, limit: int | None, seed: int) -> tuple[Examples, Examples]:
    """What to fit on, and other images to try on.

    Raises:
        DataError: There are none of either.
    """
    train, test = data.train, data.test
    if train is not None and train is test:
        if len(train) < 2:
            raise DataError(f"Expected at least 2 images to fit on one part and try on the other; got {len(train)}.")
        train, test = hold_out(train, max(1, len(train) // 6), seed)
    if train is None or test is None or not (len(train) and len(test)):
        raise DataError(f"Expected training and test images in {data.name}; got one of the two at most.")
    parts = train.take(limit), test.take(limit)
    for part in parts:
        part.check()
    return parts
