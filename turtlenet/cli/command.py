"""A command with its options under headings, examples, and settings from a file."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from turtlenet.cli.completion import FAMILY_OF, of_family
from turtlenet.cli.config import take_config
from turtlenet.cli.examples import Examples, write_examples
from turtlenet.errors import OutputError, did_you_mean

__all__ = ["GROUPS", "MODEL", "Command", "Option", "Parts", "option", "output_option"]

GROUPS = (
    *("Recipe", "Attack", "Objective", "Method", "Detector", "Generator", "Measures"),
    *("Data", "Model", "Schedule", "Computing", "Output", "Options"),
)
"""The headings of options in `--help`, in their order."""

_SEVERAL = ("--attack", "--defence")
"""Options that some command takes several times."""

MODEL = click.Path()
"""The type of an argument that is a file or a name: shells complete it to files, and nothing is checked here."""


class Option(click.Option):
    """An option under a heading of the help.

    Args:
        group: The heading; see `GROUPS`.
    """

    def __init__(self, names: Sequence[str], *, group: str = "Options", **settings: Any):
        super().__init__(names, **{**_completed(names), **settings})
        self.group = group


def option(*names: str, group: str = "Options", **settings: Any) -> Callable[[Any], Any]:
    """Adds an option under a heading; see `click.option`."""
    return click.option(*names, cls=Option, group=group, **settings)


def output_option(flag: str, help: str, **how: Any) -> Callable[[Any], Any]:
    """Adds an option for a file or folder that a command writes, given to it as a Path; see `click.option`."""
    return option(flag, group="Output", type=click.Path(path_type=Path), help=help, **how)


class Command(click.Command):
    """A command whose help groups its options and ends with examples, and whose options a file may give.

    Args:
        examples: What an example does, and the line to type, for each.
    """

    def __init__(self, *args: Any, examples: Examples = (), **settings: Any):
        super().__init__(*args, **settings)
        self.examples = examples
        self.params.append(
            Option(
                ["--config"],
                type=click.Path(),
                is_eager=True,
                expose_value=False,
                callback=take_config,
                metavar="FILE",
                help="Options in TOML, under [the command's name]; turtlenet.toml where there is one, none for none.",
            )
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            _check_once(self.make_parser(ctx).parse_args(args=list(args))[2])
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                groups.setdefault(getattr(param, "group", "Options"), []).append(record)
        width = max(min(len(name), 30) for records in groups.values() for name, _ in records)
        for group in sorted(groups, key=_place):
            (first, words), *others = groups[group]
            with formatter.section(group):
                # One width for the first column of all groups.
                formatter.write_dl([(first.ljust(width), words), *others])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_examples(formatter, self.examples)

    def invoke(self, ctx: click.Context) -> Any:
        _check_written(self, ctx.params)
        file = ctx.meta.get("turtlenet.config")
        taken = [name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.DEFAULT_MAP]
        if file and taken and not ctx.params.get("quiet"):
            click.echo(f"turtlenet: from {file}: {', '.join(_typed(self, name) for name in taken)}", err=True)
        return super().invoke(ctx)


class Parts(click.Group):
    """Commands of one subject; another word gets one line."""

    command_class = Command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not ctx.resilient_parsing:
            raise click.UsageError(f"Unknown command '{self.name} {args[0]}'.{did_you_mean(args[0], self.commands)}")
        return super().resolve_command(ctx, args)


def _check_once(order: Sequence[click.Parameter]) -> None:
    """Refuses several values of an option that other commands take several of: all but the last would be lost.

    Of other options the last one counts, as everywhere: an alias may have the usual ones.

    Raises:
        click.UsageError: Such an option.
    """
    for param in dict.fromkeys(order):
        once = isinstance(param, click.Option) and not param.multiple and param.opts[0] in _SEVERAL
        if once and order.count(param) > 1:
            raise click.UsageError(f"Expected {param.opts[0]} once; got it {order.count(param)} times.")


def _check_written(command: click.Command, given: Mapping[str, Any]) -> None:
    """Refuses to write a file in the place of one that is read.

    Raises:
        OutputError: A model, data or another file of the user's own would be gone.
    """
    kinds = {param.name: getattr(param, "group", "Output" if param.name == "new" else "") for param in command.params}
    written = {name: value for name, value in given.items() if kinds.get(name) == "Output" and isinstance(value, Path)}
    read = [each for name, value in given.items() if name not in written for each in _flat(value)]
    for name, target in written.items():
        for source in read:
            if _same_file(target, source):
                raise OutputError(f"Expected {_said(command, name)} to be another file than {source}, which is read.")


def _flat(value: Any) -> list[Any]:
    return [each for part in value for each in _flat(part)] if isinstance(value, (list, tuple)) else [value]


def _same_file(target: Path, source: Any) -> bool:
    if not isinstance(source, (str, Path)):
        return False
    try:
        return target.is_file() and target.samefile(source)
    except (OSError, ValueError):
        # No file at all.
        return False


def _said(command: click.Command, name: str) -> str:
    param = next(param for param in command.params if param.name == name)
    return param.opts[0] if isinstance(param, click.Option) else name.upper()


def _completed(names: Sequence[str]) -> dict[str, Any]:
    """How the shell completes an option whose values are names of a family."""
    family = next((FAMILY_OF[name.lstrip("-")] for name in names if name.lstrip("-") in FAMILY_OF), None)
    return {"shell_complete": of_family(family)} if family else {}


def _place(group: str) -> tuple[int, str]:
    return (GROUPS.index(group) if group in GROUPS else len(GROUPS), group)


def _typed(command: click.Command, name: str) -> str:
    return next(param.opts[0].lstrip("-") for param in command.params if param.name == name)
