"""Adversarial weight perturbation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from turtlenet.errors import SettingError
from turtlenet.training.objective.base import Objective
from turtlenet.training.wrappers.base import Plan, Wrapper, check_share, wrappers


@wrappers.register("awp")
@dataclass(frozen=True, kw_only=True)
class AWP(Wrapper):
    """Descends on the gradients at weights that were moved uphill (Wu et al., 2020).

    Solved is min over w of max over v of L(w + v). One step of ascent on the loss at the crafted examples, layer by
    layer ("Adversarial weight perturbation helps robust generalization"): v = gamma ||w|| g / ||g||, g the gradient
    at w; the step of the optimizer is that of the gradient at w + v, applied to w. As in the authors' code, kernels
    are moved and biases and scales are not. The variables themselves are never moved. It costs one more forward and
    backward pass. Where a batch is worked on in parts or by several devices of TensorFlow, each part has a v of its
    own, as in the m-sharpness of Foret et al. (2021, section 4.1).

    Args:
        gamma: Length of v, as a fraction of the length of the layer's weights.
        start: Share of the run after which it begins.
    """

    gamma: float = 0.005
    start: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.gamma < float("inf"):
            raise SettingError(f"Expected gamma > 0, a fraction of the weights' length; got {self.gamma}.")
        check_share("start", self.start)

    def stages(self, objective: Objective, plan: Plan) -> Sequence[int]:
        return (plan.at(self.start),)

    def gradients(
        self, compute: Callable[..., Any], weights: Sequence[Any], at: Any, plan: Plan, *, stage: int
    ) -> Any:
        if stage < plan.at(self.start):
            return compute(at)
        values = [weight.value for weight in weights] if at is None else at
        _, slopes = compute(values, probe=True)
        return compute([self._moved(value, slope) for value, slope in zip(values, slopes, strict=True)])

    def _moved(self, value: Any, slope: Any) -> Any:
        if len(value.shape) < 2 or slope is None:
            return value
        value = ops.convert_to_tensor(value)
        # A scaled loss leaves float32 slopes whose squares overflow.
        slope = ops.cast(ops.convert_to_tensor(slope), "float32")
        slope = slope / ops.maximum(ops.max(ops.abs(slope)), 1e-30)
        size, steepness = (ops.sqrt(ops.sum(ops.square(ops.cast(each, "float32")))) for each in (value, slope))
        step = self.gamma * size * slope / ops.maximum(steepness, 1e-30)
        # Where a scaled loss overflowed, the optimizer leaves out the step; the statistics must survive it.
        return value + ops.cast(ops.where(ops.isfinite(step), step, 0.0), value.dtype)
