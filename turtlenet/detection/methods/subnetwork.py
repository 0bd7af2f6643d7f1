"""A detector network on a hidden layer."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import ops

from turtlenet.attacks import attacks
from turtlenet.attacks.run.runner import attack_all
from turtlenet.classifier import Classifier
from turtlenet.detection.arrays import packed, shapes_of, unpacked
from turtlenet.detection.base import Lesson, detectors, learned
from turtlenet.detection.layers import convolutions_of, outputs_of, shape_of
from turtlenet.detection.methods.threshold import Thresholded
from turtlenet.detection.networks import convolved, drawn, trained
from turtlenet.errors import ModelError
from turtlenet.ranges import count, one_of

_KNOWING = "undetected:steps=10,step_size=0.25,selective=true"


@detectors.register("subnetwork")
@dataclass(frozen=True, kw_only=True)
class Subnetwork(Thresholded):
    """A small network that tells the outputs of a hidden layer apart (Metzen et al., 2017).

    Two convolutions with a halving between them and a mean over the places, or one dense layer where the layer has no
    places; then one logit, trained by cross-entropy with as many clean as adversarial inputs in a step. Against a
    static adversary the adversarial inputs are those of the attacks of the fit. Against a dynamic one there are new
    ones after each round, of an attack that misleads the model and the detector as it stands; the paper has new ones
    in each step, and mixes both gradients in random shares.

    Args:
        layer: Name of the layer; empty for the model's first convolution, or else what its last dense layer is given.
        adversary: `static`, or `dynamic`.
        rounds: How often a dynamic adversary is asked.
        width: Filters of a convolution, or units of the dense layer.
        steps: Steps of training, all rounds together.
        batch: Inputs in a step.
        network: Kernels and biases, and mean and standard deviation of the layer's outputs.
    """

    statistic: ClassVar[str] = "logit of a network on a hidden layer"

    layer: str = ""
    adversary: str = one_of("static", ("static", "dynamic"))
    rounds: int = count(4, low=1)
    width: int = count(16, low=1)
    steps: int = count(1000, low=1)
    batch: int = count(64, low=2)
    network: tuple[str, ...] = learned((), arrays=True)

    def check(self, model: Classifier) -> None:
        super().check(model)
        wanted = [*_shapes(shape_of(model, self._layer(model)), self.width), (2,)]
        if self.network and shapes_of(self.network) != wanted:
            raise ModelError(f"Expected the layer that the detector learned on; got {self._layer(model)!r}, another.")

    def learn(self, lesson: Lesson) -> Self:
        name = self._layer(lesson.classifier)
        look = (f"outputs of {name}", lambda model, x: outputs_of(model, x, name))
        clean, adversarial = (lesson.mapped(*look, side) for side in (lesson.clean, lesson.adversarial))
        rounds = self.rounds if self.adversary == "dynamic" else 1
        spread = np.array([clean.mean(), clean.std() + 1e-6], "float32")
        arrays = drawn(_shapes(clean.shape[1:], self.width), lesson.seed)
        found = self
        for turn in range(rounds):
            steps = self.steps // rounds + (turn < self.steps % rounds)
            sides = [(side - spread[0]) / spread[1] for side in (clean, adversarial)]
            batches = itertools.islice(_batches(sides, self.batch, [lesson.seed, turn]), steps)
            arrays = trained(_answer, arrays, batches, keras.losses.BinaryCrossentropy(from_logits=True))
            found = replace(self, network=packed((*arrays, spread)))
            if turn < rounds - 1:
                fresh = lesson.mapped(*look, found._evading(lesson, turn))
                adversarial = np.concatenate([adversarial, fresh])
        return found

    def statistics(self, model: Classifier, x: Any, logits: Any) -> Any:
        *arrays, spread = unpacked(self.network)
        outputs = outputs_of(model, x, self._layer(model))
        return _answer(arrays, (outputs - spread[0]) / spread[1])[:, 0]

    def _layer(self, model: Classifier) -> str:
        return self.layer or next(iter(convolutions_of(model)), "")

    def _evading(self, lesson: Lesson, turn: int) -> np.ndarray:
        """Inputs that mislead the model while the network takes them for clean."""

        def excess(model: Classifier, x: Any, logits: Any) -> Any:
            return self.statistics(model, x, logits)[:, None]

        victim = lesson.victim.beside(excess)
        attack, seed = attacks.build(_KNOWING), lesson.seed + turn + 1
        how: dict[str, Any] = {"ball": lesson.ball, "seed": seed, "batch_size": lesson.batch_size}
        return attack_all(attack, victim, lesson.clean, lesson.labels, **how).x


def _shapes(of: tuple[int, ...], width: int) -> list[tuple[int, ...]]:
    """The shapes of the arrays for a layer."""
    if len(of) == 3:
        return [(3, 3, of[-1], width), (width,), (3, 3, width, width), (width,), (width, 1), (1,)]
    return [(int(np.prod(of)), width), (width,), (width, 1), (1,)]


def _answer(arrays: Sequence[Any], outputs: Any) -> Any:
    """The logit (batch, 1) of a layer's outputs."""
    if len(arrays) == 6:
        first, second = arrays[:2], arrays[2:4]
        x = ops.relu(convolved(outputs, *first))
        x = ops.max_pool(x, 2, strides=2, padding="same", data_format="channels_last")
        x = ops.mean(ops.relu(convolved(x, *second)), axis=(1, 2))
    else:
        x = ops.relu(ops.matmul(ops.reshape(outputs, (-1, arrays[0].shape[0])), arrays[0]) + arrays[1])
    return ops.matmul(x, arrays[-2]) + arrays[-1]


def _batches(sides: Sequence[np.ndarray], batch: int, seed: Sequence[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """As many of either side."""
    generator, half = np.random.default_rng(seed), max(batch // 2, 1)
    labels = np.repeat(np.array([[0.0], [1.0]], "float32"), half, axis=0)
    while True:
        yield np.concatenate([side[generator.integers(len(side), size=half)] for side in sides]), labels
