"""Names that a user types, and what they stand for.

A spec is `name` or `package.module:Name`, and either may go on with `:key=value,key=value`. Third-party packages add
names through entry points (`turtlenet.attacks` and its sisters); an entry point is imported only when its name is
asked for, but for defences, which Keras must know by the time that it loads a model (see `turtlenet.defences`).
"""

import contextlib
import dataclasses
import importlib
import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from turtlenet.errors import SpecError, decimal_point, did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "Registry",
    "Spec",
    "check_callable",
    "enclosed",
    "import_also_from",
    "import_name",
    "parse_spec",
    "parse_value",
    "registered_names",
    "registered_only",
    "spec_of",
    "split",
    "takes",
]

# Deeper than anybody writes, and far from where Python's own stack ends.
_DEEPEST = 30
_registered: ContextVar[bool] = ContextVar("registered_names", default=False)
_folders: list[str] = []


T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Spec(NamedTuple):
    """A spec string, taken apart: a name, its settings as they read, and the words that they were written in."""

    name: str
    settings: dict[str, Any]
    words: Mapping[str, str] = MappingProxyType({})


@contextlib.contextmanager
def registered_names() -> Iterator[None]:
    """Lets specs name registered things alone while it lasts: they come out of a file, which must not import code.

    Entry points are registered: they are installed, and found by their names. The parts of combined attacks are built
    under the same rule.
    """
    token = _registered.set(True)
    try:
        yield
    finally:
        _registered.reset(token)


def registered_only() -> bool:
    """Whether specs may name registered things alone at this point of the program."""
    return _registered.get()


def parse_value(text: str) -> bool | int | float | str:
    """Reads one value: `true`, `3`, `0.1`, `8/255` or a plain word."""
    word = text.strip()
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    for read in (int, float):
        try:
            return read(word)
        except ValueError:
            pass
    above, slash, below = word.partition("/")
    if slash:
        try:
            return float(above) / float(below)
        except (ValueError, ZeroDivisionError):
            pass
    return word


def parse_spec(text: str) -> Spec:
    """Reads `name` or `name:key=value,key=value`; a value in parentheses is a text that may have commas in it.

    Raises:
        SpecError: The string is empty, a setting is not `key=value` or is given twice, or a parenthesis stands alone.

    >>> parse_spec("pgd:steps=40,step=8/256,target=next").settings
    {'steps': 40, 'step': 0.03125, 'target': 'next'}
    """
    name, colon, rest = text.strip().partition(":")
    if not name or (colon and not rest.strip()):
        raise SpecError(f"Expected `name` or `name:key=value,...`; got {text!r}.")
    settings: dict[str, Any] = {}
    words: dict[str, str] = {}
    last = ""
    for part in split(rest, ",") if rest else ():
        key, equals, value = part.partition("=")
        key = key.strip().replace("-", "_")
        if not (equals and key.isidentifier() and value.strip()):
            meant = decimal_point(f"{last},{part.strip()}")
            raise SpecError(f"Expected `key=value` in {text!r}; got {part.strip()!r}.{meant}")
        if key in settings:
            raise SpecError(f"Expected each setting once in {text!r}; {key!r} came twice.")
        last = word = value.strip()
        enclosing = word.startswith("(") and word.endswith(")")
        words[key] = word[1:-1] if enclosing else word
        settings[key] = words[key] if enclosing else parse_value(word)
    return Spec(name, settings, words)


def split(text: str, mark: str) -> list[str]:
    """Splits at each `mark` that stands outside all parentheses.

    Raises:
        SpecError: A parenthesis without its other half, or parentheses more than 30 deep.
    """
    parts, depth = [""], 0
    for letter in text:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth < 0:
            break
        if depth > _DEEPEST:
            raise SpecError(f"Expected parentheses at most {_DEEPEST} deep in a spec; got more: {text[:60]!r}...")
        if letter == mark and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    if depth:
        raise SpecError(f"Expected parentheses in pairs; got {text!r}.")
    return parts


def enclosed(value: Any) -> str:
    """A value as it stands in a spec: in parentheses where it is a text that would be taken apart or for a number."""
    text = str(value)
    if isinstance(value, str) and (set(text) & set(",;=() ") or parse_value(text) != text):
        return f"({text})"
    return text


def spec_of(name: str, made: Any) -> str:
    """The spec that builds something: its name, and the settings that are not the defaults.

    Args:
        name: What it is registered as.
        made: A dataclass whose fields are the settings.
    """
    pairs = [(field, getattr(made, field.name)) for field in dataclasses.fields(made)]
    settings = ",".join(f"{field.name}={enclosed(value)}" for field, value in pairs if value != field.default)
    return name + (f":{settings}" if settings else "")


def import_also_from(folder: str) -> None:
    """Says where import paths are looked for, too: last, and only once one is named.

    Until then nothing there takes the place of a package that is not installed.
    """
    if folder not in _folders:
        _folders.append(folder)


