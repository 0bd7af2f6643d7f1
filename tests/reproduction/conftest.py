"""A paper of one small net, and its rows measured without training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from turtlenet.reproduction.run import reproduce
from turtlenet.reproduction.workshop import Tools
from turtlenet.settings.reproduce import ReproduceSettings
from turtlenet.workflows.evaluate import evaluate

TINY = """
title = "A paper"
text = "One net."
[net]
name = "wong-mnist"
[train]
objective = "natural"
epochs = 2
[shown]
clean = "clean"
naive = "fgsm-0.3"
adaptive = "worst"
published = "fgsm"
[[cells]]
name = "clean"
kind = "clean"
[[cells]]
name = "fgsm-{eps:g}"
kind = "attack"
attack = "fgsm:keep=last"
over = { eps = [0.1, 0.3] }
[[cells]]
sets = ["worst"]
name = "worst"
kind = "worst"
attacks = ["fgsm:keep=last"]
eps = 0.3
[rows.one]
title = "One"
published = { fgsm = 0.5 }
[rows.two]
sets = ["worst"]
model = "tiny/one"
[rows.color]
data = "color"
"""


class Bench:
    """Runs the paper in a folder; counts the trainings.

    Attributes:
        folder: Of the paper's file and of what it gives.
        trained: The settings of each training.
        said: What was told.
    """

    def __init__(self, folder: Path):
        self.folder, self.trained, self.said = folder, [], []
        (folder / "papers").mkdir()
        (folder / "papers" / "tiny.toml").write_text(TINY, "utf-8")

    def train(self, model: Any, data: Any, **settings: Any) -> tuple[Any, None]:
        self.trained.append((len(data), settings))
        return model, None

    def __call__(self, *, cost_only: bool = False, tools: Tools | None = None, **asked: Any) -> dict[str, Any]:
        options = ReproduceSettings(**{"quick": True, "limit": 16, **asked, "tell": self.said.append})
        made = tools or Tools(self.train, evaluate)
        return reproduce(["tiny"], self.folder / "out", options, made, cost_only=cost_only)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The bench, in a working directory that has the paper among its own."""
    monkeypatch.chdir(tmp_path)
    return Bench(tmp_path)
