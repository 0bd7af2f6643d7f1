"""Training on an objective, as a Keras model."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from turtlenet import backend, random
from turtlenet.arguments import fitted
from turtlenet.attacks import PGD, Attack
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError
from turtlenet.training.co_training import Turns
from turtlenet.training.data.augmentation import Augmentation, augmented, build
from turtlenet.training.objective.base import Objective, objectives
from turtlenet.training.objective.certified import Certified
from turtlenet.training.resumable import ResumableTrainer
from turtlenet.training.wrappers import Plan, Wrapper, check_wrappers

# Validation draws come from a stream of their own, so that how often one validates changes no training draw.
_VALIDATION = 0x76A1

# A rival draws for itself, too.
_RIVAL = 0x7117A

# What Keras takes where nothing is asked for.
_KERAS_BATCH = 32

_OWN = ("loss", "accuracy", "robust_accuracy", "crafted_accuracy", "generator_success", "certified_accuracy")


class Trainer(ResumableTrainer):
    """Crafts each batch on the current weights and descends on the objective there.

    It is a `keras.Model`: `compile(optimizer=...)`, then `fit`, `evaluate`, callbacks, schedules, `tf.data`, mixed
    precision and distribution work as for any other. It trains the weights of the classifier's own model in place.
    Metrics given to `compile` see the logits that are trained on, and labels as integers. In training mode
    `robust_accuracy` is that at the crafted examples and `accuracy` that at the clean share of a batch, if there is
    one; in validation both are those of the same images, before and after the validation attack, and `loss` is the
    loss after it; where the training attack takes one step, `crafted_accuracy` is that after the training attack, and
    with an objective of certificates `certified_accuracy` is that which interval bounds prove.

    Args:
        classifier: The model to harden, as an attacker sees it.
        objective: What to minimize.
        seed: Repeats every draw of the attacks.
        sources: Other, fixed classifiers that the objective may craft on.
        accumulate: Parts that a batch is crafted and descended on in turn, which saves memory: their gradients add up
            to those of the whole batch. Only what a layer computes over a batch (batch statistics) is that of a part.
        validation_attack: The attack of validation; 20 steps of PGD if not given.
        rivals: Networks that learn to attack the model as it is, before each of its steps; `generator_success` is
            theirs on the batch they learn from.
        wrappers: What is put around the objective; see `turtlenet.training.wrappers`. `harden` begins their stages.
        plan: What they may know of the run.
        by_weight: Whether the loss of a weighted batch is divided by the sum of its weights, so that an example of
            weight 0 is as good as absent; or by the number of its examples, as Keras does.
        batch_size: Examples of every batch, which an objective that replays batches must know.
        augment: Changes of each training batch before it is attacked, as specs or `Augmentation`s; none in validation.
    """

    def __init__(
        self,
        classifier: Classifier,
        objective: Objective,
        *,
        seed: int = 0,
        sources: Sequence[Classifier] = (),
        validation_attack: Attack | None = None,
        accumulate: int = 1,
        rivals: Sequence[Turns] = (),
        by_weight: bool = True,
        batch_size: int | None = None,
        wrappers: Sequence[Wrapper] = (),
        plan: Plan | None = None,
        augment: Sequence[str | Augmentation] = (),
    ):
        classifier, objective = fitted(classifier, Classifier, "classifier"), fitted(objective, Objective, "objective")
        seed, accumulate = fitted(seed, int, "seed"), fitted(accumulate, int, "accumulate")
        wrappers = fitted(wrappers, Sequence[Wrapper], "wrappers")
        sources = fitted(sources, Sequence[Classifier], "sources")
        validation_attack = fitted(validation_attack, Attack | None, "validation_attack")
        super().__init__(name="trainer", dtype=_policy(classifier.model))
        self.network = classifier.model
        self.classifier = classifier
        self.objective = objective
        self.seed = seed
        self.sources = tuple(sources)
        self.accumulate = accumulate
        self.validation_attack = validation_attack or PGD(steps=20, early_stop=True)
        self._check_attacks(rivals)
        self.wrappers = tuple(wrappers)
        self.plan = plan or Plan()
        check_wrappers(self.wrappers, objective, self.plan)
        self.stage = 0
        """The first step of the stage that the step of training is compiled for."""
        self._begin_wrappers()
        self.augment = build(fitted(augment, Sequence[str | Augmentation], "augment"), classifier.input_shape)
        for each in self.augment:
            each.check(classifier.input_shape, classifier.bounds)
        self.rivals = rivals
        self.by_weight = by_weight
        self._make_metrics()
        self._track_rivals()
        self.carried: Any = None
        if objective.replays > 1:
            self._check_replays(batch_size)
            self.carried = self.add_weight(
                (batch_size, *classifier.input_shape), "zeros", "float32", trainable=False, name="perturbation"
            )
        self.built = True

    def _check_attacks(self, rivals: Sequence[Turns]) -> None:
        """Refuses an objective, sources, rivals and an attack of validation that do not fit the classifier."""
        question = self.classifier.question
        if question is not None and (self.sources or rivals):
            raise SettingError(
                f"Expected no other model and no generator to craft on for {question.describe()}; got one."
            )
        self.objective.check(self.classifier, self.sources)
        self.validation_attack.check(self.classifier, self.objective.ball)

    def _begin_wrappers(self) -> None:
        """Makes the variables of the wrappers."""
        # One flat list, of which Keras tracks every variable.
        states = [wrapper.init(self.network) for wrapper in self.wrappers]
        self._wrapper_variables = [variable for state in states for variable in state]
        self._wrapper_sizes = tuple(map(len, states))

    def _make_metrics(self) -> None:
        certifies = isinstance(self.objective, Certified)
        self._loss = keras.metrics.Mean(name="loss")
        self._clean = keras.metrics.Mean(name="accuracy")
        self._robust = keras.metrics.Mean(name="robust_accuracy")
        self._crafted = keras.metrics.Mean(name="crafted_accuracy")
        self._certified = [keras.metrics.Mean(name="certified_accuracy")] if certifies else []
        self._played = [keras.metrics.Mean(name="generator_success")] if self.rivals else []

    def _track_rivals(self) -> None:
        # Keras must know of every variable that a step changes; what is trained is up to `learn`.
        self._rival_networks = [
            net for each in self.rivals for net in (each.rival.generator, each.rival.discriminator)
        ]
        self._rival_states = [list(each.optimizer.variables) for each in self.rivals]

    def _check_replays(self, batch_size: int | None) -> None:
        name = objectives.name_of(type(self.objective))
        if batch_size is None:
            raise SettingError(f"Expected batch_size of a trainer on objective {name}; got none.")
        if backend.shares() > 1 or self.accumulate > 1:
            raise SettingError(f"Expected one device, and a batch in one part, for objective {name}; got more.")
        if any(type(each).gradients is not Wrapper.gradients for each in self.wrappers):
            raise SettingError(f"Expected no wrapper that changes gradients (awp) for objective {name}; got one.")

    def fit(self, x: Any = None, y: Any = None, batch_size: int | None = None, *more: Any, **settings: Any) -> Any:
        """Trains as `keras.Model.fit` does.

        Raises:
            SettingError: Arrays whose last batch is no whole number of the parts that a batch is worked on in, or of
                another size than an objective that replays batches was given.
        """
        if hasattr(x, "shape"):
            self._check_batches(len(x), batch_size or _KERAS_BATCH)
        return super().fit(x, y, batch_size, *more, **settings)

    def _check_batches(self, count: int, size: int) -> None:
        if self.objective.replays > 1:
            wanted = int(self.carried.shape[0])
            if size != wanted or count % wanted:
                raise SettingError(
                    f"Expected batches of {wanted} examples, without a rest, for objective "
                    f"{objectives.name_of(type(self.objective))}; got {count} examples in batches of {size}."
                )
        elif any(each % self.accumulate for each in (size, count % size)):
            raise SettingError(
                f"Expected batches of a multiple of {self.accumulate} examples, which accumulate={self.accumulate} "
                f"divides; got {count} examples in batches of {size}."
            )

    @property
    def metrics(self) -> list[Any]:
        # Keras has a tracker of its own for the loss that `compile` was given; the objective's loss takes its place.
        others = [metric for metric in super().metrics if metric.name not in _OWN]
        return [self._loss, self._clean, self._robust, self._crafted, *self._played, *self._certified, *others]

    def saved(self) -> list[Any]:
        """Weights, statistics, seeds and optimizer state; not the metrics, which start anew with each epoch."""
        variables = [*self.network.variables, *self.optimizer.variables, *self._wrapper_variables]
        variables += [] if self.carried is None else [self.carried]
        return [*variables, *(variable for each in self.rivals for variable in each.variables)]

    def call(self, x: Any, training: bool = False) -> Any:
        return self.classifier(x, training=training)

    def learn(self, data: Any) -> dict[str, Any]:
        """A step of training: rivals move, then the model: craft, and descend."""
        x, y, weight = self._unpack(data)
        # Batches, not updates: an optimizer that adds up gradients makes one update of several batches.
        optimizer: Any = self.optimizer
        step = getattr(optimizer, "inner_optimizer", optimizer)._iterations
        key = random.fold_in(self._keys(x, self.seed), step)
        x = augmented(x, self.augment, key, self.classifier)
        self._play(x, y, key)
        weights = self.network.trainable_variables
        replayed = self.objective.replays > 1
        counted = weight is None or not self.by_weight
        mass = ops.cast(ops.shape(x)[0], "float32") if counted else ops.maximum(ops.sum(weight), 1e-12)
        if replayed:
            self._replay(x, y, weight, key, step, mass)
        elif self.accumulate == 1:
            gradients = self._descend(x, y, weight, key, step, mass)
        else:
            parts = [None if each is None else self._folded(each) for each in (x, y, weight, key)]

            def part(number: Any) -> list[Any]:
                x, y, weight, key = (None if each is None else ops.take(each, number, axis=0) for each in parts)
                return self._descend(x, y, weight, key, step, mass)

            changing = [*self.network.non_trainable_variables, *self.metrics_variables]
            gradients = backend.sum_over(self.accumulate, part, weights, changing)
        if not replayed:
            backend.apply_gradients(self.optimizer, gradients, weights)
        for wrapper, state in zip(self.wrappers, self._wrapper_states(), strict=True):
            wrapper.update(state, self.network, self.plan)
        played = _OWN[4:5] if self.rivals else ()
        return self._own_results((*_OWN[:3], *played), but=_empty(self.objective.clean_share))

    def _play(self, x: Any, y: Any, key: Any) -> None:
        """Lets the rivals move against the model as it is."""
        for place, turns in enumerate(self.rivals):
            for number in range(turns.moves):
                own = random.fold_in(key, _RIVAL + 64 * place + number)
                gradients, terms = turns.rival.move([self.classifier], x, y, own)
                backend.apply_gradients(turns.optimizer, gradients, turns.rival.weights)
                self._played[0].update_state(terms["success"])

    def _descend(self, x: Any, y: Any, weight: Any, key: Any, step: Any, mass: Any) -> list[Any]:
        """Crafts examples and gives their part of the gradients; `mass` is the whole batch's sum of weights."""
        objective = self.objective_at(step).at(step)
        (asked, classes), (learner, _) = self.classifier.asked(y), self.classifier.asked(y, whole=True)
        adversarial = ops.stop_gradient(objective.perturb(asked, x, classes, key=key, step=step, sources=self.sources))
        _, replicas = backend.replica()
        weights = self.network.trainable_variables

        def compute(at: Any = None, probe: bool = False) -> Any:
            def loss() -> tuple[Any, Any]:
                losses, logits = objective.total(learner, x, adversarial, classes, key=key, sources=self.sources)
                total = ops.sum(losses if weight is None else losses * weight) / mass
                others = 0.0 if probe else self._regularizers() / self.accumulate
                return self.optimizer.scale_loss((total + others) / replicas), (losses, logits)

            return backend.weight_gradients(loss, weights, at, keep=not probe)[1:]

        for wrapper in self.wrappers:
            compute = self._around(wrapper, compute)
        (losses, logits), gradients = compute(None)
        self._track_training(x, classes, logits, losses, weight)
        return gradients

    def _replay(self, x: Any, y: Any, weight: Any, key: Any, step: Any, mass: Any) -> None:
        """Moves the weights and the perturbation by the same gradient, several times (Shafahi et al., 2019)."""
        weights = self.network.trainable_variables
        objective = self.objective_at(step // self.objective.replays)
        ball = objective.ball_at(step)
        # TensorFlow compares no labels of a batch of unknown size with answers to one of a known size.
        learner, y = self.classifier.asked(y, whole=True)
        x, y = ops.reshape(x, self.carried.shape), ops.reshape(y, self.carried.shape[:1])
        for replay in range(objective.replays):
            own = random.fold_in(key, replay)

            def loss(own: Any = own) -> tuple[Any, Any]:
                adversarial = ball.feasible(ball.inside(x + self.carried.value), x, within=True)
                losses, logits = objective.total(learner, x, adversarial, y, key=own)
                total = ops.sum(losses if weight is None else losses * weight) / mass
                return self.optimizer.scale_loss(total + self._regularizers()), (losses, logits)

            _, (losses, logits), gradients = backend.weight_gradients(loss, [*weights, self.carried])
            # TensorFlow forgets the shape of a gradient at a variable.
            slope = ops.reshape(gradients.pop(), self.carried.shape)
            backend.apply_gradients(self.optimizer, gradients, weights)
            point = x + self.carried
            self.carried.assign(ball.project(point + ball.eps * ball.steepest(slope, point), x) - x)
        self._track_training(x, y, logits, losses, weight)

    def objective_at(self, step: Any) -> Objective:
        """The objective of a step, with the changes that the wrappers make to it."""
        objective = self.objective
        for wrapper in self.wrappers:
            objective = wrapper.objective(objective, self.plan, step=step, stage=self.stage)
        return objective

    def judged(self) -> list[Any] | None:
        """Values of the network's variables that a wrapper keeps to be judged in their place; None if none does."""
        for wrapper, state in zip(self.wrappers, self._wrapper_states(), strict=True):
            values = wrapper.judged(state, self.network)
            if values is not None:
                return values
        return None

    def _regularizers(self) -> Any:
        """What layers and wrappers add to the loss of a batch, whatever is in it."""
        own = [wrapper.penalty(self.network) for wrapper in self.wrappers]
        return ops.sum([0.0, *self.network.losses, *own])

    def _around(self, wrapper: Wrapper, compute: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(at: Any = None, probe: bool = False) -> Any:
            if probe:
                return compute(at, probe=True)
            weights = self.network.trainable_variables
            return wrapper.gradients(compute, weights, at, self.plan, stage=self.stage)

        return wrapped

    def _wrapper_states(self) -> list[list[Any]]:
        rest = iter(self._wrapper_variables)
        return [list(itertools.islice(rest, size)) for size in self._wrapper_sizes]

    def judge(self, data: Any) -> dict[str, Any]:
        """A step of validation: clean images, and the same after the validation attack."""
        x, y, weight = self._unpack(data)
        key = self._keys(x, self.seed + _VALIDATION)
        (learner, _), (asked, y) = self.classifier.asked(y, whole=True), self.classifier.asked(y)
        adversarial = self.validation_attack.craft(asked, x, y, ball=self.objective.ball, key=key)
        still, sources = _Still(learner), self.sources
        losses, logits = self.objective.total(still, x, adversarial, y, key=key, sources=sources)
        self._loss.update_state(losses, weight)
        self._clean.update_state(_hits(y, asked(x)), weight)
        self._robust.update_state(_hits(y, asked.counted(logits)), weight)
        own: Sequence[str] = _OWN[:3]
        if isinstance(self.objective, Certified):
            self._certified[0].update_state(ops.cast(self.objective.certified(still, x, y), "float32"), weight)
            own = (*own, _OWN[5])
        if self.objective.attack.family == "one-step":
            # Beside the validation attack this shows whether the model only learned to defeat a single step.
            crafted = self.objective.attack.craft(asked, x, y, ball=self.objective.ball, key=key)
            self._crafted.update_state(_hits(y, asked(crafted)), weight)
            own = (*own, _OWN[3])
        self.compute_metrics(x, y, logits, sample_weight=weight)
        return self._own_results(own)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        # Where Keras builds the metrics before the first step, it does so with the labels as they were given.
        return super().compute_metrics(x, self._labels(y), y_pred, sample_weight)

    def _track_training(self, x: Any, y: Any, logits: Any, losses: Any, weight: Any) -> None:
        size = ops.shape(x)[0]
        clean = self.objective.clean_examples(size)
        is_clean = ops.cast(ops.arange(size, dtype="int32") < clean, "float32")
        hits = _hits(y, self.classifier.counted(logits))
        self._loss.update_state(losses, weight)
        self._clean.update_state(hits, is_clean)
        self._robust.update_state(hits, 1.0 - is_clean)
        self.compute_metrics(x, y, logits, sample_weight=weight)

    def _own_results(self, own: Sequence[str], but: str = "") -> dict[str, Any]:
        logs = self.get_metrics_result()
        return {name: value for name, value in logs.items() if name != but and (name in own or name not in _OWN)}

    def _folded(self, rows: Any) -> Any:
        """A batch as the parts that it is worked on in."""
        return ops.reshape(rows, (self.accumulate, -1, *rows.shape[1:]))

    def _unpack(self, data: Any) -> tuple[Any, Any, Any]:
        if self.classifier.question is None:
            return super()._unpack(data)
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        width = self.classifier.question.width
        return ops.cast(x, "float32"), ops.reshape(ops.cast(y, "float32"), (-1, width)), self._weights(weight)

    def _labels(self, y: Any) -> Any:
        """Labels (batch,), int32, from those or from one-hot ones; of a question, the classes that are right."""
        if self.classifier.question is not None:
            return y if len(y.shape) == 1 else self.classifier.question.classes(y)
        y = ops.argmax(y, axis=-1) if len(y.shape) == 2 and y.shape[-1] == self.classifier.num_classes else y
        return ops.cast(ops.reshape(y, (-1,)), "int32")


class _Still(Classifier):
    """The same classifier in inference mode, whatever an objective asks for."""

    in_training = False

    def __init__(self, classifier: Classifier):
        vars(self).update(vars(classifier))

    def __call__(self, x: Any, *, training: bool = False) -> Any:
        return super().__call__(x, training=False)


def _policy(model: keras.Model) -> Any:
    """The precision of a model's layers, so that Keras scales the loss where they compute in float16."""
    policies = [layer.dtype_policy for layer in model._flatten_layers(include_self=False)]
    return next((policy for policy in policies if policy.compute_dtype == "float16"), model.dtype_policy)


def _empty(share: float) -> str:
    """The metric that a batch without clean, or without attacked, examples cannot give."""
    return "accuracy" if share == 0 else "robust_accuracy" if share == 1 else ""


def _hits(y: Any, logits: Any) -> Any:
    return ops.cast(ops.cast(ops.argmax(logits, axis=-1), "int32") == y, "float32")
