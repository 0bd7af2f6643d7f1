"""A wheel, installed far from any checkout, is all of turtlenet; the lists that packaging needs are those on disk."""

import configparser
import email
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import turtlenet
from tests.conftest import ROOT

SOURCES = ("turtlenet", "attacks", "defences", "setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE")


def setup() -> configparser.ConfigParser:
    read = configparser.ConfigParser()
    read.read(ROOT / "setup.cfg")
    return read


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def project(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower()


def python(*args: str, where: Path, cwd: Path) -> str:
    """What Python prints when the package lies in `where`."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, *args]
    done = subprocess.run(command, cwd=cwd, env=kept | {"PYTHONPATH": str(where)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the wheel of this checkout is installed, and nothing else; made without a network."""
    folder = tmp_path_factory.mktemp("packaging")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif place.exists():
            shutil.copy(place, source / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    offline = ["--no-deps", "--no-index"]
    subprocess.run(
        [*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", str(folder), str(source)], check=True
    )
    wheel = next(folder.glob("turtlenet-*.whl"))
    subprocess.run([*pip, "install", *offline, "--target", str(folder / "site"), str(wheel)], check=True)
    return folder / "site"


LISTS = """
import contextlib
from turtlenet.cli import main
for family in ("suites", "recipes"):
    with contextlib.suppress(SystemExit):
        main(["list", family, "--json"])
    print("END")
"""


def test_the_wheel_lists_the_settings_that_the_checkout_lists(installed, tmp_path):
    def lists(where: Path) -> list[dict[str, str]]:
        said = python("-c", LISTS, where=where, cwd=tmp_path)
        return [json.loads(part) for part in said.split("END")[:2]]

    wheel = lists(installed)
    assert wheel == lists(ROOT)
    assert [set(each) for each in wheel] == [
        {path.stem for path in (ROOT / folder).glob("*.toml")} for folder in ("attacks", "defences")
    ]


def test_the_wheel_holds_every_file_of_the_package(installed):
    def files(folder: Path) -> set[str]:
        found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        return {name for name in found if not name.endswith(".pyc")}

    carried = files(installed / "turtlenet")
    assert carried >= files(ROOT / "turtlenet")
    assert {"data/mnist_sample.npz", "py.typed"} <= carried
    assert any(name.startswith("reports/templates/") for name in carried)
    # Nothing but the package: no tests, no benchmarks.
    tops = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")} - {"bin"}
    assert tops == {"turtlenet"}


def test_the_wheel_is_used_and_not_the_checkout(installed, tmp_path):
    code = "import turtlenet, turtlenet.data.named as named; print(turtlenet.__file__, len(named.mnist_sample()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [str(installed / "turtlenet" / "__init__.py"), "4"]


def test_the_command_is_installed(installed):
    name = "turtlenet.exe" if sysconfig.get_platform().startswith("win") else "turtlenet"
    assert (installed / "bin" / name).exists()


def test_an_index_gets_the_readme_without_what_it_could_not_follow(installed):
    metadata = next(installed.glob("turtlenet-*.dist-info")) / "METADATA"
    read = email.message_from_string(metadata.read_text("utf-8"))
    said, text = str(read.get_payload()), (ROOT / "README.md").read_text("utf-8")
    assert read["Description-Content-Type"].startswith("text/markdown")
    assert re.findall(r"\]\((?!https?://)[^)]*\)", said) == []
    assert "![" not in said
    # Nothing but links is left out: headings, code and tables are those of the README.
    assert re.findall(r"^#+ .*$|^```.*$", said, re.MULTILINE) == re.findall(r"^#+ .*$|^```.*$", text, re.MULTILINE)
    assert said.count("|") == text.count("|")
    assert said.rstrip().endswith(setup_script().NOTE.strip())


def setup_script() -> ModuleType:
    """The module `setup.py`, which builds nothing where it is imported."""
    spec = importlib.util.spec_from_file_location("setup_script", ROOT / "setup.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_source_distribution_has_what_the_readme_links_to():
    """But for weights, and what is there anyway; an index shows no links, so its note says where to look."""
    patterns = [line.split() for line in (ROOT / "MANIFEST.in").read_text().splitlines() if line]
    carried = [name for word, *names in patterns if word in ("graft", "include") for name in names]
    targets = re.findall(r"\]\((?!https?://|#)([^)#]*)", (ROOT / "README.md").read_text("utf-8"))
    assert len(targets) > 20
    apart = {"LICENSE", "turtlenet/data/mnist_sample.md"}
    missing = {each for each in targets if each not in apart and not {each, each.split("/")[0]} & set(carried)}
    assert missing == set()


def test_a_tag_is_a_version_of_the_changelog():
    """Versions are tags: `make release` builds at the tag of `turtlenet.__version__` alone."""
    told = re.findall(r"^## \[(\d[^]]*)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    git = ["git", "-C", str(ROOT), "tag", "--list", "v[0-9]*", "--merged"]
    tags = subprocess.run(git, capture_output=True, text=True).stdout.split() if (ROOT / ".git").exists() else []
    assert [tag for tag in tags if tag.removeprefix("v") not in told] == []
    assert told[:1] in ([], [turtlenet.__version__])


def test_the_citation_is_of_this_package():
    read = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= read.keys()
    assert read["title"] == setup()["metadata"]["name"]
    assert read["license"] == setup()["metadata"]["license"]
    assert str(read["version"]) == turtlenet.__version__


def test_every_folder_of_the_package_is_packaged():
    on_disk = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "turtlenet").rglob("__init__.py")}
    options = setup()["options"]
    elsewhere = {
        line.partition("=")[0].strip(): line.partition("=")[2].strip() for line in lines(options["package_dir"])
    }
    assert all((ROOT / folder).is_dir() for folder in elsewhere.values())
    assert set(lines(options["packages"])) == on_disk | set(elsewhere)


def test_a_checkout_installs_what_the_package_needs():
    needed = {project(line) for line in lines(setup()["options"]["install_requires"])}
    given = {project(line) for line in lines((ROOT / "requirements.txt").read_text()) if not line.startswith("#")}
    assert needed
    assert needed - given == set()


def test_the_least_versions_are_those_that_are_tested():
    """`make test-floor` installs what `setup.cfg` says is enough."""
    wanted = dict(re.split(r"\s*>=\s*", line) for line in lines(setup()["options"]["install_requires"]))
    text = (ROOT / "tests" / "floor.txt").read_text()
    tested = dict(line.split("==") for line in lines(text) if not line.startswith("#"))
    assert wanted.keys() == tested.keys()
    for name, least in wanted.items():
        assert re.fullmatch(rf"{re.escape(least)}(\.0)*", tested[name]), name
