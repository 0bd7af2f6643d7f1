"""Each objective against a few lines of NumPy, its weight gradient against differences, and what it crafts on."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.special import log_softmax, softmax

from turtlenet import attacks, backend, balls, random
from turtlenet.classifier import Classifier
from turtlenet.errors import ModelError, SettingError
from turtlenet.training import Trainer, objectives
from turtlenet.training.objective.bounded import Bounded

BALL = balls.get("linf", 0.1)
RNG = np.random.default_rng(3)
X = RNG.uniform(0.3, 0.7, size=(6, 5)).astype("float32")
MOVED = (X + RNG.uniform(-0.1, 0.1, size=X.shape)).astype("float32")
Y = np.array([0, 1, 2, 0, 1, 2], "int32")
KEY = random.keys(0, np.arange(6))


def net(seed: int) -> Classifier:
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((5,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(3)]
    return Classifier(keras.Sequential(layers))


MODEL, HELPER = net(1), net(2)


def build(spec: str):
    return objectives.build(spec, attack=attacks.build("pgd:steps=2,keep=last"), ball=BALL)


def total(spec: str, model: Classifier = MODEL) -> np.ndarray:
    losses, _ = build(spec).total(model, X, MOVED, Y, key=KEY, sources=[HELPER])
    return ops.convert_to_numpy(losses)


def answers(x: np.ndarray, model: Classifier = MODEL) -> np.ndarray:
    return model.predict(x.astype("float32")).astype("float64")


def entropy(logits: np.ndarray, labels: np.ndarray = Y) -> np.ndarray:
    return -log_softmax(logits, axis=1)[np.arange(6), labels]


def divergence() -> np.ndarray:
    clean, moved = log_softmax(answers(X), axis=1), log_softmax(answers(MOVED), axis=1)
    return (np.exp(clean) * (clean - moved)).sum(axis=1)


def mart(beta: float) -> np.ndarray:
    chance, moved = softmax(answers(X), axis=1), softmax(answers(MOVED), axis=1)
    others = np.where(np.eye(3)[Y] > 0, -1, moved).max(axis=1)
    boosted = entropy(answers(MOVED)) - np.log(1.0001 - others)
    return boosted + beta * divergence() * (1 - chance[np.arange(6), Y])


def smoothed(share: float) -> np.ndarray:
    targets = (1 - share) * np.eye(3)[Y] + share / 3
    return -(targets * log_softmax(answers(MOVED), axis=1)).sum(axis=1)


def worst(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Minus the margins that intervals leave: a tanh layer, and the last layer folded into the differences."""
    kernel, bias, last, shift = (each.astype("float64") for each in MODEL.model.get_weights())
    middle, radius = (low + high) / 2 @ kernel + bias, (high - low) / 2 @ np.abs(kernel)
    low, high = np.tanh(middle - radius), np.tanh(middle + radius)
    differences = last[:, Y].T[:, :, None] - last[None]
    margin = np.einsum("bi,bij->bj", (low + high) / 2, differences) + shift[Y][:, None] - shift
    return -(margin - np.einsum("bi,bij->bj", (high - low) / 2, np.abs(differences)))


def ball(size: float = 0.1, around: np.ndarray = X) -> tuple[np.ndarray, np.ndarray]:
    """The ends of a box, within the ball around X."""
    low, high = np.clip(X - 0.1, 0, 1), np.clip(X + 0.1, 0, 1)
    return np.clip(around - size, low, high).astype("float64"), np.clip(around + size, low, high).astype("float64")


def mixed(share: float) -> np.ndarray:
    logits = answers(MOVED)
    return (1 - share) * (logits - logits[np.arange(6), Y][:, None]) + share * worst(*ball())