def import_name(path: str) -> Any:
    """Imports `package.module:Name`.

    Raises:
        SpecError: There is no such module, or no such name in it, or the name came out of a file.
    """
    if registered_only():
        raise SpecError(
            f"Expected registered names alone in a file; got {path[:80]!r}, which names code: nothing was imported."
        )
    module_name, _, attribute = path.partition(":")
    sys.path += [folder for folder in _folders if folder not in sys.path]
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # No such module, or whatever the user's own does while it is imported.
        raise SpecError(f"Expected a module to import in {path!r}; got: {error}.") from None
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise SpecError(f"Expected a name in module {module_name!r}; got {attribute!r}, which it lacks.") from None


def check_callable(found: Any, path: str) -> None:
    """Refuses, before it is called, what cannot be a function of the user's that needs no arguments.

    Raises:
        SpecError: Nothing that can be called, or a function that needs arguments or does not say which.
    """
    if not callable(found):
        raise SpecError(f"Expected a function at {path!r}; got {type(found).__name__} {str(found)[:60]!r}.")
    try:
        needed = inspect.signature(found).parameters.values()
    except (ValueError, TypeError):
        raise SpecError(f"Expected a function that needs no arguments at {path!r}; it does not say which.") from None
    open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    names = [each.name for each in needed if each.default is each.empty and each.kind not in open_ended]
    if names:
        raise SpecError(f"Expected a function that needs no arguments at {path!r}; got one of {', '.join(names)}.")


