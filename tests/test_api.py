"""What a Keras project calls, as the design shows it."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import turtlenet as tn


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(96) % 4
    x = 0.5 * rng.uniform(size=(4, 8, 8, 1))[y] + 0.5 * rng.uniform(size=(96, 8, 8, 1))
    return x.astype("float32"), y


@pytest.fixture(scope="module")
def model(pictures) -> keras.Model:
    keras.utils.set_random_seed(3)
    layers = [keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Flatten()]
    made = keras.Sequential([*layers, keras.layers.Dense(4, activation="softmax")])
    made.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    made.fit(*pictures, epochs=20, verbose=0)
    return made


def state(model: keras.Model) -> list[np.ndarray]:
    return [variable.numpy().copy() for variable in (*model.variables, *model.optimizer.variables)]


def equal(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


def test_the_example_of_the_design(model, pictures, tmp_path):
    x, y = pictures
    tn.save_model(model, tmp_path / "model.h5")
    loaded = tn.load_model(tmp_path / "model.h5")
    report = tn.evaluate(loaded, (x, y), attacks=["fgsm", "pgd"], eps=0.3, curve=0)
    hardened = tn.train(loaded, (x, y), attack="pgd", eps=0.3, epochs=2, tell=lambda line: None)
    x_adv = tn.attack(hardened, x, y, "pgd:steps=10", eps=0.3, seed=0)
    tn.save_model(hardened, tmp_path / "hardened.h5")
    report.save(tmp_path / "report")
    assert np.abs(x_adv - x).max() <= 0.3 + 1e-6
    assert (x_adv.dtype, x_adv.shape) == (np.float32, x.shape)
    assert json.loads((tmp_path / "report" / "report.json").read_text())["clean_accuracy"] > 0.9
    assert report.robust_accuracy < report.clean_accuracy
    again = keras.saving.load_model(tmp_path / "hardened.h5")
    np.testing.assert_allclose(again.predict(x, verbose=0), hardened.predict(x, verbose=0), atol=1e-6)


def test_training_leaves_the_model_as_it_is_and_keeps_its_compiled_state(model, pictures):
    before = state(model)
    hardened = tn.train(model, pictures, attack="fgsm", epochs=1, batch_size=16, eps=0.1, tell=lambda line: None)
    assert equal(state(model), before)
    assert not equal(hardened.get_weights(), model.get_weights())
    assert (hardened.optimizer.name, hardened.loss) == (model.optimizer.name, model.loss)
    assert hardened.evaluate(*pictures, verbose=0, return_dict=True).keys() == {"accuracy", "loss"}


def test_neither_does_an_attack_or_an_evaluation_touch_it(model, pictures):
    before = state(model)
    tn.attack(model, *pictures, "fgsm")
    tn.evaluate(model, pictures, attacks=["fgsm"], curve=0)
    assert equal(state(model), before)


@pytest.mark.slow
def test_a_seed_repeats(model, pictures):
    settings = {"attack": "fgsm", "epochs": 1, "batch_size": 16, "tell": lambda line: None}
    first, again, other = (tn.train(model, pictures, seed=seed, **settings).get_weights() for seed in (0, 0, 1))
    assert equal(first, again)
    assert not equal(first, other)


def test_labels_may_be_one_hot_and_models_a_list(model, pictures):
    x, y = pictures
    both = tn.evaluate([model, model], (x, np.eye(4)[y]), attacks=["fgsm"], curve=0)
    assert isinstance(both, tn.Comparison)
    alone = tn.evaluate([model], (x, y), attacks=["fgsm"], curve=0)
    assert isinstance(alone, tn.Report)
    assert both.reports[0].verdicts == both.reports[1].verdicts == alone.verdicts


def test_an_attack_may_be_an_object(model, pictures):
    from turtlenet.attacks import PGD

    report = tn.evaluate(model, pictures, attacks=[PGD(steps=3, step_size=0.5)], eps=0.1, curve=0)
    assert report.attacks[0].settings["steps"] == 3
    named = tn.evaluate(model, pictures, attacks=["pgd:steps=3,step_size=0.5"], eps=0.1, curve=0)
    assert report.verdicts == named.verdicts


def test_what_is_told_comes_before_the_first_step_and_not_before_a_refusal(model, pictures):
    told: list[str] = []
    with pytest.raises(tn.SettingError, match="norms"):
        tn.train(model, pictures, norm="l0", eps=3, tell=told.append)
    assert told == []
    tn.train(model, pictures, attack="fgsm", epochs=1, validation=0, tell=told.append)
    assert [line.split()[0] for line in told] == ["data:", "threat:", "cost:", "!"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": 0}, "Expected batch_size >= 1; got 0."),
        ({"curve": -1}, "Expected curve >= 0; got -1."),
        ({"seed": -1}, "Expected seed >= 0; got -1."),
        ({"limit": 0}, "Expected to take 1 example or more; got 0."),
        ({"eps": float("nan")}, "Expected eps >= 0, a finite radius in input units; got nan."),
    ],
)
def test_settings_out_of_range_are_refused(settings, words, model, pictures):
    with pytest.raises(tn.SettingError) as caught:
        tn.evaluate(model, pictures, attacks=["fgsm"], **settings)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ([1, 2, 3], "Expected one target, or 12, as integers"),
        (float("nan"), "Expected one target, or 12, as integers; got float64"),
        (2.7, "as integers; got float64"),
        (9, "Expected targets from 0 to 3; got 9 to 9."),
        ("labels", "Expected targets other than the labels; got"),
    ],
)
def test_targets_that_do_not_fit_are_refused(target, words, model, pictures):
    x, y = pictures[0][:12], pictures[1][:12]
    with pytest.raises(tn.DataError) as caught:
        tn.attack(model, x, y, "pgd:steps=2", target=y if isinstance(target, str) else target)
    assert words in str(caught.value)
    moved = tn.attack(model, x, y, "pgd:steps=2", target=(y + 1) % 4)
    assert moved.shape == x.shape


def test_no_model_at_all_is_refused(pictures):
    with pytest.raises(tn.SettingError, match="Expected at least one model; got none."):
        tn.evaluate([], pictures)


def test_errors_are_value_errors_too(model, pictures):
    x, y = pictures
    with pytest.raises(ValueError, match="Expected labels from 0 to 3; got 7"):
        tn.evaluate(model, (x, np.full(len(y), 7)))
    with pytest.raises(tn.DataError, match="finite pixels"):
        tn.attack(model, np.full_like(x, np.nan), y)
    with pytest.raises(tn.SpecError, match="Did you mean 'pgd'"):
        tn.attack(model, x, y, "pdg")


def test_editors_are_told_where_every_name_comes_from():
    tree = ast.parse(Path(tn.__file__).read_text("utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    told = {alias.name: node.module for node in blocks[0].body for alias in node.names}
    assert told == tn._HOMES


TYPED = """
import turtlenet as tn
reveal_type(tn.train)
tn.train("model.h5", epochs="many")
tn.train("model.h5", epoch=3)
tn.evaluate("model.h5", eps=0.3, limit=None, attacks=["pgd"])
tn.sweep("model.h5", eps=[0.1], attacks=["pgd"])
"""


@pytest.mark.slow
def test_options_are_typed(tmp_path):
    (tmp_path / "user.py").write_text(TYPED)
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", "--ignore-missing-imports", "user.py"]
    env = os.environ | {"MYPYPATH": str(Path(tn.__file__).parents[1])}
    said = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True).stdout
    assert "epochs: int | None" in said or "epochs: Union[int, None]" in said, said
    lines = [line.split(":")[1] for line in said.splitlines() if ": error:" in line]
    assert lines == ["4", "5"], said


def test_every_public_name_is_there():
    assert {name for name in tn.__all__ if not hasattr(tn, name)} == set()
    with pytest.raises(AttributeError, match="no attribute 'hardne'"):
        tn.hardne  # noqa: B018


def test_dir_shows_what_there_is() -> None:
    assert dir(tn) == sorted(tn.__all__)


def test_importing_waits_for_no_framework() -> None:
    code = "import sys, turtlenet; print({'keras', 'tensorflow', 'jax', 'numpy', 'click'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"
