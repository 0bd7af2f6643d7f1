"""The floors of the house: imports go down, and one folder knows the framework."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "turtlenet"
FLOORS = {
    "errors": 0,
    "version": 0,
    "bars": 0,
    "files": 0,
    "hdf5": 0,
    "numpy_files": 0,
    "hdf5_probe": 0,
    "formats": 0,
    "toml_files": 0,
    "registry": 0,
    "backend": 1,
    "random": 1,
    "arguments": 1,
    "balls": 1,
    "radius": 1,
    "losses": 1,
    "uncertainty": 1,
    "classifier": 2,
    "batches": 2,
    "data": 2,
    "models": 3,
    "attacks": 3,
    "gradients": 1,
    "defences": 2,
    "training": 4,
    "evaluation": 5,
    "fitting": 5,
    "parts": 5,
    "detection": 5,
    "gan": 5,
    "api": 6,
    "detecting": 6,
    "evaluating": 6,
    "grey_box": 6,
    "black_box": 6,
    "generators": 6,
    "kept": 6,
    "hardening": 6,
    "pools": 6,
    "perturbing": 6,
    "cli": 7,
    "__main__": 8,
    "__init__": 8,
}
# On one floor, what stands left of another may be imported by it.
NEIGHBORS = {
    ("registry", "errors"),
    ("files", "errors"),
    ("hdf5", "errors"),
    ("numpy_files", "errors"),
    ("toml_files", "errors"),
    ("arguments", "backend"),
    ("balls", "arguments"),
    ("balls", "random"),
    ("balls", "backend"),
    ("batches", "classifier"),
    ("attacks", "models"),
    ("detection", "evaluation"),
    ("gan", "evaluation"),
    ("fitting", "evaluation"),
    ("generators", "black_box"),
    ("evaluating", "black_box"),
    ("evaluating", "kept"),
    ("evaluating", "grey_box"),
    ("hardening", "pools"),
    ("kept", "generators"),
    ("pools", "kept"),
    ("api", "evaluating"),
    ("api", "hardening"),
    ("api", "kept"),
    ("grey_box", "hardening"),
}
FILES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> list[str]:
    """Full names of all modules that a file imports, also within functions."""
    names = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    mine = room(path)
    for name in imported(path):
        parts = name.split(".")
        if parts[0] != "turtlenet" or len(parts) == 1 or parts[1] not in FLOORS:
            continue
        theirs = parts[1]
        allowed = theirs == mine or FLOORS[theirs] < FLOORS[mine] or (mine, theirs) in NEIGHBORS
        assert allowed, f"{path.name} (floor {FLOORS[mine]}) imports {name} (floor {FLOORS[theirs]})"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_seam_imports_a_framework(path: Path) -> None:
    if room(path) == "backend":
        return
    frameworks = {name.split(".")[0] for name in imported(path)} & {"tensorflow", "jax", "torch"}
    assert not frameworks, f"{path.name} imports {frameworks}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_public_name_is_listed(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree), f"{path.name} has no docstring"
    listed = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "__all__" for target in node.targets)
    ]
    defined = {
        node.name
        for node in tree.body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_")
    }
    if path.name == "__main__.py" or not (defined or listed):
        return
    assert len(listed) == 1, f"{path.name} has no __all__"
    assert defined <= set(listed[0]), f"{path.name} does not list {sorted(defined - set(listed[0]))}"


def test_every_room_is_on_a_floor() -> None:
    assert {room(path) for path in FILES} == set(FLOORS) - ({"defences"} - {room(path) for path in FILES})


def test_the_top_level_names_exist() -> None:
    import turtlenet

    rooms = {room(path) for path in FILES}
    for name in turtlenet.__all__:
        assert getattr(turtlenet, name) is not None
        assert name not in rooms, f"the module turtlenet.{name} would take the place of the name"