EQUATIONS = {
    "madry": lambda: entropy(answers(MOVED)),
    "madry:label_smoothing=0.2": lambda: smoothed(0.2),
    "madry:logit_pairing=0.5": lambda: entropy(answers(MOVED)) + 0.5 * ((answers(X) - answers(MOVED)) ** 2).mean(1),
    "trades:beta=4": lambda: entropy(answers(X)) + 4 * divergence(),
    "mart:beta=3": lambda: mart(3),
    "hat:beta=2,gamma=0.7": lambda: (
        entropy(answers(X))
        + 2 * divergence()
        + 0.7 * entropy(answers(X + 2 * (MOVED - X)), answers(MOVED, HELPER).argmax(axis=1))
    ),
    "distillation:temperature=5": lambda: (
        -(softmax(answers(MOVED, HELPER) / 5, axis=1) * log_softmax(answers(MOVED) / 5, axis=1)).sum(axis=1)
    ),
    "distillation:temperature=5,labels=data": lambda: entropy(answers(MOVED) / 5),
    "ensemble": lambda: entropy(answers(MOVED)),
    "fast": lambda: entropy(answers(MOVED)),
    "n-fgsm": lambda: entropy(answers(MOVED)),
    "ibp:kappa=0": lambda: entropy(worst(*ball())),
    "ibp:kappa=0.3": lambda: 0.3 * entropy(answers(MOVED)) + 0.7 * entropy(worst(*ball())),
    "sabr:tau=0.4": lambda: entropy(worst(*ball(0.04, MOVED))),
    "sabr:tau=1": lambda: entropy(worst(*ball(0.1, MOVED))),
    "mtl-ibp:alpha=0.3": lambda: 0.7 * entropy(answers(MOVED)) + 0.3 * entropy(worst(*ball())),
    "cc-ibp:alpha=0.3": lambda: entropy(mixed(0.3)),
    "crown-ibp:kappa=0.3": lambda: 0.3 * entropy(answers(MOVED)) + 0.7 * entropy(worst(*ball())),
    "ibp:kappa=0,l1=0.01": lambda: (
        entropy(worst(*ball())) + 0.01 * sum(np.abs(each).sum() for each in MODEL.model.get_weights() if each.ndim > 1)
    ),
}


@pytest.mark.parametrize("spec", EQUATIONS)
def test_the_loss_is_the_equation(spec) -> None:
    np.testing.assert_allclose(total(spec), EQUATIONS[spec](), rtol=2e-4, atol=2e-5)


def test_crown_ibp_mixes_the_margins_of_both() -> None:
    """Linear bounds lie between those of intervals and what the box holds; halfway, their margins are averaged."""
    bounded = Bounded(MODEL, X)
    low, high = (each.astype("float32") for each in ball())
    interval = np.asarray(bounded.margins(low, high, Y), "float64")
    linear = np.asarray(bounded.linear_margins(Y), "float64")
    np.testing.assert_allclose(total("crown-ibp:kappa=0,beta=1"), entropy(-linear), rtol=1e-4)
    np.testing.assert_allclose(total("crown-ibp:kappa=0,beta=0.5"), entropy(-0.5 * (interval + linear)), rtol=1e-4)
    assert (linear - interval)[np.eye(3)[Y] == 0].mean() > 0.005
    for _ in range(50):
        logits = answers(low + RNG.uniform(size=low.shape) * (high - low))
        assert (logits[np.arange(6), Y][:, None] - logits >= linear - 1e-5).all()


@pytest.mark.parametrize(
    "spec",
    [
        "trades:beta=4",
        "mart",
        "hat",
        "distillation:temperature=3",
        "madry:gradalign=1,label_smoothing=0.1",
        "crown-ibp:beta=0.5",
        "cc-ibp",
    ],
)
def test_the_weight_gradient_is_that_of_the_loss(spec) -> None:
    """Against central differences along the gradient and along a random direction, as the trainer computes it."""
    model, objective = net(5), build(spec)
    weights = model.model.trainable_variables

    def loss():
        losses, _ = objective.total(model, ops.convert_to_tensor(X), MOVED, Y, key=KEY, sources=[HELPER])
        return ops.sum(losses), ()

    graph = backend.compiled(lambda: backend.weight_gradients(loss, weights)[2], lambda: model.model.variables)
    gradients = [ops.convert_to_numpy(each) for each in graph()]
    kept = [ops.convert_to_numpy(each) for each in weights]
    for direction in (gradients, [RNG.normal(size=each.shape) for each in kept]):
        size = np.sqrt(sum((each**2).sum() for each in direction))
        values = []
        for length in (5e-3, -5e-3):
            for weight, value, way in zip(weights, kept, direction, strict=True):
                weight.assign(value + length * way / size)
            values.append(float(ops.convert_to_numpy(loss()[0])))
        for weight, value in zip(weights, kept, strict=True):
            weight.assign(value)
        slope = sum((one * other).sum() for one, other in zip(gradients, direction, strict=True)) / size
        assert (values[0] - values[1]) / 1e-2 == pytest.approx(slope, rel=0.03, abs=5e-3)


