"""Measures how much noise a model bears."""

from collections.abc import Callable, Sequence

from turtlenet.attacks.threat import ball_for
from turtlenet.checked import checked
from turtlenet.data.misfits import misfits
from turtlenet.data.parts import choose, trained_on
from turtlenet.data.prepare import DataType, load_data
from turtlenet.errors import at_least
from turtlenet.models.as_classifier import ModelType, about_model, as_classifier
from turtlenet.noise_tolerance import Tolerance, measure_tolerance
from turtlenet.noise_tolerance.levels import check_eps
from turtlenet.noise_tolerance.noise import KINDS

__all__ = ["tolerance"]


@checked()
def tolerance(
    model: ModelType,
    data: DataType | None = None,
    *,
    kinds: Sequence[str] = (),
    eps: float | str | None = None,
    loss: float = 0.01,
    strengths: int = 25,
    bounds: tuple[float, float] | None = None,
    head: str = "auto",
    limit: int | None = 1000,
    split: str | None = None,
    precision: str | None = None,
    seed: int = 0,
    batch_size: int | None = 256,
    tell: Callable[[str], None] = print,
) -> Tolerance:
    """Finds how much noise a model bears, and proposes how many levels to quantize its input to.

    Args:
        model: A classifier, or the path of one; it is left as it is.
        data: What to measure on, which the training must not have seen; see `evaluate`.
        kinds: Kinds of noise: `uniform`, `gaussian`, `salt-and-pepper`, `sign`; nothing takes all. Without `uniform`
            only one of the two bounds on the levels is known.
        eps: The change of each pixel to absorb, above 0, in input units; see `harden_model` for None.
        loss: The fall of accuracy that is tolerable, within (0, 1): 0.01 is one point.
        strengths: How many strengths of each kind, at least 2.
        bounds, head: See `harden_model`.
        limit: Most images, the first of the data; None for all.
        split: See `evaluate`.
        precision: What the model's layers compute in; see `turtlenet.models.compute_in`.
        seed: Repeats every draw.
        batch_size: Images in one compiled call; None for as many as fit. It changes the speed, not a result.
        tell: Is given what does not seem to fit, a line each.

    Raises:
        TurtlenetError: Anything that does not fit, in one line.
    """
    at_least(1, batch_size=1 if batch_size is None else batch_size)
    victim = as_classifier(model, bounds=bounds, head=head, precision=precision)
    examples = choose(load_data(data, victim), split, [trained_on(model)]).take(limit)
    ball = ball_for(victim, "linf", eps)
    check_eps(float(ball.eps))
    examples.check()
    for line in misfits(victim, examples, ball):
        tell(line)
    return measure_tolerance(
        victim,
        examples,
        eps=float(ball.eps),
        about=about_model(model, victim),
        kinds=kinds or KINDS,
        strengths=strengths,
        loss=loss,
        seed=seed,
        batch_size=batch_size,
    )
