"""The catalog tells of every registered thing what the registries would, and imports none of it."""

import importlib
import inspect
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from turtlenet import catalog
from turtlenet.registry import Registry

HOMES = {
    "attacks": "turtlenet.attacks",
    "augmentations": "turtlenet.training",
    "constraints": "turtlenet.constraints",
    "datasets": "turtlenet.data",
    "defences": "turtlenet.defences",
    "detectors": "turtlenet.detection",
    "models": "turtlenet.models.architectures",
    "objectives": "turtlenet.training",
    "tasks": "turtlenet.tasks",
    "trackers": "turtlenet.tracking",
    "wrappers": "turtlenet.training",
}


def registry_of(family: str) -> Registry:
    home = HOMES[family]
    module = importlib.import_module(home.removesuffix(".architectures"))
    return getattr(module, "architectures" if family == "models" else family)


def first_line(factory: object) -> str:
    return (inspect.getdoc(factory) or "").partition("\n")[0]


def test_every_registry_has_a_family() -> None:
    groups = {registry_of(family).group for family in catalog.FAMILIES}
    assert groups == {f"turtlenet.{family}" for family in catalog.FAMILIES}
    source = "\n".join(path.read_text("utf-8") for path in Path(catalog.__file__).parent.rglob("*.py"))
    assert source.count("] = Registry(") == len(groups)


@pytest.mark.parametrize("family", catalog.FAMILIES)
def test_the_catalog_is_what_is_registered(family) -> None:
    registry = registry_of(family)
    lines = {name: first_line(registry.factory(name)) for name in registry.names()}
    lines |= {f"{name}:NAME": first_line(registry.factory(name)) for name in registry.families()}
    found = catalog.described(family)
    assert found == lines and list(found) == list(lines)
    assert all(found.values())


ENTRY = """
raise RuntimeError("imported")
class Signs:
    \"\"\"Random signs.

    More.
    \"\"\"
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a package of others that must not be imported, with one entry point for attacks."""

    def install(value: str, name: str = "signs") -> None:
        package = tmp_path / "signs_of_others"
        package.mkdir()
        (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
        (package / "signs.py").write_text(ENTRY)
        monkeypatch.syspath_prepend(str(tmp_path))
        entry = metadata.EntryPoint(name, value, "turtlenet.attacks")
        monkeypatch.setattr(metadata, "entry_points", lambda group: [entry] if group == entry.group else [])

    return install


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("signs_of_others.signs:Signs", "Random signs."),
        ("signs_of_others.signs:Others", "signs_of_others.signs:Others"),
        ("signs_of_others.none:Signs", "signs_of_others.none:Signs"),
        ("no_such_package.signs:Signs", "no_such_package.signs:Signs"),
    ],
)
def test_what_others_install_is_told_and_not_imported(value, line, installed) -> None:
    installed(value)
    assert catalog.described("attacks")["signs"] == line
    assert "signs_of_others" not in sys.modules


def test_an_entry_point_takes_no_name_of_ours(installed) -> None:
    installed("signs_of_others.signs:Signs", name="pgd")
    assert "random start" in catalog.described("attacks")["pgd"]


def test_no_room_is_imported() -> None:
    code = (
        "import sys; from turtlenet import catalog; [catalog.described(each) for each in catalog.FAMILIES]\n"
        "print(sorted({'keras', 'numpy', 'turtlenet.attacks', 'turtlenet.data'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