def test_gradient_alignment_is_the_angle_of_two_gradients() -> None:
    here, there = (slope(point) for point in (X, ops.convert_to_numpy(BALL.sample(X, random.fold_in(KEY, 0xA116)))))
    cosine = (here * there).sum(1) / np.sqrt((here**2).sum(1) * (there**2).sum(1))
    added = total("madry:gradalign=2") - total("madry")
    np.testing.assert_allclose(added, 2 * (1 - cosine), rtol=1e-2, atol=1e-4)


def slope(x: np.ndarray) -> np.ndarray:
    """Gradients of the cross-entropy at x, by central differences."""
    steps = 1e-2 * np.eye(5, dtype="float32")
    return np.stack([(entropy(answers(x + step)) - entropy(answers(x - step))) / 2e-2 for step in steps], axis=1)


def test_trades_climbs_the_divergence_unless_told_another_loss() -> None:
    assert build("trades").attack.loss == "kl"
    told = objectives.build("trades", attack=attacks.build("pgd:steps=2,loss=margin"), ball=BALL)
    assert told.attack.loss == "margin"
    assert objectives.build("trades", attack=attacks.build("noise"), ball=BALL).attack.family == "random"
    assert build("mart").attack.loss == "cross_entropy"


def test_one_step_crafts_by_itself() -> None:
    moved = ops.convert_to_numpy(build("n-fgsm:noise=0").perturb(MODEL, X, Y, key=KEY, step=0))
    np.testing.assert_allclose(moved, np.clip(X + 0.1 * np.sign(slope(X)), 0, 1), atol=1e-6)
    wide = ops.convert_to_numpy(build("n-fgsm").perturb(MODEL, X, Y, key=KEY, step=0))
    assert np.abs(wide - X).max() > 0.2
    assert np.abs(ops.convert_to_numpy(build("fast").perturb(MODEL, X, Y, key=KEY, step=0)) - X).max() <= 0.1 + 1e-6


def test_a_helper_must_be_there_and_fit() -> None:
    with pytest.raises(SettingError, match="Expected a helper for objective hat, a model that was trained as usual"):
        Trainer(MODEL, build("hat"))
    other = Classifier(keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)]))
    with pytest.raises(ModelError, match=r"Expected a helper with inputs of \(5,\) and 3 classes, as the model has"):
        Trainer(MODEL, build("hat"), sources=[other])
    Trainer(MODEL, build("hat"), sources=[HELPER])


def test_free_moves_weights_and_inputs_by_one_gradient() -> None:
    """Two replays of one batch against the same by hand, with plain gradient descent."""
    model, objective = net(7), build("free:replays=2")
    trainer = Trainer(model, objective, batch_size=6)
    trainer.compile(optimizer=keras.optimizers.SGD(0.1))
    twin, delta, point = net(7), np.zeros_like(X), keras.Variable(X)
    variables = [*twin.model.trainable_variables, point]

    def loss():
        return ops.mean(build("madry").fit(Y, twin(point))), ()

    graph = backend.compiled(lambda: backend.weight_gradients(loss, variables)[2], lambda: variables)
    for _ in range(2):
        point.assign(np.clip(X + delta, 0, 1))
        *gradients, ascent = (ops.convert_to_numpy(each) for each in graph())
        for variable, gradient in zip(variables, gradients, strict=False):
            variable.assign(variable - 0.1 * gradient)
        delta = np.clip(delta + 0.1 * np.sign(ascent), -0.1, 0.1)
    trainer.fit(X, Y, batch_size=6, epochs=1, shuffle=False, verbose=0)
    np.testing.assert_allclose(ops.convert_to_numpy(trainer.carried), delta, atol=1e-6)
    for one, other in zip(model.model.get_weights(), twin.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_free_refuses_what_it_cannot_do() -> None:
    with pytest.raises(SettingError, match="Expected batch_size of a trainer on objective free"):
        Trainer(MODEL, build("free"))
    with pytest.raises(SettingError, match="a batch in one part"):
        Trainer(MODEL, build("free"), batch_size=6, accumulate=2)
    with pytest.raises(SettingError, match="which crafts nothing"):
        build("free:clean_share=0.5")


@pytest.mark.parametrize(
    ("spec", "passes"),
    [
        ("madry", 1),
        ("free:replays=4", 4),
        ("fast", 1),
        ("mart", 2),
        ("trades", 2 + 1 / 3),
        ("distillation", 1 + 1 / 3),
        ("ensemble", 1),
        ("madry:gradalign=0.2", 5),
        ("hat", 3 + 2 / 3),
    ],
)
def test_the_count_of_passes(spec, passes) -> None:
    assert build(spec).passes == pytest.approx(passes)
