"""Checks a function's arguments against its annotations before it is called."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from turtlenet.arguments import READ_ELSEWHERE, P, R, fitted, hints_of
from turtlenet.errors import SettingError, did_you_mean

__all__ = ["checked"]

_ALIASES: dict[str, tuple[str, ...]] = {
    "attack": ("attacks", "spec"),
    "custom": ("custom_objects",),
    "dataset": ("data",),
    "defence": ("defences",),
    "defense": ("defences",),
    "epsilon": ("eps",),
    "epsilons": ("eps",),
    "lr": ("learning_rate",),
    "x": ("data",),
    "y": ("data",),
}
"""Names that sister functions, the command line and other libraries have for a setting."""


def checked(*, within_graphs: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates a public function so that each argument is of the type that its annotation states.

    Args:
        within_graphs: Whether the function may be called while a framework traces the caller's function.

    Raises:
        TurtlenetError: An argument of another type, an unknown one, or one that is lacking; a call within
            `tf.function` or `jax.jit`.
    """

    def around(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: P.args, **settings: P.kwargs) -> R:
            bound = _bound(signature, f"turtlenet.{function.__name__}", args, settings)
            if not within_graphs and _in_graph(bound.arguments.values()):
                raise SettingError(
                    f"Expected turtlenet.{function.__name__} outside of tf.function and jax.jit, as it compiles by "
                    "itself; got a call inside one."
                )
            hints = hints_of(function)
            for name, value in bound.arguments.items():
                hint = hints.get(name, Any)
                kind = signature.parameters[name].kind
                if name in READ_ELSEWHERE or kind is inspect.Parameter.VAR_KEYWORD:
                    continue
                if kind is inspect.Parameter.VAR_POSITIONAL:
                    bound.arguments[name] = tuple(fitted(each, hint, name) for each in value)
                elif not (name == "eps" and isinstance(value, str)):
                    bound.arguments[name] = fitted(value, hint, name)
            return function(*bound.args, **bound.kwargs)

        return call

    return around


def _in_graph(values: Iterable[Any]) -> bool:
    """Whether a framework traces the caller's function; none does that was not imported."""
    if "keras" not in sys.modules:
        return False
    from turtlenet import backend

    return backend.in_graph(values)


def _bound(signature: inspect.Signature, function: str, args: Any, settings: Mapping[str, Any]) -> Any:
    """The arguments by their names, or one line on what is wrong with them."""
    parameters = signature.parameters
    open_ended = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    for name in settings if not open_ended else ():
        meant = (
            name if name in parameters else next((each for each in _ALIASES.get(name, ()) if each in parameters), "")
        )
        if meant and parameters[meant].kind is inspect.Parameter.VAR_POSITIONAL:
            raise SettingError(
                f"Expected {meant} of {function} without a name, one after the other; got them as {name!r}."
            )
        if name not in parameters:
            near = f" Did you mean {meant!r}?" if meant else did_you_mean(name, parameters)
            raise SettingError(f"Unknown setting {name!r} of {function}.{near}")
    try:
        return signature.bind(*args, **settings)
    except TypeError:
        raise SettingError(_misfit(signature, function, args, settings)) from None


def _misfit(signature: inspect.Signature, function: str, args: Any, settings: Mapping[str, Any]) -> str:
    """What is wrong with arguments whose names are known: too many, one given twice, or one that is lacking."""
    places = [each for each in signature.parameters.values() if each.kind is each.POSITIONAL_OR_KEYWORD]
    names = [each.name for each in places]
    if len(args) > len(places):
        together = "; images and labels go together, as (x, y)" if "data" in names else ""
        given = f"{len(args)} values without one"
        return f"Expected {function}({', '.join(names)}) and all else by its name; got {given}{together}."
    twice = [name for name in names[: len(args)] if name in settings]
    if twice:
        return f"Expected {twice[0]} of {function} once; got it by its place and by its name."
    lacking = [
        each.name
        for each in signature.parameters.values()
        if each.default is each.empty
        and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        and each.name not in {*names[: len(args)], *settings}
    ]
    return f"Expected {lacking[0]} for {function}; got none."
