"""Options that several commands share, and how their values are read."""

import contextlib
import dataclasses
import functools
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import click
from click.core import ParameterSource

from turtlenet.cli.command import option
from turtlenet.cli.completion import starting
from turtlenet.errors import OutputError, SettingError, decimal_point
from turtlenet.files import check_folder
from turtlenet.optional import check_backend
from turtlenet.registry import import_name
from turtlenet.settings import text
from turtlenet.settings.base import flag_of, group_of, help_of, hints, options, plain_kinds

__all__ = [
    "Number",
    "Text",
    "beside",
    "check_file",
    "data_option",
    "device_options",
    "framework",
    "limit_option",
    "loading_options",
    "quiet_start",
    "settings_options",
    "speaks",
    "workflow_options",
]

F = TypeVar("F", bound=Callable[..., Any])


class Text(click.ParamType):
    """A value that a function of `turtlenet.settings.text` reads."""

    def __init__(self, read: Callable[[str], Any]):
        self.read = read
        self.name = text.word_of(read)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self.read(value) if isinstance(value, str) else value
        except SettingError as error:
            self.fail(str(error), param, ctx)


class Number(click.types.FloatParamType):
    """A number, whose decimal comma is told from other mistakes."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        meant = decimal_point(value)
        if meant:
            self.fail(f"Expected a number; got {value!r}.{meant}", param, ctx)
        return super().convert(value, param, ctx)


_GIVEN = (ParameterSource.COMMANDLINE, ParameterSource.DEFAULT_MAP)
"""Where values come from that a user gave: typed, or in a file of options."""
_NAME_OR_FILE = click.Path()
_TYPES: dict[Any, Any] = {int: int, float: Number(), str: str, os.PathLike: click.Path(path_type=Path)}


def settings_options(kind: Any, *, but: Collection[str] = ()) -> Callable[[F], F]:
    """Adds an option for each setting of a dataclass; the command is given those alone that the user gave,
    on the command line or in a file of options.

    Args:
        kind: The dataclass; see `turtlenet.settings`.
        but: Settings that the command has options of its own for.
    """
    chosen = [field for field in options(kind) if flag_of(field) and field.name not in but]

    def around(command: F) -> F:
        @click.pass_context
        @functools.wraps(command)
        def with_given(context: click.Context, /, *args: Any, **values: Any) -> Any:
            for field in chosen:
                if context.get_parameter_source(field.name) not in _GIVEN:
                    del values[field.name]
            return command(*args, **values)

        made: Any = with_given
        for field in reversed(chosen):
            made = _option(kind, field)(made)
        return cast(F, made)

    return around


def _option(kind: Any, field: dataclasses.Field) -> Any:
    """The Click option of a setting."""
    reader, many = field.metadata.get("read"), field.metadata.get("many", False)
    types = [each for each in plain_kinds(hints(kind)[field.name]) if many or each in _TYPES or each is bool]
    within = field.metadata.get("range")
    how: dict[str, Any] = {"help": help_of(field)}
    if within is not None and within.choices:
        how["shell_complete"] = starting(within.choices)
    if types == [bool]:
        how["is_flag"] = True
    else:
        how |= {"multiple": many, "type": Text(reader) if reader else str if many else _TYPES[types[0]]}
        if field.default not in (None, ()):
            # For the help alone: the function has it too, and is given what the user gave.
            how |= {"default": (field.default,), "show_default": field.default} if many else {"default": field.default}
            how = {"show_default": True, **how}
    return option(str(flag_of(field)), field.name, group=group_of(kind, field), **how)


def data_option(command: F) -> F:
    """Adds the option that names the data."""
    words = "Name of a data set or path of one; the embedded mnist-sample where it fits."
    return cast(F, option("--data", group="Data", type=_NAME_OR_FILE, metavar="NAME|PATH", help=words)(command))


def loading_options(command: F) -> F:
    """Adds the options for files that need more than themselves, and loads every model of the command by them."""

    @option(
        "--custom",
        group="Model",
        multiple=True,
        metavar="[NAME=]MODULE:OBJECT",
        help="A layer or function that a file names and Keras lacks, NAME there; or what a Lambda layer NAME does.",
    )
    @option("--trust", group="Model", is_flag=True, help="Run Python code that a model file carries.")
    @option(
        "--architecture",
        group="Model",
        metavar="NAME|JSON|YAML|MODULE:FUNCTION",
        help="The model of a file that holds weights only.",
    )
    @option(
        "--written-by",
        group="Model",
        type=click.Choice(["tensorflow", "theano"]),
        help="Backend of an old file that names none.",
    )
    @functools.wraps(command)
    def with_loading(
        custom: tuple[str, ...], trust: bool, architecture: str | None, written_by: str | None, **settings: Any
    ) -> Any:
        if not (custom or trust or architecture or written_by):
            return command(**settings)
        framework()
        from turtlenet import models

        if trust:
            click.echo("turtlenet: trusted: Python code in the model files may run.", err=True)
        names = [each.rpartition("=")[0] or each.rpartition(":")[2] for each in custom]
        said: dict[str, Any] = {"architecture": architecture, "written_by": written_by}
        files = _files_in(settings)
        # A file of settings may name any other file.
        known = not any(each.suffix == ".toml" for each in files)
        idle = models.of_no_use(files, custom=names, **said) if known else None
        objects = {} if not custom else dict(_supplied(each) for each in custom)
        if idle:
            raise SettingError(idle)
        with models.loading(models.Loading(objects, trust, architecture, written_by)):
            return command(**settings)

    return with_loading


def _files_in(value: Any) -> list[Path]:
    """The files and folders that values of options name, as they are or within specs; data aside."""
    if isinstance(value, dict):
        return [file for name, each in value.items() if name != "data" for file in _files_in(each)]
    if isinstance(value, (list, tuple)):
        return [file for each in value for file in _files_in(each)]
    if not isinstance(value, (str, os.PathLike)):
        return []
    text = os.fspath(value)
    words = dict.fromkeys([text, *re.split(r"[=,:;()]", text)])
    return [Path(word) for word in words if word and _is_there(Path(word))]


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        # Too long a name for the file system, or none at all.
        return False


def device_options(command: F) -> F:
    """Adds the options that say what computes, and starts it before anything else."""

    @option("--devices", group="Computing", type=int, help="Devices of this host that share each batch; 1 by default.")
    @option(
        "--cluster",
        group="Computing",
        is_flag=True,
        help="One of several processes, which KERAS_DISTRIBUTION_... tell apart.",
    )
    @option("--xla", group="Computing", is_flag=True, help="Let TensorFlow compile with XLA on a CPU too.")
    @functools.wraps(command)
    def with_devices(devices: int | None, cluster: bool, xla: bool, **settings: Any) -> Any:
        if devices is None and not (cluster or xla):
            return command(**settings)
        framework(devices=devices, cluster=cluster, xla=xla)
        if speaks():
            return command(**settings)
        # What goes wrong is still said, on the other stream.
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
            return command(**settings)

    return with_devices


def speaks() -> bool:
    """Whether this process prints and writes files: one does for all of a cluster. The framework runs already."""
    from turtlenet import backend

    return backend.process()[0] == 0


def workflow_options(kind: Any) -> Callable[[F], F]:
    """Adds the options of data, settings, devices and files that a workflow of one model takes.

    Args:
        kind: The dataclass of its settings; see `settings_options`.
    """

    def around(command: F) -> F:
        return data_option(settings_options(kind)(device_options(loading_options(command))))

    return around


def limit_option(what: str) -> Any:
    """The option that says how many images of a report at the end are attacked."""
    return option(
        "--limit",
        group="Output",
        type=Text(text.most),
        default="1000",
        show_default=True,
        help=f"Most {what}; 0 for all.",
    )


def beside(model: str, ending: str) -> Path:
    """The file that a command writes beside a model where no other is named.

    >>> beside("runs/model.h5", "hardened.h5").as_posix()
    'runs/model-hardened.h5'
    """
    path = Path(model)
    return path.with_name(f"{path.stem}-{ending}")


def check_file(out: Path, *suffixes: str, option: str = "--out") -> None:
    """Finds out, before any work, whether a file can be written at `--out`, or where another option says.

    Raises:
        OutputError: Another suffix, a folder in its place, or no folder to write it in.
    """
    if out.suffix not in suffixes:
        raise OutputError(f"Expected {option} with the suffix {' or '.join(suffixes)}; got {str(out)!r}.")
    if out.is_dir():
        raise OutputError(f"Expected {option} to be a file; {out} is a folder.")
    if not out.parent.is_dir():
        raise OutputError(f"Expected a folder to write {out.name} in; there is no folder {out.parent}.")
    check_folder(out.parent)


def _supplied(text: str) -> tuple[str, Any]:
    """Reads `[NAME=]package.module:Object`."""
    name, equals, path = text.rpartition("=")
    module, colon, attribute = path.partition(":")
    if not (module and colon and attribute) or (equals and not name):
        raise click.UsageError(f"Expected --custom as [NAME=]package.module:Object; got {text!r}.")
    return name or attribute, import_name(path)


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Holds back what a framework's C++ prints while it starts; it is shown only if the start fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except Exception:
            file.seek(0)
            os.write(kept, file.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def framework(**hardware: Any) -> None:
    """Starts the framework without its chatter.

    Args:
        **hardware: What `turtlenet.configure` is given, the first time.

    Raises:
        SettingError: The user chose a Keras backend that turtlenet does not speak, or hardware that is not there.
    """
    check_backend()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from turtlenet.files import hdf5

    # Starts beside the framework, which takes longer.
    hdf5.start()
    with quiet_start():
        from turtlenet import backend
        from turtlenet.workflows.configure import configure

        if hardware:
            configure(**hardware)
        backend.devices()
        # Keras imports it as soon as it describes a model, on every backend; JAX does without where it is not there.
        if importlib.util.find_spec("tensorflow"):
            importlib.import_module("tensorflow")
