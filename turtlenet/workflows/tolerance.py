"""Measures how much noise a model bears."""

from typing import Any

from turtlenet.attacks.features.plain import one_for_all
from turtlenet.checked import checked
from turtlenet.data.fit.misfits import misfits
from turtlenet.data.prepare import DataType, part_to_score
from turtlenet.models.as_classifier import ModelType, about_model
from turtlenet.noise_tolerance import Tolerance, measure_tolerance
from turtlenet.noise_tolerance.levels import check_eps
from turtlenet.noise_tolerance.noise import KINDS
from turtlenet.settings.base import takes
from turtlenet.settings.measure import ToleranceSettings


@checked()
@takes(ToleranceSettings)
def tolerance(model: ModelType, data: DataType | None = None, **settings: Any) -> Tolerance:
    """Finds how much noise a model bears, and proposes how many levels to quantize its input to.

    Args:
        model: A classifier, or the path of one; it is left as it is.
        data: What to measure on, which the training must not have seen; see `evaluate`.
        **settings: See `turtlenet.settings.measure.ToleranceSettings`.

    Raises:
        TurtlenetError: Anything that does not fit, in one line.
    """
    options = ToleranceSettings(**settings)

    threat: dict[str, Any] = {
        "bounds": options.bounds,
        "eps": options.eps,
        "what": "to measure the noise that a model bears",
    }
    victim, ball = one_for_all(model, "linf", **threat, head=options.head, precision=options.precision)
    examples = part_to_score(model, data, victim, options)
    check_eps(float(ball.eps))
    examples.check()
    for line in misfits(victim, examples, ball):
        options.tell(line)
    return measure_tolerance(
        victim,
        examples,
        eps=float(ball.eps),
        about=about_model(model, victim),
        kinds=options.kinds or KINDS,
        strengths=options.strengths,
        loss=options.loss,
        seed=options.seed,
        batch_size=options.batch_size,
    )
