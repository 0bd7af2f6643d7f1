"""Options that several commands share, and how their values are read."""

import contextlib
import functools
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from turtlenet.errors import OutputError, SettingError
from turtlenet.files import check_folder
from turtlenet.radius import FORMS, parsed
from turtlenet.registry import import_name, parse_value

__all__ = [
    "BatchSize",
    "Bounds",
    "ClassWeight",
    "Count",
    "Number",
    "Numbers",
    "Radius",
    "check_file",
    "device_options",
    "framework",
    "loading_options",
    "pixel_options",
    "quiet_start",
    "speaks",
    "split_option",
    "threat_options",
]

F = TypeVar("F", bound=Callable[..., Any])


class Number(click.ParamType):
    """A number, also as a fraction: `0.3`, `8/255`."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = parse_value(value) if isinstance(value, str) else value
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            self.fail(f"Expected a number such as 0.3 or 8/255; got {value!r}.", param, ctx)
        return float(number)


class Radius(click.ParamType):
    """A radius: `0.3`, `8/255`, `8px` or `3%`; it stays a text where only the bounds tell what it is."""

    name = "radius"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        number = parse_value(value) if isinstance(value, str) else value
        if isinstance(number, (int, float)) and not isinstance(number, bool):
            return float(number)
        try:
            parsed(value)
        except SettingError as error:
            self.fail(str(error), param, ctx)
        return str(value)


class Count(click.ParamType):
    """A whole number, 0 or more."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number = parse_value(value) if isinstance(value, str) else value
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            self.fail(f"Expected a whole number, 0 or more; got {value!r}.", param, ctx)
        return number


class BatchSize(click.ParamType):
    """A whole number, 1 or more, or `auto`, which is None."""

    name = "integer|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value == "auto":
            return None
        number = parse_value(value) if isinstance(value, str) else value
        if isinstance(number, bool) or not isinstance(number, int):
            self.fail(f"Expected a whole number or auto; got {value!r}.", param, ctx)
        return number


class ClassWeight(click.ParamType):
    """`balanced`, or classes and their weights: `0:1,3:2.5`."""

    name = "balanced|class:weight"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str) or value == "balanced":
            return value
        pairs = [part.partition(":")[::2] for part in value.split(",")]
        try:
            return {int(key): float(weight) for key, weight in pairs}
        except ValueError:
            self.fail(f"Expected balanced, or classes and weights such as 0:1,3:2.5; got {value!r}.", param, ctx)


class Numbers(click.ParamType):
    """Numbers with commas between them: `2,1`."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        parts = [parse_value(part) for part in value.split(",")]
        if not all(isinstance(part, int | float) and not isinstance(part, bool) for part in parts):
            self.fail(f"Expected numbers with commas between them, such as 2,1; got {value!r}.", param, ctx)
        return tuple(float(part) for part in parts)


class Bounds(click.ParamType):
    """Two numbers with a comma: `0,255`."""

    name = "low,high"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        parts = [parse_value(part) for part in value.split(",")]
        if len(parts) != 2 or not all(isinstance(part, (int, float)) for part in parts):
            self.fail(f"Expected the smallest and the largest pixel, such as 0,1 or 0,255; got {value!r}.", param, ctx)
        return float(parts[0]), float(parts[1])


def threat_options(command: F) -> F:
    """Adds the options that describe data and threat."""
    return pixel_options(command, click.option("--norm", help="linf (the default), l2, l1 or l0."))


def pixel_options(command: F, *norm: Any) -> F:
    """Adds the same options without a norm, for a threat to each pixel by itself."""
    options = [
        click.option("--data", help="Name of a data set or path of one; the embedded mnist-sample where it fits."),
        click.option("--eps", type=Radius(), help=f"Radius of the ball in {FORMS}."),
        *norm,
        click.option("--bounds", type=Bounds(), help="Smallest and largest pixel, e.g. 0,255; told from the model."),
        click.option("--head", default="auto", show_default=True, help="auto, softmax, sigmoid or logits."),
        click.option("--seed", type=int, default=0, show_default=True, help="Repeats every draw."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def split_option(command: F) -> F:
    """Adds the option that says which part of the data is scored."""
    option = click.option(
        "--split",
        help="Part to score: test, train or all; the test part, or what `train` held out, or else all.",
    )
    return option(command)


def loading_options(command: F) -> F:
    """Adds the options for files that need more than themselves, and loads every model of the command by them."""

    @click.option(
        "--custom",
        multiple=True,
        metavar="[NAME=]MODULE:OBJECT",
        help="A layer or function that a file names and Keras lacks, NAME there; or what a Lambda layer NAME does.",
    )
    @click.option("--trust", is_flag=True, help="Run Python code that a model file carries.")
    @click.option(
        "--architecture", metavar="NAME|JSON|YAML|MODULE:FUNCTION", help="The model of a file that holds weights only."
    )
    @click.option(
        "--written-by", type=click.Choice(["tensorflow", "theano"]), help="Backend of an old file that names none."
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
        objects = {} if not custom else dict(_supplied(each) for each in custom)
        with models.loading(models.Loading(objects, trust, architecture, written_by)):
            return command(**settings)

    return with_loading  # type: ignore[return-value]


def device_options(command: F) -> F:
    """Adds the options that say what computes, and starts it before anything else."""

    @click.option("--precision", help="What layers compute in: float32, bfloat16 or float16; as the file says.")
    @click.option("--devices", type=int, help="Devices of this host that share each batch; 1 by default.")
    @click.option("--cluster", is_flag=True, help="One of several processes, which KERAS_DISTRIBUTION_... tell apart.")
    @click.option("--xla", is_flag=True, help="Let TensorFlow compile with XLA on a CPU too.")
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

    return with_devices  # type: ignore[return-value]


def speaks() -> bool:
    """Whether this process prints and writes files: one does for all of a cluster. The framework runs already."""
    from turtlenet import backend

    return backend.process()[0] == 0


def check_file(out: Path, suffix: str) -> None:
    """Finds out, before any work, whether a file can be written at `--out`.

    Raises:
        OutputError: Another suffix, a folder in its place, or no folder to write it in.
    """
    if out.suffix != suffix:
        raise OutputError(f"Expected --out with the suffix {suffix}; got {str(out)!r}.")
    if out.is_dir():
        raise OutputError(f"Expected --out to be a file; {out} is a folder.")
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
    # Keras fails with a traceback where the chosen framework is not installed: asked here, before it is imported.
    chosen = os.environ.get("KERAS_BACKEND", "tensorflow")
    if chosen not in ("tensorflow", "jax"):
        raise SettingError(f"Expected the Keras backend tensorflow or jax; got KERAS_BACKEND={chosen}: unset it.")
    if importlib.util.find_spec(chosen) is None:
        raise SettingError(f"Expected KERAS_BACKEND={chosen} to be installed; it is not: pip install {chosen}.")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from turtlenet import hdf5

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
