"""What attacks of other libraries have in common: they run on the host, and our base class judges what they give."""

import abc
import importlib
import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from turtlenet.attacks.base import Attack, attacks
from turtlenet.attacks.context import AttackResult, SearchResult
from turtlenet.attacks.features.view import HostView, host_view
from turtlenet.attacks.goal import Goal
from turtlenet.attacks.run.graph import bound_graph, judged
from turtlenet.attacks.run.host_check import confirmed
from turtlenet.balls import Ball, FeatureBall
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError, SpecError, TurtlenetError, did_you_mean, one_line
from turtlenet.registry import parse_spec
from turtlenet.typing import Keys, Tensor

_OURS = ("target", "gradient", "norm", "eps")


@dataclass(frozen=True, kw_only=True)
class External(Attack):
    """An attack of another library, by its name there and its parameters there.

    The ball, the bounds, labels and targets are ours and are handed over; whatever comes back is brought into the
    ball, judged and counted as every other attack. Its draws belong to a batch and come from a global generator that
    is seeded for each batch: the batch size may change a verdict. Its cost is not counted where it does not say.

    Args:
        method: The attack's name in its library.
        parameters: Its parameters there, as `max_iter=10,eps_step=0.1`.
    """

    method: str = ""
    parameters: str = ""

    for_every_task: ClassVar[bool] = False

    library: ClassVar[str]
    """What is imported, and the name of the extra that installs it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        known = self._parameters()
        for name in self.given:
            if name not in known:
                ours = " comes from the ball" if name in ("eps", "norm", "clip_min", "clip_max") else ""
                raise SpecError(f"Unknown setting {name!r} of attack '{self}'{ours}.{did_you_mean(name, known)}")

    @classmethod
    def parsed(cls, method: str, settings: Mapping[str, Any]) -> "External":
        """Makes the attack of a spec `library:method:key=value,...`; keys that every attack has stay ours."""
        own = {name: settings[name] for name in _OURS if name in settings}
        rest = {name: value for name, value in settings.items() if name not in own}
        own |= {"target": str(own["target"])} if "target" in own else {}
        own |= {"eps": float(own["eps"])} if "eps" in own else {}
        return cls(method=method, parameters=",".join(f"{name}={value}" for name, value in rest.items()), **own)

    @property
    def given(self) -> dict[str, Any]:
        """The parameters as values."""
        return parse_spec(f"{self.library}:{self.parameters}").settings if self.parameters else {}

    @abc.abstractmethod
    def outside(
        self, model: Classifier, x: np.ndarray, y: np.ndarray, target: np.ndarray | None, *, ball: Ball
    ) -> tuple[Any, int, int]:
        """Runs the library's attack.

        Args:
            model: The classifier, with the gradient that the attack takes.
            x: Inputs, float32 (batch, ...).
            y: True labels, int32 (batch,).
            target: Classes to answer, or None.
            ball: Where the inputs may move.

        Returns:
            Candidates, and input gradients and queries for each example; 0 where the library does not tell.
        """

    @abc.abstractmethod
    def _parameters(self) -> set[str]:
        """The names of the parameters that a user may give."""

    def run(
        self,
        model: Classifier,
        x: Any,
        y: Any,
        *,
        ball: Ball,
        seed: int = 0,
        index: Any = None,
        target: Any = None,
        attempt: Any = None,
    ) -> AttackResult:
        self.check(model, ball)
        x, y = np.asarray(x, "float32"), np.asarray(y, "int32")
        aims = None if target is None else np.asarray(target, "int32")
        if aims is None and self.targeted:
            chosen = bound_graph(self, model, x, y, ball, "aims", lambda batch: batch.goal().target, seed, index)()
            aims = ops.convert_to_numpy(chosen)
        first = int(np.asarray(index).reshape(-1)[0]) if index is not None and len(x) else 0
        state = np.random.get_state()
        keras.utils.set_random_seed((seed * 1_000_003 + first) % 2**31)
        try:
            found, gradients, queries = self._found(model.taking(self.gradient), x, y, aims, ball)
        except TurtlenetError:
            raise
        except Exception as error:
            reason = one_line(error, 160)
            raise SettingError(f"Expected '{self}' to run on this model; {self.library} failed: {reason}.") from error
        finally:
            np.random.set_state(state)
        result = judged(self, model, x, y, ball, found.reshape(x.shape), seed, index, aims)
        result = result._replace(gradients=result.gradients + gradients, queries=result.queries + queries)
        return confirmed(result, model, x, y, ball, aimed=target is not None or self.targeted)

    def _found(
        self, model: Classifier, x: np.ndarray, y: np.ndarray, target: np.ndarray | None, ball: Ball
    ) -> tuple[np.ndarray, int, int]:
        """What the library gives; where features have radii of their own, in units of those."""
        inputs, asked = x, model
        if isinstance(ball, FeatureBall):
            inputs, asked = ops.convert_to_numpy(ball.encode(ops.convert_to_tensor(x))), host_view(model, ball)
        # Other libraries refuse a radius of 0.
        if float(ball.eps) == 0:
            return inputs, 0, 0
        inner: Ball = getattr(ball, "inner", ball)
        if not (isinstance(asked, HostView) and asked.one_by_one):
            found, gradients, queries = self.outside(asked, inputs, y, target, ball=inner)
            return np.asarray(found, "float32"), gradients, queries
        # It asks about rows in any order: one input at a time, it is known whose they are.
        results = []
        for row in range(len(x)):
            at = slice(row, row + 1)
            asked.of(x[at])
            results.append(self.outside(asked, inputs[at], y[at], None if target is None else target[at], ball=inner))
        moved = np.concatenate([np.asarray(found, "float32").reshape(x[:1].shape) for found, _, _ in results])
        return moved, *(round(float(np.mean([each[place] for each in results]))) for place in (1, 2))  # type: ignore

    def search(self, model: Classifier, x: Tensor, goal: Goal, *, ball: Ball, key: Keys) -> SearchResult:
        raise SettingError(
            f"Expected an attack of turtlenet's own within a training step or another attack; got {self}."
        )

    def __str__(self) -> str:
        ours = [f"{name}={getattr(self, name)}" for name in _OURS if getattr(self, name)]
        settings = ",".join([*([self.parameters] if self.parameters else []), *ours])
        return f"{attacks.name_of(type(self))}:{self.method}" + (f":{settings}" if settings else "")

    def _module(self, path: str) -> Any:
        """A module of the library.

        Raises:
            SettingError: The library is not installed, or cannot be imported.
        """
        try:
            with warnings.catch_warnings():
                # What a library imports that is going out of use, or misses of what it does not need here, is nothing
                # that our user can mend.
                warnings.simplefilter("ignore")
                return importlib.import_module(path)
        except ImportError as error:
            raise SettingError(
                f"Expected {self.library} to be installed for {self.library}:{self.method or 'NAME'}; got: {error}: "
                f"pip install 'turtlenet[{self.library}]'."
            ) from None

    def _one_of(self, names: Mapping[str, Any]) -> Any:
        if self.method not in names:
            raise SpecError(f"Unknown attack {self.method!r} of {self.library}.{did_you_mean(self.method, names)}")
        return names[self.method]


def names_of(function: Callable[..., Any]) -> set[str]:
    """The names of a function's or a class's arguments."""
    return set(inspect.signature(function).parameters) - {"self", "kwargs", "args"}
