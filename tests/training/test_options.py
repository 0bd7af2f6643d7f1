"""Options of a hardening run: augmentation, extra data, and a time that decides how long it is."""

import keras
import numpy as np
import pytest

from turtlenet.data import load
from turtlenet.data.parts import choose, saw, trained_on
from turtlenet.errors import DataError, SettingError, SpecError
from turtlenet.settings import recipes
from turtlenet.settings.train import PRESETS
from turtlenet.training.run import time_limit
from turtlenet.workflows.train import harden_model

DRAW = np.random.default_rng(0)
X = DRAW.uniform(size=(60, 8, 8, 1)).astype("float32")
Y = np.arange(60) % 4
SHORT = {"attack": "pgd:steps=4,keep=last", "eps": 0.05, "batch_size": 16, "validation": 10, "epochs": 1}


def net() -> keras.Model:
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(4)])
    kernel = np.random.default_rng(1).normal(0, 0.1, (64, 4))
    model.layers[-1].kernel.assign(kernel)
    return model


def run(**settings):
    told: list[str] = []
    hardened, done = harden_model(net(), (X, Y), tell=told.append, **{**SHORT, **settings})
    # The images are noise, of which turtlenet says so.
    return hardened.get_weights(), done, [line for line in told if not line.startswith("!")], hardened


def same(one, other) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture
def more(tmp_path):
    """A file of extra images."""
    path = tmp_path / "more.npz"
    np.savez(path, x=DRAW.integers(0, 256, (40, 8, 8)).astype("uint8"), y=np.arange(40) % 4)
    return path


def test_extra_data_and_augmentation_are_told_and_noted(more) -> None:
    _, done, told, hardened = run(augment=["shift:pixels=1", "flip"], extra=more, extra_share=0.5, epochs=2)
    # 50 images in batches of 8 beside 8 extra ones: 6 steps an epoch.
    assert done.steps == 12
    assert told[2] == f"extra: {more}: 40 images 8x8x1, 4 classes, pixels 0..255 scaled to [0, 1]; 0.5 of each batch"
    assert told[3] == "augment: shift:pixels=1, flip"
    assert told[4] == (
        "cost: 12 steps, 48 input gradients of 16 images, 12 weight gradients of 16, 2 validations on 10"
    )
    assert told[5].startswith("time: about ") and len(told) == 6
    assert done.recipe["augment"] == ["shift:pixels=1", "flip"]
    facts = done.recipe["extra"]
    assert (facts["name"], facts["count"], facts["share"], len(facts["sha256"])) == (str(more), 40, 0.5, 64)
    own, further = trained_on(hardened)
    assert (own["count"], further["count"], further["data"]) == (60, 40, str(more))
    # Who scores these images is told so.
    given = load(more)
    assert saw([further], choose(given), given) and not saw([own], choose(given), given)


@pytest.mark.slow
def test_few_updates_are_told_once_before_the_first_and_noted() -> None:
    told: list[str] = []
    _, done = harden_model(net(), (X, Y), tell=told.append, **SHORT)
    (few,) = (line for line in told if "updates" in line)
    assert few.startswith("! The run updates the weights 3 times in all") and told[told.index(few) - 1][:5] == "cost:"
    assert done.findings == (few,)


def test_a_time_chooses_a_fixed_run(monkeypatch, tmp_path) -> None:
    asked = []

    def pace(*_, **settings):
        asked.append(settings)
        return lambda steps: 1.0 + steps

    monkeypatch.setattr(time_limit, "pace_of", pace)
    weights, done, told, _ = run(time="1m", epochs=None, validation=0)
    # Three steps an epoch: with two steps of the attack each takes three seconds.
    assert (done.recipe["epochs"], done.recipe["time"]) == (6, "1m")
    assert any("; chosen for 1m: 6 epochs, pgd:steps=2," in line for line in told)
    assert done.recipe["objective"]["attack"]["steps"] == 2 and len(asked) == 1
    plain, *_ = run(epochs=6, attack="pgd:steps=2,step_size=0.5,keep=last", validation=0)
    assert same(weights, plain)

    class Kill(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 3:
                raise KeyboardInterrupt

    state = {"checkpoint": tmp_path / "state", "validation": 0, "epochs": None}
    with pytest.raises(KeyboardInterrupt):
        run(time="1m", callbacks=[Kill()], **state)
    # A machine that is busy by now decides nothing.
    monkeypatch.setattr(time_limit, "pace_of", lambda *_, **__: pytest.fail("measured again"))
    again, *_ = run(time="60s", resume=True, **state)
    assert same(weights, again)
    with pytest.raises(SettingError, match="got other values of time"):
        run(time="2m", resume=True, **state)


def test_own_validation_data_choose_the_epoch_and_nothing_is_held_out(tmp_path) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, x_train=X, y_train=Y, x_val=X[:20], y_val=Y[:20])
    given = {"validation": None, "validation_data": (X[:20], Y[:20])}
    weights, done, told, _ = run(**given)
    assert "60 images" in told[0] and told[0].endswith("; 20 for validation: arrays")
    assert done.recipe["validation"] == 20
    told = []
    found, _ = harden_model(net(), path, tell=told.append, **{**SHORT, "validation": None})
    assert told[0].endswith(f"; 20 for validation: {path} val") and same(weights, found.get_weights())
    alone = tmp_path / "alone.npz"
    np.savez(alone, x_val=X[:20], y_val=Y[:20])
    again, _, told, _ = run(**{**given, "validation_data": alone})
    assert told[0].endswith(f"; 20 for validation: {alone} val") and same(weights, again)
    with pytest.raises(DataError, match="Expected training or test data in .*; got data for validation only."):
        harden_model(net(), alone, **SHORT)
    # A number holds out of the training part all the same.
    told = []
    harden_model(net(), path, tell=told.append, **SHORT)
    left = "not the part for validation that the data have"
    assert "50 images" in told[0] and told[0].endswith(f"; 10 held out for validation, {left}")
    for settings, words in (({"validation": 0}, "0 held out for validation"), (given, "20 for validation: arrays")):
        told = []
        harden_model(net(), path, tell=told.append, **{**SHORT, **settings})
        assert told[0].endswith(f"; {words}, {left}")


