"""What is registered, told from the source: nothing is imported, so that it is known before a framework is there.

A registered class or function stands below a decorator whose first argument is its name, as in
`@attacks.register("pgd")`; the first line of its docstring says what it is. What other packages register by entry
points is looked up in their source likewise.
"""

import ast
from collections.abc import Iterator
from importlib import metadata, util
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

__all__ = ["FAMILIES", "described"]

FAMILIES = {
    "attacks": ("attacks", "attacks.register", "attacks.family"),
    "augmentations": ("training/data", "augmentations.register"),
    "constraints": ("constraints", "constraints.register"),
    "datasets": ("data", "datasets.register"),
    "defences": ("defences", "registered"),
    "detectors": ("detection", "detectors.register"),
    "models": ("architectures", "architectures.register", "architecture"),
    "objectives": ("training/objective", "objectives.register"),
    "tasks": ("tasks", "tasks.register"),
    "trackers": ("tracking", "trackers.register"),
    "wrappers": ("training/wrappers", "wrappers.register"),
}
"""The folder of each family, and the decorators that register there. Its entry points are in `turtlenet.FAMILY`."""
_PACKAGE = Path(__file__).parent


def described(family: str) -> dict[str, str]:
    """The names of a family, sorted, and what each is in one line.

    Names of other libraries' things follow as `library:NAME`.

    Args:
        family: One of `FAMILIES`.
    """
    folder, *decorators = FAMILIES[family]
    own, libraries = {}, {}
    for path in sorted((_PACKAGE / folder).rglob("*.py")):
        for decorator, name, line in _registered(path.read_text("utf-8"), decorators):
            if decorator.endswith(".family"):
                libraries[f"{name}:NAME"] = line
            else:
                own[name] = line
    for entry in metadata.entry_points(group=f"turtlenet.{family}"):
        if entry.name not in own:
            own[entry.name] = _of_entry(entry.module, entry.attr) or entry.value
    return dict(sorted(own.items())) | dict(sorted(libraries.items()))


def _registered(source: str, decorators: list[str]) -> Iterator[tuple[str, str, str]]:
    """The decorators of a module that register, each with the name that it gives and a line on what has it."""
    # Most modules register nothing: those are not parsed.
    if not any(f"@{each}(" in source for each in decorators):
        return
    for node in ast.parse(source).body:
        for each in getattr(node, "decorator_list", ()):
            if isinstance(each, ast.Call) and each.args and ast.unparse(each.func) in decorators:
                yield ast.unparse(each.func), str(ast.literal_eval(each.args[0])), _line(node)


def _of_entry(module: str, name: str) -> str:
    """The line on what an entry point names, or an empty one where the source does not have it."""
    try:
        spec = _found(module)
        source = getattr(spec.loader, "get_source", lambda _: None)(module) if spec else None
        body = ast.parse(source or "").body
    except Exception:  # Whatever a package of others does to be found, it is but one line of a list.
        return ""
    return next((_line(node) for node in body if getattr(node, "name", None) == name), "")


def _found(module: str) -> ModuleSpec | None:
    """Where a module is; unlike `importlib.util.find_spec` it imports none of the packages around it."""
    first, *others = module.split(".")
    spec = util.find_spec(first)
    for number, _ in enumerate(others):
        if spec is None:
            return None
        spec = PathFinder.find_spec(".".join([first, *others[: number + 1]]), spec.submodule_search_locations)
    return spec


def _line(node: ast.AST) -> str:
    words = ast.get_docstring(node) if isinstance(node, ast.ClassDef | ast.FunctionDef) else ""
    return (words or "").partition("\n")[0]
