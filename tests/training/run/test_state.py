"""A saved state is taken up, or refused in one line: damaged, not finite, or of a step that the run does not have."""

import json
import types

import keras
import numpy as np
import pytest

from turtlenet.errors import OutputError
from turtlenet.training.run import checkpoint
from turtlenet.training.run.callbacks import Best
from turtlenet.training.run.resume import ResumableRun

NOTES = {"identity": {"seed": 0}, "step": 3}


def trainer():
    variables = [keras.Variable(np.zeros((3, 2), "float32")), keras.Variable(np.zeros((), "int32"))]
    return types.SimpleNamespace(saved=lambda: variables, network=types.SimpleNamespace(variables=variables[:1]))


def saved(path, value=1.0, best=1.0, **notes):
    mine = trainer()
    mine.saved()[0].assign(np.full((3, 2), value, "float32"))
    checkpoint.save_state(path, mine, [np.full((3, 2), best, "float32")], {**NOTES, **notes})


def taken(path, total=10):
    lines: list[str] = []
    mine = trainer()
    run = ResumableRun(mine, Best({}), {"identity": {"seed": 0}}, total, 1, path)
    run.take_up(lines.append)
    return run.done, lines, np.asarray(mine.saved()[0])


def test_it_comes_back_without_a_word(tmp_path) -> None:
    saved(tmp_path / "s")
    done, lines, values = taken(tmp_path / "s")
    assert (done, lines) == (3, []) and (values == 1).all()


@pytest.mark.parametrize("step", [10**9, 11, -1, None, "3", 3.0, True, [3]])
def test_a_step_that_the_run_does_not_have(step, tmp_path) -> None:
    saved(tmp_path / "s", step=step)
    with pytest.raises(OutputError, match="Expected a step from 0 to 10 in the training state"):
        taken(tmp_path / "s")


@pytest.mark.parametrize("settings", [{"value": np.nan}, {"value": np.inf}, {"best": np.nan}])
def test_numbers_that_are_not_finite(settings, tmp_path) -> None:
    saved(tmp_path / "s", **settings)
    with pytest.raises(OutputError, match="Expected finite numbers in the training state"):
        taken(tmp_path / "s")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY", b"no state", b"\x80\x04\x95"])
def test_what_is_no_state(content, tmp_path) -> None:
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(OutputError, match="Expected a training state in") as caught:
        taken(tmp_path / "s")
    assert "\n" not in str(caught.value)


def test_other_versions_are_said_and_the_run_goes_on(tmp_path, monkeypatch) -> None:
    now = checkpoint.versions()
    assert {"turtlenet", "keras", keras.backend.backend()} == set(now)
    with monkeypatch.context() as before:
        before.setattr(checkpoint, "versions", lambda: {**now, "keras": "3.0.0"})
        saved(tmp_path / "s")
    done, (line,), _ = taken(tmp_path / "s")
    assert done == 3 and f"keras 3.0.0 (now {keras.version()})" in line and "turtlenet" not in line


def test_an_older_state_had_no_versions(tmp_path) -> None:
    saved(tmp_path / "s")
    with np.load(tmp_path / "s") as data:
        values = dict(data)
    notes = json.loads(str(values["notes"]))
    del notes["versions"]
    np.savez(tmp_path / "t.npz", **{**values, "notes": np.array(json.dumps(notes))})
    done, (line,), _ = taken(tmp_path / "t.npz")
    assert done == 3 and "an older turtlenet" in line


def test_numbers_that_numpy_has_no_name_for_come_back(tmp_path) -> None:
    mine = trainer()
    mine.saved().append(keras.Variable(np.array([1.5, -2.0]), dtype="bfloat16"))
    best = [np.zeros((3, 2), "float32")]
    checkpoint.save_state(tmp_path / "s", mine, best, NOTES)
    mine.saved()[-1].assign(np.zeros(2))
    checkpoint.load_state(tmp_path / "s", mine)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(mine.saved()[-1]).astype("float32"), [1.5, -2.0])
