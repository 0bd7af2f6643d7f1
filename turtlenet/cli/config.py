"""Options from a file: `turtlenet.toml` of the working directory, or that of `--config`.

A command has a table of its name, a part of a command one within it, and each of its options is a key there, without
the dashes:

    [train]
    model = "model.h5"
    eps = "8/255"
    defence = ["bit-depth:bits=4"]

    [gan.train]
    epochs = 5

What is typed on the command line goes before.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from turtlenet.errors import SpecError, did_you_mean

__all__ = ["NAME", "take_config"]

NAME = "turtlenet.toml"
_NONE = "none"
_TYPED_ONLY = ("custom", "trust")
"""Options that run code of others: a file that nobody named has no say in them, whose folder may be another's too."""


_WRITTEN = ("checkpoint", "junit", "out", "page", "report", "results", "sarif", "surrogate-dir")
"""Options that say where something is written; arguments that do are in `_WRITTEN_ARGUMENTS`."""
_WRITTEN_ARGUMENTS = {"convert": "new", "key": "path", "rank": "folder"}
_FOLDER = re.compile(r"folder=([^,]*)")


def _outside(name: str, said: Any, command: str) -> str:
    """The first path outside of the working directory, links followed, at which an option has something written."""
    texts = [each for each in (said if isinstance(said, tuple) else (said,)) if isinstance(each, str)]
    if name == "log":
        texts = [path.strip() for each in texts for path in _FOLDER.findall(each)]
    elif name not in (*_WRITTEN, _WRITTEN_ARGUMENTS.get(command)):
        return ""
    here = Path.cwd().resolve()
    return next((each for each in texts if not Path(each).resolve().is_relative_to(here)), "")


def _is_elsewhere(log: str) -> bool:
    """Whether a log goes to an address of its own, such as a server's: `mlflow:uri=http://host`."""
    return "uri=" in "".join(str(log).split())


def take_config(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """The callback of `--config`: the file's values become the defaults of the command's options.

    Raises:
        SpecError: A file that cannot be read, an unknown table or key, or a value that does not fit, in any table.
    """
    if ctx.resilient_parsing or value == _NONE or (value is None and not Path(NAME).is_file()):
        return
    path = Path(value or NAME)
    tables = _read(path)
    root = ctx.find_root()
    found = _values(root.command, tables, root, path, implicit=value is None)
    for name in _names(ctx):
        found = found.get(name, {})
    ctx.default_map = found
    ctx.meta["turtlenet.config"] = str(path)


def _read(path: Path) -> dict[str, Any]:
    # What finds a package's files is slow to import, and --help reads none.
    from turtlenet.files.toml_files import read_toml

    return read_toml(path, "options in the file")


def _names(ctx: click.Context) -> list[str]:
    """The words of a command after the program's name."""
    names: list[str] = []
    while ctx.parent is not None:
        names.insert(0, str(ctx.info_name))
        ctx = ctx.parent
    return names


def _values(
    command: click.Command, table: Any, ctx: click.Context, path: Path, *, implicit: bool, where: str = ""
) -> dict[str, Any]:
    """The values of a table and those within it, checked, by the names of Click's parameters."""
    if not isinstance(table, dict):
        raise SpecError(f"Expected a table [{where}] in {path}; got {table!r}.")
    if not isinstance(command, click.Group):
        return _options(command, table, ctx, path, implicit=implicit, where=where)
    names, values = command.list_commands(ctx), {}
    for name, inner in table.items():
        if not where and not isinstance(inner, dict) and name not in names:
            raise SpecError(f"Expected options under the name of a command, such as [train], in {path}; got {name!r}.")
        if name not in names:
            title = f"[{where}.{name}]" if where else f"[{name}]"
            raise SpecError(f"Unknown table {title} in {path}.{did_you_mean(name, names)}")
        part: Any = command.get_command(ctx, name)
        title = f"{where}.{name}" if where else name
        values[name] = _values(part, inner, ctx, path, implicit=implicit, where=title)
    return values


def _options(
    command: click.Command, table: Mapping[str, Any], ctx: click.Context, path: Path, *, implicit: bool, where: str
) -> dict[str, Any]:
    known = {
        each.lstrip("-"): param
        for param in command.get_params(ctx)
        if param.name not in ("config", "help")
        for each in param.opts
        if each.startswith("--") or isinstance(param, click.Argument)
    }
    values: dict[str, Any] = {}
    # All settings are read for it, which --help need not wait for.
    from turtlenet.cli.import_paths import code_in

    for key, value in table.items():
        name = key.replace("_", "-")
        if name not in known:
            raise SpecError(f"Unknown key {key!r} under [{where}] in {path}.{did_you_mean(name, known)}")
        param = known[name]
        said = _as_typed(value, param, f"for {key!r} under [{where}] in {path}")
        code = name if name in _TYPED_ONLY else code_in(name, said)
        if implicit and code:
            raise SpecError(
                f"Expected {code} on the command line, or in a file that --config names, because it may run code; got "
                f"it in {path}."
            )
        if implicit and name == "log" and any(_is_elsewhere(each) for each in said):
            raise SpecError(
                f"Expected the address of --log on the command line, or in a file that --config names, because models "
                f"and reports go there; got it in {path}."
            )
        if implicit and (outside := _outside(name, said, where)):
            raise SpecError(
                f"Expected a path of {key!r} outside of the working directory on the command line, or in a file that "
                f"--config names; got {outside} in {path}."
            )
        try:
            param.type_cast_value(ctx, said)
        except click.UsageError as error:
            raise SpecError(f"{error.message.rstrip('.')}, for {key!r} under [{where}] in {path}.") from None
        if param.name in values:
            raise SpecError(f"Expected each option once under [{where}] in {path}; {key!r} came twice.")
        values[str(param.name)] = said
    return values


def _as_typed(value: Any, param: click.Parameter, where: str) -> Any:
    """A value as it would be typed: a text, several texts, or a switch."""
    if getattr(param, "is_flag", False):
        if not isinstance(value, bool):
            raise SpecError(f"Expected true or false {where}; got {value!r}.")
        return value
    if getattr(param, "multiple", False) or param.nargs == -1:
        return tuple(_text(each, where) for each in (value if isinstance(value, list) else [value]))
    return _text(value, where)


def _text(value: Any, where: str) -> str:
    """One value: lists have commas between their items, lists of lists semicolons, tables a colon for each key."""
    if isinstance(value, list) and value:
        nested = any(isinstance(each, list) for each in value)
        return (";" if nested else ",").join(_text(each, where) for each in value)
    if isinstance(value, dict) and value:
        return ",".join(f"{key}:{_text(each, where)}" for key, each in value.items())
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise SpecError(f"Expected a text or a number {where}; got {value!r}.")
    return str(value)
