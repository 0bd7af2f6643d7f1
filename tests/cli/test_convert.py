"""`turtlenet convert`, and the options for files that need more than themselves."""

import json
import shlex
import shutil
import subprocess
import sys
import warnings

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from tests.cli.conftest import environment, listing
from tests.conftest import ROOT
from turtlenet import models

KERAS2 = "keras2.h5"
DATA = "--data data.npz"
# What a user's own module holds.
MINE = """
import keras

@keras.saving.register_keras_serializable(package="mine")
class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x

def halve(x):
    return x / 2

def made():
    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(4, name="d")])

def fails():
    raise RuntimeError("no\\nluck")

number = 3
"""
# Plain Keras, in which nothing of turtlenet is registered, says what a file computes.
PLAIN = """
import sys, numpy as np, keras
assert "turtlenet" not in sys.modules
for path in sys.argv[1:]:
    model = keras.saving.load_model(path)
    x = np.linspace(0, 1, 2 * int(np.prod(model.input_shape[1:])), dtype="float32")
    np.save(f"{path}.npy", model.predict(x.reshape(2, *model.input_shape[1:]), verbose=0))
assert "turtlenet" not in sys.modules
"""


def net(*before):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((8, 8, 1)), *before, layers.Flatten(), layers.Dense(4, activation="softmax", name="d")]
    )


