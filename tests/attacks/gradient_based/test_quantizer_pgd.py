"""The attack at a quantizer, against everything that its levels can be."""

import itertools

import keras
import numpy as np
import pytest

import turtlenet as tn
from turtlenet import attacks, balls, models
from turtlenet.attacks.ensembles.sources import Surrogate
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError
from turtlenet.evaluation.jobs import _at_levels
from turtlenet.models import classifier
from turtlenet.settings import suites
from turtlenet.training import Madry, Trainer

X = np.random.default_rng(3).uniform(size=(10, 9)).astype("float32")
BALL = balls.get("linf", 0.2)


def net(seed: int, hidden: int = 0) -> keras.Model:
    """A linear model of three classes, or one with a hidden layer."""
    widths = [hidden] * bool(hidden)
    layers = [keras.layers.Dense(width, activation="tanh") for width in widths] + [keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((9,)), *layers])
    draw = np.random.default_rng(seed)
    model.set_weights([draw.normal(size=each.shape) for each in model.weights])
    return model


def every(model: Classifier, x: np.ndarray, ball: balls.Ball) -> np.ndarray:
    """All inputs of a ball that a quantizer of evenly spaced thresholds can tell apart, one of each kind."""
    layer = models.defences_of(model.model)[0]
    edges = [point + side for point in layer.initial_thresholds() for side in (-1e-4, 1e-4)]
    low, high = np.clip(x - ball.eps, 0, 1), np.clip(x + ball.eps, 0, 1)
    # Left and right of each threshold within reach, and the input's own value: one of each level.
    values = []
    for element, least, most in zip(x, low, high, strict=True):
        near = [element, *(edge for edge in edges if least <= edge <= most)]
        levels = np.asarray(layer.defend(np.array(near, "float32")))
        values.append([near[at] for at in np.unique(levels, return_index=True)[1]])
    return np.array(list(itertools.product(*values)), "float32")


def margins(logits: np.ndarray, label: int) -> np.ndarray:
    return np.delete(logits, label, axis=1).max(axis=1) - logits[:, label]


@pytest.mark.parametrize("levels", [pytest.param(2, marks=pytest.mark.slow), 4])
def test_a_linear_model_behind_a_quantizer_is_attacked_as_well_as_can_be(levels) -> None:
    # Towards one class the margin is linear in the levels: each element's best level is known by itself.
    victim = classifier(models.wrap(net(1), [f"constant-quantization:levels={levels},hard=true"]))
    y = victim.predict(X).argmax(axis=1).astype("int32")
    attack = attacks.build("quantizer-pgd:loss=margin,target=each,restarts=1,early_stop=false")
    found = attack.run(victim, X, y, ball=BALL)
    for row, label in enumerate(y):
        reached = margins(np.asarray(found.logits)[row : row + 1], label)[0]
        best = margins(victim.predict(every(victim, X[row], BALL)), label).max()
        assert reached == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize(
    "spec",
    [
        "constant-quantization:hard=true",
        pytest.param("constant-quantization:levels=3,hard=true", marks=pytest.mark.slow),
    ],
)
def test_it_leaves_what_the_whole_set_leaves(spec) -> None:
    victim = classifier(models.wrap(net(4, hidden=8), [spec]))
    y = victim.predict(X).argmax(axis=1).astype("int32")
    found = attacks.build("quantizer-pgd").run(victim, X, y, ball=BALL)
    moved = np.asarray(found.x)
    whole = [victim.predict(every(victim, one, BALL)).argmax(axis=1) for one in X]
    broken = [(answers != label).any() for answers, label in zip(whole, y, strict=True)]
    assert 0 < sum(broken) < len(X)
    assert np.array_equal(found.reached, broken)
    assert np.array_equal(victim.predict(moved).argmax(axis=1) != y, broken)
    assert np.abs(moved - X).max() <= 0.2 + 1e-7
    # No element goes further than its level asks for.
    layer = models.defences_of(victim.model)[0]
    same = np.asarray(layer.defend(moved)) == np.asarray(layer.defend(X))
    assert np.array_equal(moved[same], X[same])


def test_smooth_levels_are_climbed_without_their_slope() -> None:
    # Where the naive slope is 0 in float32: 0.4 beside the threshold of a sigmoid of sharpness 1,000.
    victim = classifier(models.wrap(net(4, hidden=8), ["constant-quantization:sharpness=1000"]))
    x = np.where(X > 0.5, 0.9, 0.1).astype("float32")
    y = victim.predict(x).argmax(axis=1).astype("int32")
    wide = balls.get("linf", 0.45)
    found = attacks.build("quantizer-pgd:restarts=1,steps=10").run(victim, x, y, ball=wide)
    naive = attacks.build("pgd:gradient=naive,start=none,steps=5").run(victim, x, y, ball=wide)
    assert np.asarray(found.reached).all() and not np.asarray(naive.reached).any()
    assert (victim.predict(found.x).argmax(axis=1) != y).all()


