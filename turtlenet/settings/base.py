"""What the settings of every workflow have in common, and what is derived from their fields."""

import dataclasses
import functools
import inspect
import json
import re
import textwrap
import types
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, ParamSpec, Protocol, TypeVar

from turtlenet.errors import SettingError
from turtlenet.ranges import check_ranges

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
F = TypeVar("F", bound=Callable[..., Any])


def setting(default: Any, help: str, **metadata: Any) -> Any:
    """Declares a setting without a range of numbers or words; `turtlenet.ranges` declares the others.

    Args:
        default: Its default.
        help: What it is, for `--help`, for `help()` and for the docs.
        **metadata: What else is known of a field; `turtlenet.ranges` takes the same:
            more: What the docs of the function tell besides.
            flag: The option, where it is not `--` and the name; None for none on the command line.
            read: Reads the option's text (`turtlenet.settings.text`); by default the type tells how.
            many: Whether the option may be given several times.
            group: The heading that it stands under in `--help`; that of its class by default (`Settings.GROUP`).
            recipe: Whether a recipe may say it; True by default.
            identity: `changed` (the default): a run that is continued must have it alike; `always`: the same, and it
                is noted also where it has its default, as files of older versions have it; `never`: it changes no
                number of a run, or another entry tells it.
    """
    return dataclasses.field(default=default, metadata={"help": help, **metadata})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a workflow, of which each has its type and is in its range.

    Raises:
        TurtlenetError: One that has another type or is out of its range, in one line.
    """

    GROUP: ClassVar[str] = "Options"
    """The heading in `--help` of the fields that a class declares; see `turtlenet.cli.command.GROUPS`."""

    def __post_init__(self) -> None:
        # It needs NumPy, which `--help` does not wait for.
        from turtlenet.arguments import check_fields

        check_fields(self)
        check_ranges(self)

    def noted(self, *, always: bool = True) -> dict[str, Any]:
        """What tells a run with these settings from another, as plain data: see `identity` of `setting`.

        Args:
            always: Whether those are among them that are noted at their defaults too.
        """
        noted = {}
        for field in dataclasses.fields(self):
            value, when = getattr(self, field.name), field.metadata.get("identity", "changed")
            if (when == "always" and always) or (when == "changed" and value != field.default):
                noted[field.name] = value
        return dict(json.loads(json.dumps(noted, default=str)))

    def only(self, kind: Callable[..., "S"], **changed: Any) -> "S":
        """Those of these settings that another dataclass has fields for, some of them changed."""
        names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
        return kind(**{name: getattr(self, name) for name in names - set(changed)}, **changed)


S = TypeVar("S")


@functools.cache
def hints(kind: Any) -> dict[str, Any]:
    """The types of a dataclass's fields."""
    return typing.get_type_hints(kind)


def options(kind: Any) -> list[dataclasses.Field]:
    """The fields that are settings, those of a class before those of what it is derived from."""
    order = [name for each in kind.__mro__ for name in vars(each).get("__annotations__", ())]
    return sorted(dataclasses.fields(kind), key=lambda field: order.index(field.name))


class Taker(Protocol[P, R_co]):
    """A workflow: a model, data, and settings by their names."""

    def __call__(
        self, model: Any, data: Any = None, *args: P.args, **settings: P.kwargs
    ) -> R_co: ...  # pragma: no cover


def takes(kind: Callable[P, Any]) -> Callable[[Callable[..., R_co]], Taker[P, R_co]]:
    """Decorates a workflow of a model and data as `describes` does, for type checkers too."""
    return describes(kind)


def describes(kind: Any) -> Callable[[F], F]:
    """Decorates a function with `**settings`, so that `help()` and editors show each setting of a dataclass.

    The parameters and the lines of the docstring stand in the place of those of `**settings`.
    """

    def around(function: Any) -> Any:
        signature, types_of = inspect.signature(function), hints(kind)
        own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
        # What the function says itself counts.
        fields = [field for field in options(kind) if field.name not in signature.parameters]
        named = [
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=types_of[field.name]
            )
            for field in fields
        ]
        function.__signature__ = signature.replace(parameters=[*own, *named])
        function.__annotations__ = {**function.__annotations__, **{each.name: each.annotation for each in named}}
        lines = [_described(field) for field in fields]
        function.__doc__ = re.sub(r"(?m)^ +\*\*settings: .*\n", lambda _: "".join(lines), function.__doc__ or "")
        return function

    return around


def table(kind: Any) -> str:
    """A table of settings in Markdown: each with its option, its default, its range and its help."""
    lines = ["| option | setting | default | what it is |", "|---|---|---|---|"]
    for field in options(kind):
        flag = flag_of(field)
        words = " ".join(filter(None, (help_of(field), field.metadata.get("more"))))
        cells = (
            f"`{flag}`" if flag else "",
            f"`{field.name}`",
            f"`{_shown(field.default)}`",
            words.replace("|", "\\|"),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _shown(default: Any) -> str:
    return getattr(default, "__name__", None) or repr(default)


def check_of_use(kind: Any, given: Mapping[str, Any], idle: Collection[str], wanted: str, got: str) -> None:
    """Refuses settings that were given and that nothing would look at.

    Args:
        kind: The dataclass of the settings.
        given: What the user gave, by name; those at their defaults are not in it.
        idle: Names of the settings that have no effect here.
        wanted: What would make them count.
        got: What there is instead.

    Raises:
        SettingError: One of them was given, in a line with its option.
    """
    said = [field for field in options(kind) if field.name in idle and _is_said(given.get(field.name))]
    if said:
        names = ", ".join(flag_of(field) or field.name for field in said)
        raise SettingError(f"Expected {wanted} for {names}; got {got}: leave {'them' if said[1:] else 'it'} out.")


def _is_said(value: Any) -> bool:
    return value is not None and not (isinstance(value, (tuple, list, str)) and not value)


def flag_of(field: dataclasses.Field) -> str | None:
    """The option of a setting on the command line, or None."""
    flag: str | None = field.metadata.get("flag", f"--{field.name.replace('_', '-')}")
    return flag


def group_of(kind: Any, field: dataclasses.Field) -> str:
    """The heading in `--help` that a setting stands under."""
    own: str | None = field.metadata.get("group")
    declaring = (each for each in kind.__mro__ if field.name in vars(each).get("__annotations__", ()))
    return own or next((vars(each)["GROUP"] for each in declaring if "GROUP" in vars(each)), Settings.GROUP)


def help_of(field: dataclasses.Field) -> str:
    """What a setting is, with its range where the words do not have it."""
    words: str = field.metadata["help"]
    within = field.metadata.get("range")
    choices = within.choices if within else ()
    return words if all(re.search(rf"\b{re.escape(each)}\b", words) for each in choices) else f"{words} ({within})"


def plain_kinds(hint: Any) -> tuple[Any, ...]:
    """The types in an annotation, without None."""
    kinds = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    return tuple(kind for kind in kinds if kind is not type(None))


def _described(field: dataclasses.Field) -> str:
    words = " ".join(filter(None, (help_of(field), field.metadata.get("more"))))
    return (
        textwrap.fill(
            f"{field.name}: {words}", 117, initial_indent=8 * " ", subsequent_indent=12 * " ", break_on_hyphens=False
        )
        + "\n"
    )
