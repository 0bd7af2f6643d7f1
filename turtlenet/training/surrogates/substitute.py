"""A model of the attacker's own that answers as another does, trained on answers alone."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from turtlenet import backend, models
from turtlenet.balls import Ball, FeatureBall, Linf
from turtlenet.classifier import Classifier
from turtlenet.constraints import Integer, OneHot
from turtlenet.errors import ModelError, SettingError, SpecError, TurtlenetError, did_you_mean
from turtlenet.registry import parse_spec
from turtlenet.training.surrogates.oracle import ANSWERS, Oracle

_SIDE = 27
"""The smallest image that `cleverhans` takes."""


@dataclass(frozen=True, kw_only=True)
class Substitution:
    """How a substitute is trained (Papernot et al., 2017, "Practical black-box attacks", Algorithm 1).

    Args:
        substitute: Its architecture: a registered name, or the path of a model, whose weights are not used; `auto` is
            `cleverhans` for images that it takes, and `mlp` for all else.
        holdout: Images that the attacker has.
        rounds: How often to train; before each but the first, every image gets a twin, a step away from it.
        step: Length of that step as a share of the pixel range: lambda in the paper. Where features have bounds of
            their own, a share of each one's range, and at least 1 for integers and categories.
        answers: What the model answers: `labels` or `scores`.
        epochs: Passes over the images in each round.
        batch_size: Images in a batch.
        learning_rate: Of Adam.
    """

    substitute: str = "auto"
    holdout: int = 150
    rounds: int = 6
    step: float = 0.1
    answers: str = "labels"
    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        for name, most in (("holdout", 1_000_000), ("rounds", 12), ("epochs", 10_000), ("batch_size", 1_000_000)):
            if not isinstance(getattr(self, name), int) or not 1 <= getattr(self, name) <= most:
                raise SettingError(f"Expected {name} from 1 to {most:,}; got {getattr(self, name)}.")
        for name in ("step", "learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise SettingError(f"Expected {name} > 0; got {getattr(self, name)}.")
        if self.answers not in ANSWERS:
            raise SpecError(f"Unknown answers {self.answers!r} of an oracle.{did_you_mean(self.answers, ANSWERS)}")

    @property
    def queries(self) -> int:
        """How many images the model is asked about."""
        return self.holdout * 2 ** (self.rounds - 1)


def substitution(settings: str) -> Substitution:
    """Reads `substitute=lenet,rounds=6`.

    Raises:
        SpecError: An unknown setting.
        SettingError: One out of its range.
    """
    given = parse_spec(f"black-box:{settings}" if settings else "black-box").settings
    known = tuple(Substitution.__dataclass_fields__)
    for name in given:
        if name not in known:
            raise SpecError(f"Unknown setting {name!r} of access black-box.{did_you_mean(name, known)}")
    try:
        return Substitution(**given)
    except TypeError as error:
        raise SettingError(f"Expected numbers and words for access black-box; got {settings!r}: {error}.") from None


def architecture_for(name: str, like: Classifier) -> str:
    """What `auto` stands for with the inputs of a classifier; any other name itself."""
    if name != "auto":
        return name
    shape = like.input_shape
    return "cleverhans" if len(shape) == 3 and min(shape[:2]) >= _SIDE else "mlp"


def fresh_network(name: str, like: Classifier, seed: int = 0) -> keras.Model:
    """A network for the same images and classes, whose weights nobody has trained.

    Args:
        name: A registered architecture, the path of a model to take the layers of, or `auto`.
        like: Tells the images and the classes.
        seed: Repeats the weights.

    Raises:
        ModelError: A network for other images or classes, or neither a name nor a model's file.
    """
    keras.utils.set_random_seed(seed % 2**32)
    name = architecture_for(name, like)
    if name in models.architectures.names():
        return models.build(name, like.input_shape, like.num_classes)
    try:
        given = models.load(name, compile=False)
    except TurtlenetError as error:
        known = ", ".join(models.architectures.names())
        raise ModelError(f"Expected a substitute's architecture ({known}) or a model's file; {error}") from None
    network = keras.models.clone_model(given)
    sizes = (tuple(network.input_shape[1:]), int(network.output_shape[-1]))
    if sizes != (like.input_shape, like.num_classes):
        raise ModelError(
            f"Expected a substitute for inputs {like.input_shape} and {like.num_classes} classes, as the model; "
            f"got {name} for {sizes[0]} and {sizes[1]}."
        )
    return network


def train_substitute(
    oracle: Oracle,
    network: keras.Model,
    x: np.ndarray,
    how: Substitution,
    *,
    ball: Ball | None = None,
    seed: int = 0,
    tell: Callable[[str], None] = print,
) -> Classifier:
    """Trains a network in place to answer as a model does, by Jacobian-based augmentation.

    Args:
        oracle: The model, as the attacker sees it; counts the queries.
        network: See `fresh_network`.
        x: The attacker's images, float32 (n, ...), within the model's bounds; no labels are needed.
        how: The settings.
        ball: The threat; where features have bounds, radii or rules of their own, the twins keep bounds and rules.
        seed: Repeats the order of the images.
        tell: Is given a line for each round.

    Returns:
        The network, as attacks see it.
    """
    low, high = oracle.classifier.bounds
    student = models.classifier(network, bounds=(low, high))

    def towards(images: Any, labels: Any) -> Any:
        def look(point: Any) -> tuple[Any, Any]:
            return ops.sum(student(point) * ops.one_hot(labels, student.num_classes, dtype="float32"), axis=1), ()

        slope = backend.input_gradient(look, images)[2]
        return stepped(images, slope)

    stepped = _step(how.step, (low, high), ball)
    step = student.compiled(("augment", how.step, None if ball is None else ball.place), towards)
    answers = oracle.ask(x)
    for number in range(how.rounds):
        if number:
            parts = np.array_split(np.arange(len(x)), -(-len(x) // 256))
            labels = answers.argmax(axis=1).astype("int32")
            twins = [
                ops.convert_to_numpy(step(ops.convert_to_tensor(x[rows]), ops.convert_to_tensor(labels[rows])))
                for rows in parts
            ]
            x = np.concatenate([x, *twins])
            answers = np.concatenate([answers, oracle.ask(x[len(answers) :])])
        fit_answers(
            student,
            x,
            answers,
            epochs=how.epochs,
            batch_size=how.batch_size,
            learning_rate=how.learning_rate,
            seed=seed + number,
        )
        agreed = float((student.predict(x[:256]).argmax(axis=1) == answers[:256].argmax(axis=1)).mean())
        tell(f"substitute, round {number + 1} of {how.rounds}: {oracle.queries:,} queries, agrees on {agreed:.3f}")
    return student


def _step(share: float, bounds: tuple[float, float], ball: Ball | None) -> Callable[[Any, Any], Any]:
    """What takes images and slopes to the twins a step of that share of the range away."""
    low, high = bounds
    if not isinstance(ball, FeatureBall):
        return lambda images, slope: ops.clip(images + share * (high - low) * ops.sign(slope), low, high)
    space = ball.space
    unit = share * (space.high - space.low)
    for rule in space.rules:
        if isinstance(rule.constraint, Integer | OneHot):
            # Less would be rounded to nothing.
            places = list(rule.places)
            unit[places] = np.maximum(unit[places], 1.0)
    near = FeatureBall(
        1.0, ball.low, ball.high, Linf, dataclasses.replace(space, unit=np.where(space.held, 0.0, unit))
    )
    return lambda images, slope: near.land(images + near.steepest(slope, images), images)


def fit_answers(
    student: Classifier,
    x: np.ndarray,
    answers: np.ndarray,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> None:
    """Trains a classifier's weights in place on another's answers, by their cross-entropy.

    Args:
        student: What is trained; a model that is not compiled is, with Adam.
        x: Inputs, float32 (n, ...), within the bounds.
        answers: What the other says of them, float32 (n, classes): probabilities, or 1 at a class and 0 elsewhere.
        epochs: Passes over the inputs.
        batch_size: Inputs in a batch.
        learning_rate: Of Adam.
        seed: Repeats the order of the inputs.
    """
    network = student.model
    if getattr(network, "optimizer", None) is None:
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        network.compile(keras.optimizers.Adam(learning_rate), loss, jit_compile=backend.uses_xla())
    order = np.random.default_rng([seed, 0x5B5])
    for _ in range(epochs):
        rows = order.permutation(len(x))
        network.fit(x[rows], answers[rows], batch_size=batch_size, epochs=1, shuffle=False, verbose=0)