def test_a_model_without_a_quantizer_is_attacked_in_the_ball_itself(linear) -> None:
    x = X[:, :6]
    y = linear.predict(x).argmax(axis=1).astype("int32")
    found = attacks.build("quantizer-pgd:loss=margin,target=each,restarts=1,early_stop=false").run(
        linear, x, y, ball=balls.get("linf", 0.05)
    )
    corners = np.array(list(itertools.product((-0.05, 0.05), repeat=6)), "float32")
    for row, label in enumerate(y):
        best = margins(linear.predict(np.clip(x[row] + corners, 0, 1)), label).max()
        assert margins(np.asarray(found.logits)[row : row + 1], label)[0] == pytest.approx(best, abs=1e-5)


def test_which_layer_stands_at_the_entrance() -> None:
    two, drop = "constant-quantization:hard=true", "input-dropout"
    inner = models.wrap(net(1), [two])
    nested = keras.Sequential([keras.Input((9,)), inner])
    assert str(classifier(inner).entrance) == str(classifier(nested).entrance) == "constant-quantization:hard=True"
    assert classifier(net(1)).entrance is None
    assert classifier(models.wrap(net(1), [drop, two])).entrance is None
    # What else reads the input would be given levels for pixels.
    source = keras.Input((9,))
    quantized = models.defences_of(models.wrap(net(1), [two]))[0](source)
    beside = keras.Model(source, keras.layers.Dense(3)(keras.layers.Concatenate()([source, quantized])))
    assert classifier(beside).entrance is None
    # The same layer again, further on, would be skipped there too.
    layer = models.defences_of(inner)[0]
    again = keras.Model(source, keras.layers.Dense(3)(layer(keras.layers.Dense(9)(layer(source)))))
    assert classifier(again).entrance is None


def test_behind_the_entrance_is_the_rest_of_the_model() -> None:
    model = net(4, hidden=8)
    victim = classifier(models.wrap(model, ["constant-quantization:hard=true"]))
    rest = victim.behind(victim.entrance)
    np.testing.assert_allclose(rest.predict(X), classifier(model).predict(X), atol=1e-6)
    assert np.abs(rest.predict(X) - victim.predict(X)).max() > 0.1
    assert victim.behind(victim.entrance) is rest
    assert rest.taking("naive").taking("adaptive") is rest
    only = Surrogate([victim], classifier(model))
    assert only.entrance is victim.entrance
    np.testing.assert_allclose(only.behind(only.entrance)(X), rest.predict(X), atol=1e-6)
    assert Surrogate([victim, victim], classifier(model)).entrance is None


def test_training_attacks_the_levels() -> None:
    model = models.wrap(net(4, hidden=8), ["constant-quantization:hard=true"])
    attack = attacks.build("quantizer-pgd", training=True)
    assert (attack.steps, attack.restarts, attack.early_stop) == (10, 1, False)
    trainer = Trainer(classifier(model), Madry(attack=attack, ball=balls.get("linf", 0.05)))
    trainer.compile(keras.optimizers.Adam(0.05))
    history = trainer.fit(X, np.arange(10, dtype="int32") % 3, batch_size=10, epochs=4, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.slow
def test_an_evaluation_attacks_the_levels_by_itself(monkeypatch) -> None:
    asked = suites.Suite(attacks=("fgsm:gradient=adaptive",))
    monkeypatch.setattr(suites, "find", lambda name: asked)
    model = models.wrap(net(4, hidden=8), ["constant-quantization:hard=true"])
    y = classifier(model).predict(X).argmax(axis=1)
    report = tn.evaluate(model, (X, y), eps=0.2, curve=0, tell=lambda line: None)
    assert [row.spec for row in report.attacks] == ["fgsm:gradient=adaptive", "quantizer-pgd"]
    assert "levels-not-attacked" not in {doubt.code for doubt in report.doubts}


def test_where_an_evaluation_adds_it() -> None:
    victims = [classifier(models.wrap(net(4, hidden=8), ["constant-quantization:hard=true"]))]
    assert _at_levels("adaptive", ["pgd"], "inf", victims) and _at_levels(None, [], "linf", victims)
    # What a paper or the user chose stays as it is; other norms have no such attack.
    for suite, given, norm, several in (
        ("standard", [], "linf", victims),
        (None, ["pgd"], "linf", victims),
        (None, [], "l2", victims),
        (None, [], "linf", [classifier(net(1))]),
    ):
        assert not _at_levels(suite, given, norm, several)


@pytest.mark.parametrize(
    "setting", ["step_size=0", "step_size=1.5", "momentum=1", "redraw=0", "steps=0", "restarts=0"]
)
def test_bad_settings(setting) -> None:
    with pytest.raises(SettingError, match=f"Expected {setting.partition('=')[0]}"):
        attacks.build(f"quantizer-pgd:{setting}")


def test_other_norms_are_refused(linear) -> None:
    with pytest.raises(SettingError, match="Expected norm linf for quantizer-pgd; got l2"):
        attacks.build("quantizer-pgd").check(linear, balls.get("l2", 1.0))
