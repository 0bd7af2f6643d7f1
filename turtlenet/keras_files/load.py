"""Loads a model of any Keras, without running anything that came with it.

The steps: recognize the file, judge its description, bring it to Keras 3, build, put the weights in, check that each
of them found its place, compile.
"""

import math
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import keras
from keras.src.backend.common import global_state
from keras.src.saving.serialization_lib import SafeModeScope

from turtlenet.architectures import zoo
from turtlenet.errors import ModelError, SpecError, TurtlenetError, an
from turtlenet.files import hdf5
from turtlenet.keras_files import saved_model
from turtlenet.keras_files.architecture_text import read_architecture
from turtlenet.keras_files.build import build, finish, put, reason
from turtlenet.keras_files.compiled.stored import compile_from
from turtlenet.keras_files.custom_objects import supplied
from turtlenet.keras_files.legacy.guess_version import generation
from turtlenet.keras_files.legacy.keras_version import KerasVersion
from turtlenet.keras_files.legacy.upgrade import Upgraded, upgrade
from turtlenet.keras_files.model_description import ModelDescription, read_description
from turtlenet.keras_files.quiet import quiet
from turtlenet.keras_files.safety.findings import UnsafeEntry, findings, judge
from turtlenet.keras_files.weights import layout
from turtlenet.keras_files.weights.hdf5_arrays import Stored, attribute_list, check_room, layer_arrays
from turtlenet.keras_files.weights.match import Pair, by_name, by_order
from turtlenet.keras_files.weights.writer import MIXED, contradiction
from turtlenet.registry import check_callable, import_name


@dataclass(frozen=True)
class Loading:
    """How files are loaded that need more than themselves.

    Attributes:
        custom_objects: Classes and functions by the name in the file; a `Lambda` goes by its layer's name too.
        trust: Whether Python code in a file may run.
        architecture: Where a file holds weights only: a registered name, the path of a description in JSON or YAML, or
            `package.module:function`, which is called without arguments.
        written_by: The backend that wrote files of Keras 1 and 2 that do not name it: `theano` or `tensorflow`.
    """

    custom_objects: Mapping[str, Any] = field(default_factory=dict)
    trust: bool = False
    architecture: str | None = None
    written_by: str | None = None


_default = Loading()


def current() -> Loading:
    """How files are loaded at this point of the program."""
    return _default


@contextmanager
def loading(settings: Loading) -> Iterator[None]:
    """Loads every model within in this way, also where a path is given to `evaluate` or `train`."""
    global _default
    before, _default = _default, settings
    try:
        with hdf5.trusted() if settings.trust else nullcontext():
            yield
    finally:
        _default = before


def load(
    path: str | PathLike[str],
    *,
    compile: bool = True,
    custom_objects: Mapping[str, Any] | None = None,
    trust: bool | None = None,
    architecture: str | None = None,
) -> keras.Model:
    """Loads a model file of Keras 1, 2 or 3, known by its bytes, with its weights and its compiled state.

    Args:
        path: An HDF5 file, a `.keras` archive or a folder of what is in one, or a SavedModel's folder.
        compile: Whether to bring optimizer, loss and metrics back. A compiled state that Keras cannot read, or that
            names code of its own, is left out: the model comes back uncompiled.
        custom_objects: Classes and functions by the name in the file; a `Lambda` goes by its layer's name too.
        trust: Whether Python code in the file may run.
        architecture: For a file of weights only; see `Loading`.

    Returns:
        The model. It computes what the saved one did: where an older Keras meant something else by a name, the
        model has a layer or a function that means the same. Its optimizer continues if Keras 3 wrote the file.

    Raises:
        ModelError: No model file, a damaged one, one that this Keras cannot build, one whose weights do not fit, or
            one that would run code: a `Lambda`, or a class that is neither Keras's own nor registered. None of it has
            run then.
    """
    settings = _default
    if custom_objects is not None:
        settings = replace(settings, custom_objects={**settings.custom_objects, **custom_objects})
    if trust is not None:
        settings = replace(settings, trust=trust)
    if architecture is not None:
        settings = replace(settings, architecture=architecture)
    with hdf5.trusted() if settings.trust else nullcontext():
        return _loaded(path, compile, settings)


def _loaded(path: str | PathLike[str], compile: bool, settings: Loading) -> keras.Model:
    description = read_description(path)
    try:
        with quiet(), known(settings.custom_objects):
            if description.format == "weights":
                model = _with_architecture(description, settings)
                finish(model)
                return model
            upgraded, era = _prepared(description, settings)
            model = _built(description, upgraded, era, settings)
            if compile and description.training and (settings.trust or not findings(description.training)):
                with SafeModeScope(not settings.trust):
                    compile_from(model, description)
            return model
    except ModelError as error:
        raise ModelError(_about(description, str(error))) from None
    except TurtlenetError:
        raise
    except Exception as error:
        # A file steers Keras, h5py and zipfile, and each of them raises what it likes.
        raise ModelError(f"Expected a whole model in {description.path}; {reason(error)}.") from None