class Registry(Generic[T]):
    """A family of named things: attacks, defences, objectives, data sets or models.

    Args:
        kind: What the family is called in messages, in the singular: `attack`.
        group: The entry-point group through which other packages add names.
        base: What a class that is named by its import path must derive from, or several such; None takes any function
            that can be called without arguments.
    """

    def __init__(self, kind: str, group: str, base: type | tuple[type, ...] | None = None):
        self.kind = kind
        self.group = group
        self.base = base
        self._factories: dict[str, Callable[..., T]] = {}
        self._families: dict[str, Any] = {}

    def register(self, name: str) -> Callable[[F], F]:
        """Decorates a class or function so that `name` stands for it."""

        def add(factory: F) -> F:
            taken = self._factories.get(name)
            if taken is not None and taken is not factory:
                raise SpecError(f"Expected a new {self.kind} name; {name!r} already stands for {taken!r}.")
            self._factories[name] = factory
            return factory

        return add

    def family(self, name: str) -> Callable[[F], F]:
        """Decorates a class whose spec goes on with a name of another library: `name:METHOD:key=value,...`.

        Its class method `parsed(method, settings)` makes one.
        """

        def add(factory: F) -> F:
            self._families[name] = factory
            return factory

        return add

    def families(self) -> list[str]:
        """The names that stand before a name of another library."""
        return sorted(self._families)

    def names(self) -> list[str]:
        """The registered names and those of entry points, sorted."""
        return sorted({*self._factories, *self._entry_points()})

    def installed(self) -> list[str]:
        """The names that other packages add, sorted."""
        return sorted(self._entry_points())

    def factory(self, name: str) -> Callable[..., T]:
        """What `name` stands for.

        Raises:
            SpecError: Nothing answers to the name; the message has the nearest one.
        """
        known = self._families.get(name) or self._factories.get(name)
        if known is not None:
            return known
        entry = self._entry_points().get(name)
        if entry is not None:
            try:
                self._factories[name] = entry.load()
            except Exception as error:  # Whatever another package does while it is imported.
                raise SpecError(
                    f"Expected {self.kind} {name!r} of {entry.value} to be imported; got: {error}."
                ) from None
            return self._factories[name]
        raise SpecError(f"Unknown {self.kind} {name!r}.{did_you_mean(name, self.names())}")

    def factory_of(self, spec: str) -> Callable[..., T]:
        """What makes the thing that a spec describes, whether it is a name or an import path.

        Raises:
            SpecError: Nothing answers to it.
        """
        prefix = spec.partition(":")[0]
        return self._families[prefix] if prefix in self._families else self._resolve(spec)[1]

    def name_of(self, factory: Callable[..., T]) -> str:
        """The name under which a class was registered, or its import path."""
        for name, known in (*self._families.items(), *self._factories.items()):
            if known is factory:
                return name
        return f"{factory.__module__}:{factory.__qualname__}"

    def build(self, spec: str | Spec, defaults: Mapping[str, Any] | None = None, **fixed: Any) -> T:
        """Makes what a spec describes.

        Args:
            spec: `name` or `package.module:Name`, either of them also with `:key=value,...`, or a `Spec`.
            defaults: Settings that the spec may override; those that the factory does not know are left out.
            **fixed: Settings that are not numbers or strings, so that no spec can name them.

        Raises:
            SpecError: An unknown name or setting, a setting that is lacking, or a value of another type.
        """
        if not isinstance(spec, str | Spec):
            raise SpecError(
                f"Expected {self.kind} as a text such as `name:key=value`; got {type(spec).__name__} {spec!r}."
            )
        prefix = spec.partition(":")[0] if isinstance(spec, str) else ""
        if prefix in self._families:
            return self._of_family(prefix, str(spec))
        (name, settings, words), factory = self._resolve(spec)
        known, needed = self._settings_of(factory, name)
        for key, value in settings.items():
            if key not in known or key in fixed:
                offered = set(known) - set(fixed)
                raise SpecError(f"Unknown setting {key!r} of {self.kind} {name!r}.{did_you_mean(key, offered)}")
            # A text stays as it was written: the file `1/2` is no half, and `007` is not 7.
            value = words.get(key, value) if _is_text(known[key]) else value
            settings[key] = _fit(value, known[key], f"Setting {key!r} of {self.kind} {name!r}")
        usable = {key: value for key, value in (defaults or {}).items() if key in known}
        given = {**usable, **settings, **fixed}
        if lacking := [key for key in needed if key not in given]:
            raise SpecError(f"Expected {lacking[0]}=... for {self.kind} {name!r}, which has no default; got none.")
        return factory(**given)

    def _of_family(self, prefix: str, spec: str) -> T:
        method, colon, settings = spec.partition(":")[2].partition(":")
        if not method:
            raise SpecError(f"Expected `{prefix}:NAME` or `{prefix}:NAME:key=value,...`; got {spec!r}.")
        made: T = self._families[prefix].parsed(method, parse_spec(f"{method}{colon}{settings}").settings)
        return made

    def _resolve(self, spec: str | Spec) -> tuple[Spec, Callable[..., T]]:
        if isinstance(spec, str) and self.is_import_path(spec):
            module, name, *settings = spec.split(":", 2)
            path = f"{module}:{name}"
            said = parse_spec(":".join(["name", *settings]))
            return said._replace(name=path, settings=dict(said.settings)), self._imported(path)
        found = parse_spec(spec) if isinstance(spec, str) else spec
        return found._replace(settings=dict(found.settings)), self.factory(found.name)

    def is_import_path(self, spec: str) -> bool:
        """Whether `module:Name` or `module:Name:key=value` is meant, not a registered name with mistyped settings."""
        module, colon, rest = spec.strip().partition(":")
        return bool(colon) and rest.partition(":")[0].isidentifier() and (module not in self.names() or "." in module)

    def _imported(self, path: str) -> Callable[..., T]:
        factory = import_name(path)
        if self.base is None:
            check_callable(factory, path)
        elif not (inspect.isclass(factory) and issubclass(factory, self.base)):
            bases = self.base if isinstance(self.base, tuple) else (self.base,)
            wanted = "a class derived from " + " or ".join(base.__name__ for base in bases)
            raise SpecError(f"Expected {wanted} at {path!r}; got {type(factory).__name__} {factory!r}.")
        made: Callable[..., T] = factory
        return made

    def _entry_points(self) -> dict[str, "EntryPoint"]:
        # Slow to import, and `--help` asks for no names.
        from importlib import metadata

        return {entry.name: entry for entry in metadata.entry_points(group=self.group)}

    def _settings_of(self, factory: Callable[..., Any], name: str) -> tuple[dict[str, Any], list[str]]:
        """Names and types of the keyword arguments that a factory takes, and those that it cannot do without."""
        try:
            dataclass = dataclasses.is_dataclass(factory)
            hints = typing.get_type_hints(factory.__init__ if inspect.isclass(factory) and not dataclass else factory)
            parameters = inspect.signature(factory).parameters.values()
        except (TypeError, ValueError, NameError) as error:
            # What is written in C tells no arguments, and hints may name what is not there.
            raise SpecError(f"Expected {self.kind} {name!r} to tell its settings; got: {error}.") from None
        named = [item for item in parameters if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)]
        needed = [item.name for item in named if item.default is item.empty]
        needed += [
            item.name for item in parameters if item.kind is item.POSITIONAL_ONLY and item.default is item.empty
        ]
        return {item.name: hints.get(item.name, Any) for item in named}, needed


def takes(factory: Callable[..., Any], *names: str) -> bool:
    """Whether a factory takes keyword arguments of these names."""
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return False
    return all(name in parameters for name in names) or any(
        each.kind is each.VAR_KEYWORD for each in parameters.values()
    )


def _is_text(wanted: Any) -> bool:
    choices = typing.get_args(wanted) or (wanted,)
    return str in choices and not {bool, int, float} & set(choices)


def _fit(value: Any, wanted: Any, what: str) -> Any:
    """Brings a parsed value to the annotated type, or says what was wanted."""
    choices = typing.get_args(wanted) or (wanted,)
    if wanted is Any or type(value) in choices:
        return value
    if float in choices and type(value) is int:
        return float(value)
    if str in choices and not isinstance(value, bool):
        return str(value)
    if type(None) in choices and value == "none":
        return None
    names = " or ".join(choice.__name__ for choice in choices)
    raise SpecError(f"{what} must be {names}; got {value!r}.")
