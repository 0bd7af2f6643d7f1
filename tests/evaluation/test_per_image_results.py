"""What an evaluation wrote on its way is read back, or refused in one line where it is damaged."""

import dataclasses

import numpy as np
import pytest

from turtlenet.errors import DataError
from turtlenet.evaluation.per_image_results import PerImageResults

EMPTY = PerImageResults.empty(np.arange(4).astype("int32"), 2)


def test_it_comes_back_to_whom_it_belongs(tmp_path) -> None:
    dataclasses.replace(EMPTY, done=2).write(tmp_path / "l", "mine")
    assert PerImageResults.read(tmp_path / "l", "mine").done == 2
    assert (
        PerImageResults.read(tmp_path / "l", "another") is None
        and PerImageResults.read(tmp_path / "none", "mine") is None
    )


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY", b"no ledger", b"\x80\x04\x95"])
def test_what_is_no_ledger(content, tmp_path) -> None:
    (tmp_path / "l").write_bytes(content)
    with pytest.raises(DataError, match="it is damaged: .*: leave out --resume to start anew") as caught:
        PerImageResults.read(tmp_path / "l", "mine")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"done": 10**9},
        {"done": -1},
        {"clean": np.zeros(9, "int32")},
        {"correct": np.zeros((2, 4))},
        {"cost": np.zeros((7, 3))},
    ],
)
def test_arrays_that_do_not_fit(change, tmp_path) -> None:
    dataclasses.replace(EMPTY, **change).write(tmp_path / "l", "mine")
    with pytest.raises(DataError, match="it is damaged"):
        PerImageResults.read(tmp_path / "l", "mine")