@contextmanager
def known(custom: Mapping[str, Any]) -> Iterator[None]:
    """Classes and functions under their names; a scope of Keras alone would hide those of the scope around it."""
    around = global_state.get_global_attribute("custom_objects_scope_dict", {})
    with keras.saving.custom_object_scope({**around, **custom}):
        yield


def era_of(description: ModelDescription, settings: Loading) -> KerasVersion:
    """Who wrote a file, as far as it or the user tells."""
    era = KerasVersion.of(description.keras_version, None, otherwise=_generation(description))
    return replace(era, backend=_backend(description, settings, era.major))


def _generation(description: ModelDescription) -> int:
    # Keras 2 and 3 say in a file of weights who they are.
    return 1 if description.format == "weights" else generation(description.config)


def _backend(description: ModelDescription, settings: Loading, major: int) -> str | None:
    """The backend that a file names, else the user, else the names of the weights."""
    named = description.backend or settings.written_by
    return named or (description.names if major < 3 and description.names != MIXED else None)


def _check_names(description: ModelDescription, era: KerasVersion) -> list[str]:
    """What the names of the weights say against the backend that was named.

    Raises:
        ModelError: None was named, and the names are those of two.
    """
    if era.major > 2:
        return []
    if era.backend is None and description.names == MIXED:
        raise ModelError(
            f"Expected weights of one backend in {description.path}: TensorFlow's names end in ':0', Theano's do not; "
            "got both. Pass --written-by theano or tensorflow."
        )
    against = contradiction(era.backend, description.names)
    return [against] if against else []


def upgraded_from(description: ModelDescription, settings: Loading) -> tuple[Upgraded, KerasVersion]:
    """The description in the form of Keras 3, and who wrote it.

    Raises:
        ModelError: Nothing that can be brought to Keras 3.
    """
    try:
        era = era_of(description, settings)
        doubts = _check_names(description, era)
        upgraded = upgrade(supplied(description.config, settings.custom_objects, settings.trust), era)
        upgraded.doubts += doubts
    except ModelError as error:
        raise ModelError(_about(description, str(error))) from None
    except RecursionError:
        raise ModelError(f"Expected a model that Keras can build; {description.path} nests too deep.") from None
    except (TypeError, KeyError, AttributeError, ValueError, IndexError) as error:
        # A description whose parts are of other types than any Keras ever wrote.
        raise ModelError(
            f"Expected a description that Keras wrote; that in {description.path} is not one ({reason(error)})."
        ) from None
    return upgraded, era


def _prepared(description: ModelDescription, settings: Loading) -> tuple[Upgraded, KerasVersion]:
    """A file's description as this Keras has it, judged safe, and the Keras that wrote it."""
    upgraded, era = upgraded_from(description, settings)
    if not settings.trust and (unsafe := judge(upgraded.config)):
        more = f" and {len(unsafe) - 1} more" if len(unsafe) > 1 else ""
        raise ModelError(
            f"Expected a model of known layers; {description.path} has {unsafe[0].phrase}{more}. "
            f"Nothing of it was executed{_cure(unsafe)}."
        )
    return upgraded, era


def _cure(unsafe: tuple[UnsafeEntry, ...]) -> str:
    """What makes such a file load, where anything does."""
    cures = []
    if all(each.suppliable for each in unsafe):
        cures.append("supply it with --custom [NAME=]package.module:Name (custom_objects=)")
    if all(each.trustable for each in unsafe):
        cures.append("--trust the file (trust=True)")
    return f": {', or '.join(cures)}" if cures else ""


def _about(description: ModelDescription, line: str) -> str:
    # A file may put a whole book where a name belongs.
    line = line if len(line) < 1000 else f"{line[:1000]}..."
    return line if str(description.path) in line else f"{line.rstrip('.')} ({description.path})."


def _built(description: ModelDescription, upgraded: Upgraded, era: KerasVersion, settings: Loading) -> keras.Model:
    config, custom = upgraded.config, settings.custom_objects
    if description.format == "hdf5":
        with layer_arrays(description.path) as stored:
            return build(config, custom, lambda model: by_name(model, stored, upgraded, era), trust=settings.trust)
    if description.format == "saved-model":
        arrays = saved_model.arrays(description.path)
        return build(config, custom, lambda model: by_name(model, arrays, upgraded, era), trust=settings.trust)
    with _weights_file(description) as file:
        model = build(config, custom, lambda model: _sized(model, file), trust=settings.trust)
        _load_keras_weights(model, file, upgraded, era)
    return model


def _sized(model: keras.Model, file: Path) -> list[Pair]:
    """Refuses a model that is larger than its file, before it has values."""
    wanted = sum(math.prod(variable.shape) for variable in model.weights)
    held = layout.held(file, model)
    if wanted != held:
        raise ModelError(f"Expected {wanted:,} numbers for the weights of the model; the file has {held:,}.")
    return []


