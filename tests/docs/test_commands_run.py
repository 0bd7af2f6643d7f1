"""The command lines of the documentation run, in small, page by page: what one writes is there for the next.

A line whose files are the reader's own is left out, and so is one for a cluster, another backend or a server.
"""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.docs.test_commands import COMMANDS
from turtlenet.cli.app import main

# What makes a run short; what is typed last counts.
SMALL = {
    "train": "--epochs 1 --steps-per-epoch 1 --validation 16 --limit 16",
    "evaluate": "--limit 4 --curve 0",
    "sweep": "--limit 4",
    "attack": "--limit 4",
    "certify": "--limit 4",
    "tolerance": "--limit 16",
    "universal": "--limit 64 --epochs 1",
    "detect fit": "--limit 64",
    "detect score": "--limit 32",
    "gan train": "--epochs 1 --steps-per-epoch 1",
    "defence train": "--epochs 1 --steps-per-epoch 1",
}
# Of another process, another machine, hours, or a place of the reader's own.
ELSEWHERE = re.compile(
    r"--cluster|--backend|--devices|mlflow|reproduce (?!--list)|--data (mnist|cifar10)\s|--data \w+:|\*|\.\.\."
)
FILE = re.compile(r"[\w./-]+\.(?:h5|hdf5|keras|npz|npy|csv|parquet|toml|json|key|safetensors)")
WRITTEN = ("--out", "--report", "--results", "--junit", "--sarif")
# Its lines are those of a server, see `tests/tracking`.
NONE = ("docs/teams.md",)
PAGES = sorted({block.place.partition(":")[0] for block, _ in COMMANDS})


def name_of(words: list[str]) -> str:
    """The command of a line, of one word or of two."""
    two = " ".join(words[:2])
    return two if two in SMALL else words[0]


def missing(words: list[str]) -> list[str]:
    """Files that a line reads and that are not there."""
    read = [word for at, word in enumerate(words) if at == 0 or words[at - 1] not in WRITTEN]
    if words[0] == "convert":
        read = read[:-1]
    return [found for word in read for found in FILE.findall(word) if not Path(found).exists()]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A reader's folder: models, and digits of their own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    for name in ("model.h5", "before.h5", "after.h5", "a.h5", "b.h5", "old.h5", "other.h5"):
        shutil.copy(ROOT / "models" / "mnist-wong.h5", tmp_path / name)
    rng = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 200), ("test", 40)):
        arrays |= {f"x_{part}": rng.uniform(size=(count, 28, 28, 1)).astype("float32")}
        arrays |= {f"y_{part}": np.arange(count) % 10}
    for name in ("mine.npz", "mnist.npz"):
        np.savez(tmp_path / name, **arrays)
    shutil.copytree(ROOT / "models" / "mnist-trades", tmp_path / "runs" / "one")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_commands_run(page, folder, capfd) -> None:
    ran, left, failed = [], [], []
    for _, line in [each for each in COMMANDS if each[0].place.partition(":")[0] == page]:
        words = shlex.split(line, comments=True)[1:]
        lacking = missing(words)
        if lacking or ELSEWHERE.search(line):
            left.append(f"{line}: {', '.join(lacking)}")
            continue
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*words, *SMALL.get(name_of(words), "").split()])
        ran.append(line)
        # 1 is a gate that did not hold.
        if ended.value.code not in (None, 0, 1):
            failed.append(f"{line}: {capfd.readouterr().err[-400:]}")
    assert not failed, "\n".join(failed)
    assert ran or page in NONE, "\n".join(left)