@pytest.fixture(scope="module")
def desk(shelf, tmp_path_factory):
    """The shelf's files and those of this module; nothing may write in it."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("good.h5", "text.h5", "cut.h5", "data.npz"):
        (folder / name).write_bytes((shelf / name).read_bytes())
    (folder / "mymodule.py").write_text(MINE)
    (folder / "failing.py").write_text("raise RuntimeError('while it is imported')\n")
    (folder / KERAS2).write_bytes((ROOT / "tests" / "keras_files" / "files" / KERAS2).read_bytes())

    class Twice(layers.Layer):
        def call(self, x):
            return 2 * x

    mark = str(folder / "ran")
    evil = eval(f"lambda x: (open({mark!r}, 'w').close(), x / 2)[1]")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for suffix in ("h5", "keras"):
            models.save(net(Twice(name="twice")), folder / f"custom.{suffix}")
            models.save(net(layers.Lambda(evil, name="half")), folder / f"lambda.{suffix}")
    (folder / "ran").unlink()
    whole = net()
    whole.save_weights(folder / "new.weights.h5")
    (folder / "made.json").write_text(whole.to_json())
    (folder / "small.json").write_text(json.dumps(json.loads(whole.to_json())).replace('"units": 4', '"units": 5'))
    (folder / "huge.json").write_text(
        json.dumps(json.loads(whole.to_json())).replace('"units": 4', '"units": 4000000000')
    )
    (folder / "broken.json").write_text("{")
    (folder / "list.json").write_text("[]")
    (folder / "code.json").write_text(net(layers.Lambda(evil, name="half")).to_json())
    (folder / "ran").unlink(missing_ok=True)
    with h5py.File(folder / "old.h5", "w") as file:
        # `save_weights` of Keras 2.
        file.attrs["layer_names"], file.attrs["keras_version"], file.attrs["backend"] = [b"d"], "2.2.4", "tensorflow"
        group = file.create_group("d")
        group.attrs["weight_names"] = [b"d/kernel:0", b"d/bias:0"]
        for name, array in zip(("d/kernel:0", "d/bias:0"), whole.get_weights(), strict=True):
            group[name] = array
    np.save(folder / "whole.npy", _answers(whole))
    return folder


def _answers(model):
    x = np.linspace(0, 1, 2 * int(np.prod(model.input_shape[1:])), dtype="float32")
    return model.predict(x.reshape(2, *model.input_shape[1:]), verbose=0)


@pytest.fixture
def at_desk(desk, monkeypatch):
    """In the folder, as a user is; what is written goes elsewhere."""
    monkeypatch.chdir(desk)
    monkeypatch.syspath_prepend(str(desk))
    before = listing(desk)
    yield desk
    (desk / "ran").unlink(missing_ok=True)
    kept = {name: size for name, size in listing(desk).items() if "__pycache__" not in name}
    assert kept == before


def test_plain_keras_loads_what_comes_out(cli, at_desk, tmp_path):
    names = ["new.keras", "new.h5"]
    for name in names:
        result = cli("convert", KERAS2, tmp_path / name)
        assert (result.code, result.err) == (0, "")
        assert f"saved {tmp_path / name}: " in result.out
        assert "from Keras 2" in result.out
    env = {key: value for key, value in environment().items() if key != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", PLAIN, *names], cwd=tmp_path, env=env, check=True, capture_output=True)
    for name in names:
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), _answers(models.load(KERAS2)), atol=1e-5)


def test_it_says_where_the_model_comes_from(cli, at_desk, tmp_path):
    cli("convert", KERAS2, tmp_path / "new.keras")
    found = models.inspect(tmp_path / "new.keras")
    assert found.provenance["converted_from"] == models.inspect(KERAS2).sha256
    assert found.provenance["written_by"].startswith("Keras 2")


@pytest.mark.parametrize("name", ["lambda.h5", "lambda.keras"])
def test_a_function_in_the_place_of_a_lambda(name, cli, at_desk, tmp_path):
    result = cli("convert", name, tmp_path / "new.keras", "--custom", "half=mymodule:halve")
    assert (result.code, result.err) == (0, "")
    assert not (at_desk / "ran").exists()


@pytest.mark.parametrize("name", ["custom.h5", "custom.keras"])
@pytest.mark.parametrize("option", ["Twice=mymodule:Twice", "mymodule:Twice"])
def test_a_layer_of_ones_own(name, option, cli, at_desk, tmp_path):
    result = cli("convert", name, tmp_path / "new.keras", "--custom", option)
    assert (result.code, result.err) == (0, "")


@pytest.mark.parametrize("name", ["lambda.h5", "lambda.keras"])
def test_trust_runs_code_and_says_so(name, cli, at_desk, tmp_path):
    refused = cli("convert", name, tmp_path / "new.keras")
    assert "Nothing of it was executed" in refused.err
    assert not (at_desk / "ran").exists()
    result = cli("convert", name, tmp_path / "new.keras", "--trust")
    assert (result.code, result.err) == (0, "turtlenet: trusted: Python code in the model files may run.\n")
    assert (at_desk / "ran").exists()


@pytest.mark.parametrize("weights", ["old.h5", "new.weights.h5"])
@pytest.mark.parametrize("architecture", ["made.json", "mymodule:made"])
def test_weights_with_their_architecture(weights, architecture, cli, at_desk, tmp_path):
    result = cli("convert", weights, tmp_path / "new.keras", "--architecture", architecture)
    assert (result.code, result.err) == (0, "")
    said = _answers(models.load(tmp_path / "new.keras"))
    if architecture == "mymodule:made":
        # It ends in logits.
        said = np.exp(said) / np.exp(said).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(said, np.load(at_desk / "whole.npy"), atol=1e-6)


def test_weights_of_a_registered_architecture(cli, tmp_path):
    name = models.architectures.names()[0]
    model = models.build(name)
    model.save_weights(tmp_path / "w.weights.h5")
    result = cli("convert", tmp_path / "w.weights.h5", tmp_path / "new.h5", "--architecture", name)
    assert (result.code, result.err) == (0, "")
    for mine, its in zip(models.load(tmp_path / "new.h5").get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)


LOADING = [
    ("lambda.h5", "Lambda 'half', which carries Python code"),
    ("lambda.h5 --custom other=mymodule:halve", "Lambda 'half', which carries Python code"),
    ("custom.keras", "a class that neither Keras nor this program has"),
    ("custom.h5 --custom Twice=mymodule:number", "Expected"),
    ("custom.h5 --custom Twice=mymodule:halve", "Expected"),
    ("lambda.h5 --custom half=mymodule:number", "Expected"),
    ("good.h5 --custom Twice=mymodule:Thrice", "Expected a name in module 'mymodule'; got 'Thrice', which it lacks."),
    ("good.h5 --custom Twice=no.module:Twice", "Expected a module to import in 'no.module:Twice'"),
    ("good.h5 --custom failing:Twice", "Expected a module to import in 'failing:Twice'; got: while it is imported."),
    ("good.h5 --custom .x:Twice", "Expected a module to import in '.x:Twice'"),
    ("good.h5 --custom Twice", "Expected --custom as [NAME=]package.module:Object; got 'Twice'."),
    ("good.h5 --custom =mymodule:Twice", "Expected --custom as [NAME=]package.module:Object; got '=mymodule:Twice'."),
    ("good.h5 --custom ''", "Expected --custom as [NAME=]package.module:Object; got ''."),
    ("good.h5 --custom Twice=mymodule:", "Expected --custom as [NAME=]package.module:Object"),
    ("good.h5 --written-by cntk", "'cntk' is not one of 'tensorflow', 'theano'."),
    ("old.h5", "holds weights only, for the layers d: pass --architecture"),
    ("new.weights.h5", "holds weights only"),
    ("old.h5 --architecture absent.json", "Expected a registered architecture"),
    ("old.h5 --architecture broken.json", "Expected an architecture in JSON in broken.json"),
    ("old.h5 --architecture list.json", "Expected an architecture in list.json; got a list"),
    ("old.h5 --architecture small.json", "Expected arrays of shapes (64, 5), (5,) for the Dense 'd'; the file has"),
    (
        "new.weights.h5 --architecture small.json",
        "Expected 325 numbers for the weights of the model; the file has 260",
    ),
    ("old.h5 --architecture huge.json", "Expected arrays of shapes (64, 4000000000), (4000000000,)"),
    ("new.weights.h5 --architecture huge.json", "numbers for the weights of the model; the file has 260"),
    ("old.h5 --architecture code.json", "Nothing of it was executed"),
    ("old.h5 --architecture mymodule:fails", "Expected mymodule:fails to give a Keras model; it said: no luck."),
    ("old.h5 --architecture mymodule:number", "Expected a function at 'mymodule:number'; got int"),
    ("old.h5 --architecture mymodule:absent", "Expected a name in module 'mymodule'"),
    ("old.h5 --architecture no.module:made", "Expected a module to import in 'no.module:made'"),
    ("text.h5 --trust", "text.h5 is neither: this is a text file."),
    ("cut.h5 --trust", "damaged or cut short"),
]
TARGETS = [
    ("good.h5 {}/x.txt", "Expected a path that ends in .h5, .hdf5, .keras"),
    ("good.h5 {}/absent/x.h5", "Expected a folder to write x.h5 in"),
    ("good.h5", "Missing argument 'NEW'."),
    ("absent.h5 {}/x.h5", "there is no absent.h5"),
]


@pytest.mark.parametrize(("line", "told"), LOADING)
@pytest.mark.parametrize("command", ["convert", "evaluate"])
def test_one_line_and_nothing_written(command, line, told, cli, at_desk, tmp_path):
    first, *rest = shlex.split(line)
    target = tmp_path / "out"
    target.mkdir()
    more = [target / "new.keras"] if command == "convert" else [*shlex.split(DATA), "--report", target / "report"]
    _refused(cli(command, first, *more, *rest), told, target)
    assert not (at_desk / "ran").exists()


@pytest.mark.parametrize(("line", "told"), TARGETS)
def test_nowhere_to_write(line, told, cli, at_desk, tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    _refused(cli("convert", *shlex.split(line.format(target))), told, target)


def _refused(result, told, target):
    lines = [line for line in result.err.splitlines() if not line.startswith("turtlenet: trusted")]
    assert told in result.err
    assert len(lines) == 1
    assert lines[0].startswith("turtlenet: ")
    assert (result.code, result.out) == (2, "")
    assert listing(target) == {}


@pytest.mark.parametrize("line", ["lambda.h5", "custom.keras", "old.h5", "new.weights.h5"])
def test_inspect_describes_what_is_refused(line, cli, at_desk):
    result = cli("inspect", line)
    assert (result.code, result.err) == (0, "")
    assert "can be attacked and hardened: no: " in result.out
    assert not (at_desk / "ran").exists()


def test_inspect_takes_the_same_options(cli, at_desk):
    assert "safe: yes" in cli("inspect", "lambda.h5", "--custom", "half=mymodule:halve").out
    assert "hardened: yes" in cli("inspect", "custom.h5", "--custom", "mymodule:Twice").out
    assert "hardened: yes" in cli("inspect", "old.h5", "--architecture", "made.json").out
    assert not (at_desk / "ran").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--architecture", "lenet"), "Expected a file that holds weights only for --architecture; good.h5 is a"),
        (
            ("--written-by", "theano"),
            "Expected a file of Keras 1 or 2 that names no backend for --written-by; got good.h5 of Keras 3.",
        ),
        (
            ("--custom", "Dense2=json:loads"),
            "Expected a layer or function that the file names for --custom; got 'Dense2', which good.h5 has nowhere",
        ),
    ],
)
@pytest.mark.parametrize("command", ["inspect", "convert", "attack"])
def test_what_a_whole_file_has_no_use_for_is_refused(command, options, said, shelf, cli, away):
    shutil.copy(shelf / "good.h5", "good.h5")
    more = {"inspect": (), "convert": ("new.keras",), "attack": ("--data", shelf / "data.npz", "--out", "kept.npz")}
    result = cli(command, "good.h5", *more[command], *options)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"turtlenet: {said}") and result.err.endswith(": leave it out.\n")
    assert result.err.count("\n") == 1 and set(listing(away)) == {"good.h5"}


def test_one_file_of_several_may_have_a_use_for_it(shelf, cli, away):
    model = models.load(shelf / "good.h5")
    (away / "made.json").write_text(model.to_json(), "utf-8")
    model.save_weights(away / "bare.weights.h5")
    given = ("--architecture", "made.json", "--data", shelf / "data.npz", "--attack", "fgsm", "--limit", 4)
    result = cli("evaluate", shelf / "good.h5", "bare.weights.h5", *given, "--curve", "0", "--perceptibility", "0")
    assert result.code == 0, result.err