def _load_keras_weights(model: keras.Model, file: Path, upgraded: Upgraded, era: KerasVersion) -> None:
    try:
        if not layout.is_foreign(file, era.major):
            model.load_weights(file)
            return
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "model.weights.h5"
            layout.rewrite(file, model, upgraded, target, old=era.major < 3)
            model.load_weights(target)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"Expected weights that fit the model; {reason(error)}.") from None


@contextmanager
def _weights_file(description: ModelDescription) -> Iterator[Path]:
    """The weights of a `.keras` archive, or of its folder, under the name that Keras wants."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.weights.h5"
        try:
            if description.path.is_dir():
                file.symlink_to((description.path / "model.weights.h5").resolve())
            else:
                with zipfile.ZipFile(description.path) as archive:
                    # What a part claims is also the most that is read of it.
                    check_room(archive.getinfo("model.weights.h5").file_size, description.path)
                    with archive.open("model.weights.h5") as source, file.open("wb") as target:
                        shutil.copyfileobj(source, target)
            hdf5.check(file, of=None if description.path.is_dir() else description.path)
            if not h5py.is_hdf5(file):
                raise ModelError(f"Expected whole weights in {description.path}; they are damaged.")
            yield file
        except ModelError:
            raise
        except Exception as error:  # Whatever zipfile and its decompressors make of damaged bytes.
            raise ModelError(f"Expected whole weights in {description.path}; {reason(error)}.") from None


def _with_architecture(description: ModelDescription, settings: Loading) -> keras.Model:
    """A model whose file holds weights only."""
    if settings.architecture is None:
        raise ModelError(
            f"Expected a whole model, as `model.save` writes it; {description.path} holds weights only"
            f"{_for_layers(description.path)}: pass --architecture (architecture=)."
        )
    era = era_of(description, settings)
    _check_names(description, era)
    with hdf5.opened(description.path) as file:
        old = "layer_names" in file.attrs
    if old:
        with layer_arrays(description.path) as stored:
            return _architecture(
                description, settings, lambda model, upgraded: _of_layers(model, stored, upgraded, era)
            )
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "model.weights.h5"
        link.symlink_to(description.path.resolve())
        described = Upgraded({})

        def sized(model: keras.Model, upgraded: Upgraded) -> list[Pair]:
            nonlocal described
            described = upgraded
            return _sized(model, link)

        model = _architecture(description, settings, sized)
        _load_keras_weights(model, link, described, era)
    return model


def _of_layers(model: keras.Model, stored: Stored, upgraded: Upgraded, era: KerasVersion) -> list[Pair]:
    named = set(stored) == {layer.name for layer in model.layers if layer.weights}
    return (by_name if named else by_order)(model, stored, upgraded, era)


def _for_layers(path: Path) -> str:
    with hdf5.opened(path) as file:
        names = attribute_list(file, "layer_names") or sorted(file.get("layers", {}))
    return f", for the layers {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}" if names else ""


def _architecture(
    weights: ModelDescription, settings: Loading, pair: Callable[[keras.Model, Upgraded], list[Pair]]
) -> keras.Model:
    """The model that a file of weights is for, with the weights that `pair` finds for it."""
    name = str(settings.architecture)
    if name in zoo.architectures.names():
        model = zoo.build(name)
    elif ":" in name and not Path(name).exists():
        model = _made(name)
    else:
        described = _described(name)
        # Keras 1 says it nowhere but in the weights.
        described = replace(described, backend=described.backend or weights.backend, names=weights.names)
        upgraded, _ = _prepared(described, settings)
        custom, trust = settings.custom_objects, settings.trust
        return build(upgraded.config, custom, lambda model: pair(model, upgraded), trust=trust)
    put(pair(model, Upgraded({})))
    return model


def _made(name: str) -> keras.Model:
    """What the user's own function makes, or a model of the user's."""
    given = import_name(name)
    if not isinstance(given, keras.Model):
        check_callable(given, name)
    try:
        model = given if isinstance(given, keras.Model) else given()
    except (Exception, SystemExit) as error:
        raise SpecError(f"Expected {name} to give a Keras model; {reason(error)}.") from None
    if not isinstance(model, keras.Model):
        raise SpecError(f"Expected {name} to give a Keras model; got {an(type(model).__name__)}.")
    return model


def _described(name: str) -> ModelDescription:
    """The architecture in a JSON or YAML file."""
    if not Path(name).is_file():
        raise SpecError(
            f"Expected a registered architecture ({', '.join(zoo.architectures.names())}), a JSON or YAML file or "
            f"package.module:function; got {name!r}."
        )
    config = read_architecture(Path(name))
    version, backend = (
        each if isinstance(each, str) else None for each in map(config.get, ("keras_version", "backend"))
    )
    return ModelDescription(Path(name), "json", version, backend, config, None)