def test_a_number_of_a_recipe_gives_way_to_validation_data_of_ones_own(tmp_path) -> None:
    path, recipe = tmp_path / "own.npz", tmp_path / "held.toml"
    np.savez(path, x_train=X, y_train=Y, x_val=X[:20], y_val=Y[:20])
    recipe.write_text("validation = 7\n", "utf-8")
    given = {**{name: value for name, value in SHORT.items() if name != "validation"}, "recipe": str(recipe)}
    for data, more, words in (
        (path, {}, f"; 20 for validation: {path} val, not the 7 of the recipe"),
        ((X, Y), {"validation_data": (X[:20], Y[:20])}, "; 20 for validation: arrays"),
        ((X, Y), {}, "; 7 held out for validation"),
        (path, {"validation": 10}, "; 10 held out for validation"),
    ):
        told: list[str] = []
        harden_model(net(), data, tell=told.append, **given, **more)
        assert words in told[0]


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        (
            {"validation_data": (X, Y)},
            SettingError,
            "Expected validation or validation_data; got both, to hold out 10.",
        ),
        ({"validation": None, "validation_data": (X, Y + 1)}, DataError, "Expected labels from 0 to 3; got 4"),
        ({"time": "soon"}, SettingError, "Expected time as 2h, 90m, 45s or 1h30m; got 'soon'."),
        ({"extra_share": 0.5}, SettingError, "Expected extra data for extra_share=0.5; got none: pass --extra."),
        ({"extra": (X[:, :6, :6], Y)}, DataError, "Expected images of shape 8x8x1; got 6x6x1 in arrays."),
        ({"extra": (X, Y + 1)}, DataError, "Expected labels from 0 to 3; got 4 at example 3 of arrays."),
        ({"extra": (X, Y), "extra_share": 1.5}, SettingError, "Expected extra_share in (0, 1); got 1.5."),
        ({"extra": (X[:3], Y[:3])}, DataError, "Expected at least the 11 extra images of a batch; got 3 in arrays."),
        ({"augment": ["crop:padding=9"]}, SettingError, "Expected augment crop:padding=9 to fit images with a side"),
        ({"augment": ["flop"]}, SpecError, "Unknown augmentation 'flop'. Did you mean 'flip'?"),
    ],
)
def test_what_does_not_fit_is_one_line(settings, kind, words) -> None:
    with pytest.raises(kind) as caught:
        run(**settings)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_time_too_short_for_one_epoch_is_one_line(monkeypatch) -> None:
    monkeypatch.setattr(time_limit, "pace_of", lambda *_, **__: lambda steps: 1.0 + steps)
    with pytest.raises(SettingError, match="Expected time for one epoch with 2 steps of the attack, about"):
        run(time="5s")


def test_a_recipe_counts_more_than_a_preset() -> None:
    with pytest.raises(SpecError, match="Unknown preset 'strng'. Did you mean 'strong'?"):
        run(preset="strng")
    for name in PRESETS:
        preset = recipes.find(name).settings
        # A preset suits any model: bounds and radius are the model's own.
        assert preset and not {"eps", "norm", "defences"} & set(preset)
        both = recipes.with_recipe({"preset": name, "recipe": "cq-pgd", "epochs": 3})
        assert both == {**preset, **recipes.find("cq-pgd").settings, "preset": name, "recipe": "cq-pgd", "epochs": 3}
    assert recipes.with_recipe({}) == {}
