"""How an attacker takes the gradient of a defence: a word that the layers of a model hear while it is called.

adaptive   what a strong attacker does: through a smooth surrogate or straight through (BPDA, Athalye et al., 2018)
naive      what the framework gives: how the papers attacked
own        nobody attacks: training, and whoever calls the model

An attacker may also start behind a layer: while its name holds as `past`, that layer hands its input on as it is.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from turtlenet.errors import SpecError, did_you_mean

__all__ = ["GRADIENTS", "check_gradient", "current", "keys", "past", "taken"]

GRADIENTS = ("adaptive", "naive")
_OWN = "own"

_now: list[tuple[str, Any, Any]] = [(_OWN, None, None)]


def current() -> str:
    """The word that holds now."""
    return _now[-1][0]


def keys() -> Any:
    """The examples' keys (batch, 2) that random layers draw by; None where they draw as they like."""
    return _now[-1][1]


def past() -> Any:
    """The layer whose outputs the model is given in place of its inputs; None where it is given inputs."""
    return _now[-1][2]


@contextlib.contextmanager
def taken(gradient: str, keys: Any = None, past: Any = None) -> Iterator[None]:
    """Lets a word, keys, and a layer to start behind hold while a model is called, or while its graph is built."""
    _now.append((gradient, keys, past))
    try:
        yield
    finally:
        _now.pop()


def check_gradient(gradient: str) -> None:
    """Refuses a word that there is not.

    Raises:
        SpecError: Neither `adaptive` nor `naive`.
    """
    if gradient not in GRADIENTS:
        raise SpecError(f"Unknown gradient {gradient!r}.{did_you_mean(gradient, GRADIENTS)}")
