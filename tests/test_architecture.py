"""The floors of the house: imports go down, nothing goes round, and one folder knows the framework."""

import ast
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "turtlenet"
# From the ground up. A file may import from the floors below its own, and from its own room.
FLOORS = (
    ("bars", "errors", "typing", "version"),
    (
        "arguments",
        "backend",
        "catalog",
        "files",
        "gradient_mode",
        "input_kind",
        "losses",
        "optional",
        "ranges",
        "registry",
        "uncertainty",
    ),
    (
        "architectures",
        "batching",
        "checked",
        "constraints",
        "memory",
        "radius",
        "random",
        "reports",
        "tasks",
        "tracking",
    ),
    ("balls", "classifier", "defences", "features", "keras_files", "settings"),
    ("certification", "models"),
    ("attacks", "data"),
    ("detection", "noise_tolerance", "training"),
    ("evaluation", "gan"),
    ("reproduction", "workflows"),
    ("cli", "testing"),
    ("__init__", "__main__", "pytest_plugin"),
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
FRAMEWORKS = {"tensorflow", "jax", "torch"}
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def shown(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


MODULES = {name_of(path): path for path in FILES}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@functools.cache
def imported(path: Path) -> tuple[str, ...]:
    """The modules that a file imports, also within functions; those for type checkers alone aside."""
    return tuple(_imported(parsed(path)))


def _imported(tree: ast.Module) -> Iterator[str]:
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module


def upward(path: Path, names: Iterable[str]) -> list[str]:
    """Those of a file's imports that do not go down."""
    mine = room(path)
    theirs = {name: room(MODULES[name]) for name in names if name in MODULES and name != "turtlenet"}
    return [name for name, other in theirs.items() if other != mine and FLOOR_OF[other] >= FLOOR_OF[mine]]


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The ways round in a graph, each once."""
    found: list[list[str]] = []
    done: set[str] = set()
    for start in graph:
        way: list[str] = []
        waiting = [(start, False)]
        while waiting:
            node, leaving = waiting.pop()
            if leaving:
                way.pop()
                done.add(node)
            elif node in way:
                found.append(way[way.index(node) :])
            elif node not in done:
                way.append(node)
                waiting.append((node, True))
                waiting.extend((other, False) for other in graph.get(node, ()))
    return found


def test_every_room_is_on_one_floor() -> None:
    named = [room for rooms in FLOORS for room in rooms]
    assert len(named) == len(set(named))
    assert {room(path) for path in FILES} == set(named)
    assert len(FLOORS) <= 11


def test_imports_go_down() -> None:
    # One test for all files, here and below: a thousand of their own take longer to report than to run.
    found = {shown(path): upward(path, imported(path)) for path in FILES}
    assert {path: names for path, names in found.items() if names} == {}


def test_no_way_goes_round() -> None:
    graph = {own: {name for name in imported(path) if name in MODULES} - {own} for own, path in MODULES.items()}
    assert not circles(graph)


def test_a_workflow_imports_no_workflow() -> None:
    for path in FILES:
        if room(path) == "workflows":
            others = [name for name in imported(path) if name.startswith("turtlenet.workflows")]
            assert not others, f"{path.name} imports {others}"


def test_what_is_forbidden_would_be_found() -> None:
    path = PACKAGE / "attacks" / "gradient_based" / "pgd.py"
    assert upward(path, ["turtlenet.balls", "turtlenet.data", "turtlenet.evaluation.results.report"]) == [
        "turtlenet.data",
        "turtlenet.evaluation.results.report",
    ]
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c"]]
    assert not circles({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_only_the_seam_imports_a_framework() -> None:
    found = {shown(path): {name.split(".")[0] for name in imported(path)} & FRAMEWORKS for path in FILES}
    outside = {path: names for path, names in found.items() if names and not path.startswith("backend/")}
    assert outside == {}
    assert any(found.values())


def test_what_users_import_lists_its_public_names() -> None:
    for path in FILES:
        _check_public_names(path)


def _check_public_names(path: Path) -> None:
    """Packages and the modules beside them have `__all__`; modules within a package need none, or a whole one."""
    tree = parsed(path)
    assert ast.get_docstring(tree), f"{shown(path)} has no docstring"
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
    for_users = path.name == "__init__.py" or path.parent == PACKAGE
    if path.name == "__main__.py" or not (listed or (defined and for_users)):
        return
    assert len(listed) == 1, f"{shown(path)} has no __all__"
    assert defined <= set(listed[0]), f"{shown(path)} does not list {sorted(defined - set(listed[0]))}"


def test_the_top_level_names_exist() -> None:
    import turtlenet

    rooms = {room(path) for path in FILES}
    for name in turtlenet.__all__:
        assert getattr(turtlenet, name) is not None
        assert name not in rooms, f"the module turtlenet.{name} would take the place of the name"
