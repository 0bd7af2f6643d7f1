"""What every wrapper of a training run may change, whatever the objective is."""

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from turtlenet.arguments import check_fields
from turtlenet.errors import SettingError, SpecError
from turtlenet.registry import Registry, Spec, enclosed
from turtlenet.training.objective.base import Objective


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is known of a run before it starts.

    Args:
        steps: Optimizer steps of the whole run.
        epoch: Those of an epoch.
        validated: Whether there are validation images.
    """

    steps: int = 1
    epoch: int = 1
    validated: bool = False

    def at(self, share: float) -> int:
        """The number of steps that come before a share of the run."""
        return round(share * self.steps)


@dataclass(frozen=True, kw_only=True)
class Wrapper:
    """Something around an objective, as an optimizer of Optax is a chain of transformations.

    A subclass is a frozen dataclass of numbers and strings; it overrides those of the methods below that it needs.
    What it must remember from step to step are Keras variables, which `init` makes: the `Trainer` tracks them, hands
    them back to `update` and `judged`, and saves them with the state of the run. `objective`, `gradients` and `update`
    are called while a graph is built, so all in them is `keras.ops`.

    A step of training is compiled once for each stage of the run: a stage begins at step 0 and at each of `stages`,
    and its first step is given as the number `stage`, by which Python may decide.
    """

    def __post_init__(self) -> None:
        check_fields(self)

    def check(self, objective: Objective, plan: Plan) -> None:
        """Refuses what cannot work, before training starts.

        Raises:
            SettingError: What the wrapper needs is not there.
        """

    def stages(self, objective: Objective, plan: Plan) -> Sequence[int]:
        """Steps at which the compiled step becomes another one."""
        return ()

    def objective(self, objective: Objective, plan: Plan, *, step: Any, stage: int) -> Objective:
        """The objective of a step; see `changed`.

        Args:
            objective: The one that is wrapped.
            plan: Of the run.
            step: Number of optimizer steps done so far, an integer scalar.
            stage: First step of the stage, a number.
        """
        return objective

    def gradients(
        self, compute: "Callable[..., Any]", weights: Sequence[Any], at: Any, plan: Plan, *, stage: int
    ) -> Any:
        """The gradients to descend on.

        Args:
            compute: `compute(at)` gives the loss's extras and its gradients at values of the weights, as this method
                does; `compute(at, probe=True)` leaves out what regularizes weights, and changes no statistics.
            weights: The trainable variables.
            at: Values of the weights to begin from; None for those of the variables.
            plan: Of the run.
            stage: First step of the stage, a number.

        Returns:
            What `compute` gives.
        """
        return compute(at)

    def penalty(self, network: keras.Model) -> Any:
        """What is added to the loss of a batch, a float32 scalar that depends on the weights alone.

        Args:
            network: The network in training; its variables may have other values than those of the run (`awp`).
        """
        return 0.0

    def init(self, network: keras.Model) -> list[keras.Variable]:
        """Variables that the wrapper keeps beside a network; not trainable."""
        return []

    def update(self, state: Sequence[Any], network: keras.Model, plan: Plan) -> None:
        """Brings those variables forward after a step of the optimizer."""

    def judged(self, state: Sequence[Any], network: keras.Model) -> list[Any] | None:
        """Arrays to be validated, kept and saved in place of the network's variables; None for those as they are."""
        return None

    @property
    def recalibration(self) -> int:
        """Training batches from which the statistics of batch normalization are computed anew for what is judged."""
        return 0

    def callbacks(self, notes: dict[str, Any], plan: Plan) -> list[keras.callbacks.Callback]:
        """What watches the run.

        Args:
            notes: What a continued run must know, as JSON; see `turtlenet.training.run.checkpoint`.
            plan: Of the run.
        """
        return []

    def to_dict(self) -> dict[str, Any]:
        """The registered name and every setting, for JSON."""
        settings = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {"name": wrappers.name_of(type(self)), **settings}

    def __str__(self) -> str:
        """The spec that makes it."""
        name, *settings = self.to_dict().items()
        said = ",".join(f"{key}={enclosed(value)}" for key, value in settings)
        return f"{name[1]}:{said}" if said else str(name[1])


wrappers: Registry[Wrapper] = Registry("wrapper", "turtlenet.wrappers", base=Wrapper)


def make_wrappers(given: Sequence[str | Wrapper | Mapping[str, Any]]) -> list[Wrapper]:
    """Wrappers from specs, from what `Wrapper.to_dict` gave, or as they are.

    Raises:
        SpecError: An unknown name or setting, or something else than a wrapper.
        SettingError: A setting that is out of range.
    """
    built = []
    for each in [given] if isinstance(given, str | Wrapper | Mapping) else given:
        if isinstance(each, Mapping):
            settings = dict(each)
            each = wrappers.build(Spec(str(settings.pop("name", "")), settings))
        built.append(each if isinstance(each, Wrapper) else wrappers.build(each))
    return built


def check_wrappers(built: Sequence[Wrapper], objective: Objective, plan: Plan) -> None:
    """Refuses wrappers that do not fit the run or each other.

    Raises:
        SettingError: One given twice, two averages of the weights, or one that lacks what it needs.
    """
    for number, each in enumerate(built):
        if not isinstance(each, Wrapper):
            raise SpecError(f"Expected a wrapper or its spec; got {type(each).__name__}.")
        name = wrappers.name_of(type(each))
        if any(type(other) is type(each) for other in built[:number]):
            raise SettingError(f"Expected each wrapper once; got {name} twice.")
        each.check(objective, plan)
    averages = [wrappers.name_of(type(each)) for each in built if type(each).judged is not Wrapper.judged]
    if len(averages) > 1:
        raise SettingError(f"Expected one average of the weights; got {' and '.join(averages)}.")


def changed(objective: Objective, **values: Any) -> Objective:
    """An objective with other values in some fields, which may be tensors: nothing is checked."""
    other = copy.copy(objective)
    for name, value in values.items():
        object.__setattr__(other, name, value)
    return other


def check_share(name: str, value: float) -> None:
    """Refuses what is no share of a run.

    Raises:
        SettingError: Not from 0 to 1.
    """
    if not 0 <= value <= 1:
        raise SettingError(f"Expected {name} from 0 to 1, a share of the run; got {value}.")
