"""A Keras model as an attacker sees it: logits as a pure function of an input, in known bounds."""

import copy
import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np
from keras import ops

from turtlenet import backend, gradient_mode, random
from turtlenet.arguments import fitted
from turtlenet.errors import ModelError, SettingError

if TYPE_CHECKING:
    from turtlenet.tasks import Question

__all__ = ["Classifier"]

# More than any evaluation uses; a sweep over settings must not fill the memory.
_GRAPHS = 128


class Classifier:
    """Logits, bounds and compiled functions of a model.

    `turtlenet.models.classifier` makes one from any loaded model, whatever its head.

    Args:
        model: A Keras model from float32 images (batch, *input_shape) to logits (batch, classes).
        bounds: Smallest and largest value of a pixel, in the units of the model's input.
        head: What the model's file ends in, in words, for reports.
        gradient: How attackers take the gradient of its defences; see `turtlenet.gradient_mode`.
        draws: How many draws of random defences an answer and its gradient are the mean of (EOT, Athalye et al.,
            2018).
        seed: Repeats those draws: the logits are a pure function of the input and the seed.
        whole: The model with its own head, where `model` was made of one; it shares every variable.
        told: What was said of that head: `auto`, `softmax`, `sigmoid` or `logits`.
        question: What is asked of a model that has other labels than single ones, or inputs that are held; None for
            one class of several and one input. `model` then gives outputs (batch, units), of the attacked input and of
            the held ones, flat; see `asked`.
        usage: What was said of the task and the inputs, so that another classifier can be made alike.
    """

    in_training: ClassVar[bool] = True
    """Whether a call with `training=True` is one of training: batch statistics are taken, and followed."""

    def __init__(
        self,
        model: keras.Model,
        *,
        bounds: tuple[float, float] = (0.0, 1.0),
        head: str = "logits",
        gradient: str = "adaptive",
        draws: int = 1,
        seed: int = 0,
        whole: keras.Model | None = None,
        told: str = "auto",
        question: "Question | None" = None,
        usage: Any = None,
    ):
        model, bounds = fitted(model, keras.Model, "model"), fitted(bounds, tuple[float, float], "bounds")
        draws, seed = fitted(draws, int, "draws"), fitted(seed, int, "seed")
        gradient_mode.check_gradient(fitted(gradient, str, "gradient"))
        if draws < 1:
            raise SettingError(f"Expected draws >= 1; got {draws}.")
        if not -math.inf < bounds[0] < bounds[1] < math.inf:
            kind = "finite bounds" if bounds[0] < bounds[1] else "bounds"
            raise SettingError(f"Expected {kind} low < high; got {bounds[0]} and {bounds[1]}.")
        self.model = model
        self.bounds = (float(bounds[0]), float(bounds[1]))
        self.head = head
        self.whole, self.told = model if whole is None else whole, told
        self.gradient = gradient
        self.draws, self.seed = draws, seed
        self.question, self.usage = question, usage
        self.input_shape: tuple[int, ...] = tuple(model.input_shape[1:]) if question is None else question.input_shape
        self.num_classes = int(model.output_shape[-1]) if question is None else question.num_classes
        self.excess: Callable[[Classifier, Any, Any], Any] | None = None
        """What a detector says; see `beside`."""
        self.fitting: int | None = None
        """The largest batch that was seen to fit into memory, once one did not."""
        self._rows: Any = None
        self._whole_task = False
        self._graphs: dict[Hashable, Callable[..., Any]] = {}
        self._past: Any = None
        self._others: dict[Hashable, Classifier] = {(gradient, draws, seed): self}

    def __call__(self, x: Any, *, training: bool = False) -> Any:
        """Gives float32 logits (batch, classes); the weights are those of this moment."""
        if training:
            return self._logits(x, training=True)
        return (backend.wide_gradient(self._attacked) if self.narrow else self._attacked)(x)

    def each(self, x: Any) -> Any:
        """Gives the float32 logits of each draw, (batch, draws, classes); one draw of a model that draws nothing.

        They are the draws that a call takes the mean of; `mean` takes it.
        """
        if not self.narrow:
            return self._drawn(x)
        size = self._count * self.num_classes
        flat = backend.wide_gradient(lambda z: ops.reshape(self._drawn(z), (-1, size)))
        return ops.reshape(flat(x), (-1, self._count, self.num_classes))

    def probabilities(self, x: Any) -> Any:
        """Gives the softmax of each draw, float32 (batch, draws, classes)."""
        return ops.softmax(self.each(x), axis=-1)

    @staticmethod
    def mean(logits: Any) -> Any:
        """One answer (batch, classes) of the logits of several draws (batch, draws, classes)."""
        if logits.shape[1] == 1:
            return logits[:, 0]
        chances = ops.log_softmax(logits, axis=-1)
        return ops.logsumexp(chances, axis=1) - math.log(logits.shape[1])

    def _attacked(self, x: Any) -> Any:
        if self.stochastic:
            return self._mean(x)
        with gradient_mode.taken(self.gradient, past=self._past):
            return self._logits(x)

    def _logits(self, x: Any, training: bool = False) -> Any:
        """Float32 logits (batch, classes), of the model itself or of what it is asked."""
        if self.question is None:
            return ops.cast(self.model(x, training=training), "float32")
        if self._rows is None:
            raise self._unasked()
        outputs = self.question.outputs(self.model, x, self._rows, training)
        return self.question.logits(outputs, self._rows, whole=self._whole_task)

    def asked(self, y: Any, *, whole: bool = False) -> "tuple[Classifier, Any]":
        """This classifier as it is asked about a batch, and the class that is right for each of its examples.

        Args:
            y: Labels, int32 (batch,); where there is a `question`, its rows, float32 (batch, width).
            whole: Whether the logits are to tell all that the task has, also what does not count.

        Returns:
            A classifier whose calls take these very examples, or several candidates for each in the order of
            `ops.repeat`; and classes, int32 (batch,). Itself and the labels where there is no question.
        """
        if self.question is None:
            return self, y
        other = copy.copy(self)
        other._rows, other._whole_task, other._graphs = y, whole, {}
        other._others = {(self.gradient, self.draws, self.seed): other}
        return other, self.question.classes(y)

    def _unasked(self) -> ModelError:
        """What is said of inputs without their labels, where a question needs these."""
        what = "" if self.question is None else self.question.describe()
        return ModelError(
            f"Expected inputs together with their labels for {what}: turtlenet.attack, evaluate or train; got inputs "
            "alone."
        )

    def counted(self, logits: Any) -> Any:
        """Those of the logits of `asked(..., whole=True)` that count, (batch, classes)."""
        return logits if self.question is None else self.question.task.counted(logits)

    def classes(self, y: np.ndarray) -> np.ndarray:
        """The class that is right for each example, int32 (n,), of labels as `Examples.batch` gives them."""
        return y if self.question is None else self.question.classes(y)

    @property
    def label_dtype(self) -> str:
        """What labels are: `int32`, or `float32` for rows; see `asked`."""
        return "int32" if self.question is None else "float32"

    def _mean(self, x: Any) -> Any:
        """Logarithms of the mean probabilities over the draws: their cross-entropy is that of the mean answer."""
        return self.mean(self._drawn(x))

    def _drawn(self, x: Any) -> Any:
        """Logits of each draw (batch, draws, classes)."""
        x, draws = ops.convert_to_tensor(x, "float32"), self._count
        keys = random.keys(self.seed, self._digest(x))
        # All draws at once: a graph of fifty derivations one by one takes longer to build than to run.
        numbers = ops.zeros_like(keys[:, :1]) + ops.cast(np.arange(draws, dtype="int32")[None, :], "uint32")
        spread = ops.reshape(keys[:, None, :] + ops.zeros_like(numbers)[:, :, None], (-1, 2))
        with gradient_mode.taken(self.gradient, random.fold_in(spread, ops.reshape(numbers, (-1,))), self._past):
            logits = self._logits(ops.repeat(x, draws, axis=0))
        return ops.reshape(logits, (-1, draws, self.num_classes))

    def _digest(self, x: Any) -> Any:
        """A number for each input (batch,), so that draws belong to an input and not to its place in a batch."""
        size = math.prod(self.input_shape)
        low, high = self.bounds
        grains = ops.cast(ops.reshape(ops.stop_gradient(x) - low, (-1, size)) / (high - low) * 2.0**22, "int32")
        odd = (np.arange(size, dtype="int64") * 2 + 1) * 0x9E3779B1 % 2**31 | 1
        # Sums of 32-bit integers wrap around, on every backend.
        return ops.sum(grains * ops.cast(odd.astype("int32"), "int32"), axis=1)

    @property
    def _count(self) -> int:
        """How many draws there are to take."""
        return self.draws if self.stochastic else 1

    @property
    def stochastic(self) -> bool:
        """Whether a defence draws random numbers when the model answers."""
        return any(getattr(layer, "stochastic", False) for layer in self.model._flatten_layers(include_self=False))

    def taking(self, gradient: str = "", *, draws: int = 0, seed: int | None = None) -> "Classifier":
        """The same classifier as one sees it who takes gradients or draws in another way; itself if nothing differs.

        Args:
            gradient: `adaptive` or `naive`; empty for this one's.
            draws: How many; 0 for this one's.
            seed: Of the draws; None for this one's.
        """
        gradient, draws = gradient or self.gradient, draws or self.draws
        if draws < 1:
            raise SettingError(f"Expected draws >= 1; got {draws}.")
        seed = self.seed if seed is None else seed
        if (gradient, draws, seed) == (self.gradient, self.draws, self.seed):
            return self
        gradient_mode.check_gradient(gradient)
        if (gradient, draws, seed) not in self._others:
            other = copy.copy(self)
            other.gradient, other.draws, other.seed, other._graphs = gradient, draws, seed, {}
            self._others[gradient, draws, seed] = other
        return self._others[gradient, draws, seed]

    def drawing(self, seed: Any) -> "Classifier":
        """The same classifier within one graph, with draws of its own.

        Args:
            seed: The two words, uint32 (2,), of a seed that is known when the graph runs.
        """
        other = copy.copy(self)
        other.seed, other._graphs, other._others = seed, {}, {}
        return other

    def through(self, change: Callable[["Classifier"], "Classifier"]) -> "Classifier":
        """What a function makes of this classifier; a view of one stays the same view, of what it makes of that."""
        return change(self)

    def beside(self, excess: Callable[["Classifier", Any, Any], Any]) -> "Classifier":
        """The same classifier with a detector beside it, for an attack that must get past both.

        Args:
            excess: A function of a classifier, inputs (batch, ...) and the logits of each draw, (batch, draws,
                classes). It gives (batch, k), how far the log odds of k detectors are above those of what they let
                pass.
        """
        other = copy.copy(self)
        other.excess, other._graphs = excess, {}
        other._others = {(self.gradient, self.draws, self.seed): other}
        return other

    @property
    def reader(self) -> Any:
        """The one layer that reads the model's input, within nested models too; None where several do."""
        return _reader(self.model)

    @property
    def entrance(self) -> Any:
        """The defence that alone reads the model's input and says what it can give for a box of inputs (`reachable`).

        None where there is no such layer.
        """
        layer = self.reader
        return layer if getattr(layer, "has_reachable", False) else None

    def behind(self, layer: Any) -> "Classifier":
        """The rest of the classifier behind a defence that alone reads its input (`reader`).

        It is called with what that layer would give.
        """
        if ("behind", id(layer)) not in self._others:
            other = copy.copy(self)
            other._past, other._graphs = layer, {}
            other._others = {(self.gradient, self.draws, self.seed): other}
            self._others["behind", id(layer)] = other
        return self._others["behind", id(layer)]

    @property
    def precision(self) -> str:
        """What the layers with weights compute in: `float32`, or `bfloat16, float32`."""
        layers = self.model._flatten_layers(include_self=False, recursive=True)
        kinds = {layer.compute_dtype for layer in layers if layer._trainable_variables}
        return ", ".join(sorted(kinds)) or "float32"

    @property
    def narrow(self) -> bool:
        """Whether any layer computes in float16, where slopes vanish unless they are scaled."""
        return any(layer.compute_dtype == "float16" for layer in self.model._flatten_layers(include_self=False))

    def compiled(self, name: Hashable, fn: Callable[..., Any], others: Sequence[Any] = ()) -> Callable[..., Any]:
        """Keeps one graph for each name; of very many, those that were used last.

        Args:
            name: Tells the graph from others.
            fn: What it computes.
            others: Further classifiers that it reads, or whatever has a `model`.
        """
        graph = self._graphs.pop(name, None) or backend.compiled(fn, lambda: _variables([self, *others]))
        if len(self._graphs) >= _GRAPHS:
            del self._graphs[next(iter(self._graphs))]
        self._graphs[name] = graph
        return graph

    def predict(self, x: Any, y: Any = None) -> Any:
        """Compiled logits of one batch, as a float32 NumPy array; where there is a `question`, with its rows `y`."""
        pixels = backend.shard(ops.convert_to_tensor(x, "float32"))
        if self.question is None:
            return ops.convert_to_numpy(self.compiled("predict", self.__call__)(pixels))
        if y is None:
            raise self._unasked()
        rows = backend.shard(ops.convert_to_tensor(y, "float32"))
        graph = self.compiled("predict", lambda pixels, rows: self.asked(rows)[0](pixels))
        return ops.convert_to_numpy(graph(pixels, rows))


def _variables(classifiers: Iterable[Any]) -> list[Any]:
    """The variables of several classifiers, each once."""
    found = {id(variable): variable for each in classifiers for variable in each.model.variables}
    return list(found.values())


def _reader(model: Any) -> Any:
    """The one layer that reads a model's input, within nested models too; None where several do, or it is unseen."""
    owner = next(kind for kind in type(model).__mro__ if "call" in vars(kind))
    if not owner.__module__.startswith("keras."):
        return None
    if isinstance(model, keras.Sequential):
        reader, uses = model.layers[0], model.layers.count(model.layers[0])
    else:
        if len(model.inputs) != 1:
            return None
        (source,) = model.inputs
        nodes = [node for depth in model._nodes_by_depth.values() for node in depth]
        readers = [node.operation for node in nodes if any(part is source for part in node.input_tensors)]
        reader = readers[0] if len(readers) == 1 else None
        uses = sum(node.operation is reader for node in nodes)
    if uses != 1:
        return None
    return _reader(reader) if isinstance(reader, keras.Model) else reader
