"""What commands write by default, beside a model or in the working directory, is not offered to git."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.conftest import ROOT

# As the help of each command names them.
NAMES = {
    "attack": [],
    "certify": ["MODEL-certificate/"],
    "convert": [],
    "detect": ["MODEL-detector.json", "MODEL-detection/"],
    "evaluate": ["MODEL-report/", "MODEL-surrogates/"],
    "gan": ["MODEL-generator.h5"],
    "init": [],
    "inspect": [],
    "key": [],
    "list": [],
    "new": [],
    "sweep": ["MODEL-sweep/"],
    "tolerance": ["MODEL-tolerance/"],
    "train": ["MODEL-hardened.h5"],
    "universal": [],
    "wrap": ["MODEL-defended.h5"],
}


def test_every_default_is_named_here():
    for path in sorted((ROOT / "turtlenet" / "cli").glob("*.py")):
        settings = ROOT / "turtlenet" / "settings" / path.name
        text = path.read_text("utf-8") + (settings.read_text("utf-8") if settings.exists() else "")
        named = set(re.findall(r"MODEL-[a-z]+(?:\.\w+)?", text))
        assert named == {name.rstrip("/") for name in NAMES.get(path.stem, [])}


@pytest.mark.parametrize(
    "name",
    [
        *sum(NAMES.values(), []),
        "MODEL-hardened.h5.resume",
        "MODEL-hardened-rival.h5",
        "MODEL-hardened-card.md",
        ".progress-0.npz",
    ],
)
def test_it_is_ignored(name):
    patterns = Path(ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert any(fnmatch(name, pattern) for pattern in patterns if not pattern.startswith(("#", "/")))
