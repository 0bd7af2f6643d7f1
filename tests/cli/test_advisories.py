"""Every advisory that Keras had on loading models, on every command that reads a model: one line, and nothing ran."""

import json
import shlex

import h5py
import keras
import pytest

from tests.keras_files.advisories import ADVISORIES, described
from tests.keras_files.safety.test_safety import archive, forge
from turtlenet.errors import ModelError
from turtlenet.models import inspect, load

DATA = "--data {shelf}/data.npz --eps 0.1 --limit 8"
COMMANDS = {
    "convert": "convert {evil} new.keras",
    "wrap": "wrap {evil} --defence median",
    "attack": f"attack {{evil}} --attack fgsm {DATA} --out x.npz",
    "train": "train {evil} --attack fgsm --data {shelf}/data.npz --eps 0.1 --out new.h5",
    "evaluate": f"evaluate {{evil}} --attack fgsm {DATA}",
    "evaluate two": f"evaluate {{shelf}}/good.h5 {{evil}} --attack fgsm {DATA}",
    "detect fit": f"detect fit {{evil}} --attack fgsm {DATA}",
    "gan train": "gan train {evil} --data {shelf}/data.npz --eps 0.1 --out g.h5",
    "tolerance": "tolerance {evil} --data {shelf}/data.npz --limit 8",
    "universal": "universal {evil} --data {shelf}/data.npz --eps 0.1 --out u.npy",
    "source": f"attack {{shelf}}/good.h5 --attack transfer:source={{evil}} {DATA} --out x.npz",
    "generator": f"attack {{shelf}}/good.h5 --attack advgan:generator={{evil}} {DATA} --out x.npz",
    "gan show": "gan show {evil}",
    "substitute": f"evaluate {{shelf}}/good.h5 --access black-box:holdout=10,substitute={{evil}} --attack fgsm {DATA}",
    "architecture": f"evaluate weights.weights.h5 --architecture evil.json --attack fgsm {DATA}",
}
# The form that the fault of this tool took: a foreign registered name beside a name of Keras.
FIRST = "CVE-2026-1462, as a function"
FACTS = {"shape": [8, 8, 1], "bounds": [0.0, 1.0], "norm": "linf", "eps": 0.1, "noise": 0, "target": "untargeted"}


@pytest.fixture
def evil(away):
    """Writes an advisory's files into the working directory; gives the path of its mark."""

    def write(name):
        config = described(name, away / "pwned")
        config["config"]["layers"][0]["config"]["batch_shape"] = [None, 8, 8, 1]
        forge(away / "evil.h5", config, version=keras.version())
        with h5py.File(away / "evil.h5", "a") as file:
            file.attrs["turtlenet_provenance"] = json.dumps({"generator": FACTS})
        archive(away / "evil.keras", config)
        (away / "evil.json").write_text(json.dumps(config))
        keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()]).save_weights(away / "weights.weights.h5")
        return away / "pwned"

    return write


@pytest.mark.parametrize("name", ADVISORIES)
def test_no_advisory_works(name, evil, away):
    mark = evil(name)
    for file in ("evil.h5", "evil.keras"):
        with pytest.raises(ModelError, match="Nothing of it was executed"):
            load(file)
        found = inspect(file)
        assert found.unsafe and not found.attackable
        assert "safe: no: " in found.to_text()
    with pytest.raises(ModelError, match="Nothing of it was executed"):
        load("weights.weights.h5", architecture="evil.json")
    assert not mark.exists()
    assert not keras.src.saving.serialization_lib.in_safe_mode(), "the guard is as it was"


@pytest.mark.parametrize("suffix", ["h5", "keras"])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_runs_a_file(command, suffix, evil, away, shelf, cli):
    if command in ("generator", "gan show", "architecture") and suffix == "keras":
        suffix = "h5"
    mark = evil(FIRST)
    result = cli(*shlex.split(COMMANDS[command].format(shelf=shelf, evil=f"evil.{suffix}")))
    assert (result.code, result.out) == (2, ""), result
    assert "which calls 'TFSMLayer' of Keras, as no model does. Nothing of it was executed" in result.err
    assert len(result.err.splitlines()) == 1
    assert not mark.exists()


@pytest.mark.parametrize("name", ADVISORIES)
def test_commands_that_load_in_one_place_refuse_all(name, evil, away, shelf, cli):
    mark = evil(name)
    for command in ("convert", "source", "generator", "substitute", "architecture"):
        result = cli(*shlex.split(COMMANDS[command].format(shelf=shelf, evil="evil.h5")))
        assert result.code == 2 and "Nothing of it was executed" in result.err, (command, result)
    assert not mark.exists()
