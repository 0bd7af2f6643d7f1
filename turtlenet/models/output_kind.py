"""Decides what a model's outputs are, from its last activation, its loss and what the user says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from turtlenet.errors import ModelError
from turtlenet.keras_files import description

_REGRESSION = {"mse", "mae", "mape", "msle", "huber", "logcosh", "poisson", "tweedie"}


@dataclass(frozen=True)
class OutputKind:
    """What the outputs are (`softmax`, `sigmoid`, `logits`), whether an activation is to be cut off, and why."""

    kind: str
    cut: bool
    how: str


def judge(model: keras.Model, ending: str, units: int, head: str, output: str = "") -> OutputKind:
    """Decides.

    Args:
        model: The model, for its name and its compiled loss.
        ending: `softmax`, `sigmoid`, `linear`, `relu` or `unseen`.
        units: Width of the output.
        head: `softmax`, `sigmoid`, `logits`, or `auto`.
        output: Name of the output, of a model with several.

    Raises:
        ModelError: A regression model, an ending that cannot be told, or a head that contradicts the ending.
    """
    seen = {"linear": "logits", "relu": "logits"}.get(ending, ending)
    if head not in ("auto", seen) and seen != "unseen":
        raise ModelError(
            f"Expected head={seen!r} for {model.name!r}, which ends in {_ENDINGS[seen]}; got head={head!r}."
        )
    if "softmax" in (seen, head) and units == 1:
        raise ModelError(f"Expected two classes or more; the softmax of {model.name!r} has one, so it always says 1.")
    if seen in ("softmax", "sigmoid"):
        return OutputKind(seen, True, _cut(seen, units))
    if head != "auto":
        return OutputKind(head, False, _told(head))
    found = _from_loss(model, seen, units, output)
    return OutputKind(found.kind, found.cut, f"{found.how} {_RELU}") if ending == "relu" else found


def _from_loss(model: keras.Model, seen: str, units: int, output: str) -> OutputKind:
    """Tells logits from a regression, and what cannot be seen, by the compiled loss."""
    name, from_logits = _loss(model, output)
    if from_logits:
        return OutputKind(
            "logits", False, f"The outputs are logits: the model was compiled with {name}(from_logits=True)."
        )
    if seen == "logits" and _is_regression(name):
        raise ModelError(
            f"Expected a classifier; {model.name!r} is a regression model (linear output, loss {name}): pass "
            "--task regression:tolerance=T, with the deviation that is tolerated in units of the output."
        )
    if seen == "logits" and units == 1:
        raise ModelError(
            f"Expected a classifier; {model.name!r} looks like a regression model (one linear output): "
            "pass head='logits' if it decides between two classes, or --task regression:tolerance=T."
        )
    if seen == "logits":
        return OutputKind("logits", False, "The outputs are taken as logits: nothing squashes the last layer.")
    raise ModelError(
        f"Expected a model whose last activation can be told; that of {model.name!r} cannot: "
        "pass head='softmax', 'sigmoid' or 'logits'."
    )


def _loss(model: keras.Model, output: str = "") -> tuple[str, bool]:
    """The name of the compiled loss of an output, empty if there is none, and whether it takes logits."""
    loss: Any = getattr(model, "loss", None) if getattr(model, "compiled", False) else None
    names = list(getattr(model, "output_names", ()))
    if isinstance(loss, dict) and len(names) > 1:
        loss = loss.get(output)
    elif isinstance(loss, (list, tuple)) and len(names) == len(loss) > 1:
        loss = loss[names.index(output)] if output in names else None
    while isinstance(loss, (list, tuple, dict)) and len(loss) == 1:
        loss = next(iter(loss.values())) if isinstance(loss, dict) else loss[0]
    if isinstance(loss, keras.losses.Loss):
        return type(loss).__name__, bool(loss.get_config().get("from_logits", False))
    return (loss if isinstance(loss, str) else getattr(loss, "__name__", "")), False


def _is_regression(loss: str) -> bool:
    """Whether a loss measures a distance between numbers: `mse`, `MeanAbsoluteError`, `log_cosh`, ..."""
    plain = loss.lower().replace("_", "")
    return plain in _REGRESSION or plain.endswith("error")


def multi_label(kind: str, units: int, loss: str | None, metrics: Sequence[str]) -> tuple[str, bool]:
    """Whether a model of several sigmoids may answer several questions at once.

    Args:
        kind: What its outputs are.
        units: How many.
        loss, metrics: Names of what it was compiled with.

    Returns:
        What to say of it, empty for nothing, and whether it is all but certain.
    """
    if kind != "sigmoid" or units < 2 or not _plain(loss or "").startswith("binary"):
        return "", False
    counted = next((name for name in metrics if _plain(name) in _EACH), None)
    if counted is None:
        return "The loss judges each by itself: pass --task multi-label where several are true at once.", False
    return (
        f"It was compiled with {loss} and {counted}, so several of its {units} sigmoids may be true at once: pass "
        "--task multi-label, or --task classification if just one is."
    ), True


def compiled_for_several_labels(model: keras.Model, ending: str, units: int, output: str = "") -> bool:
    """Whether the loss and the metrics of a model say that several of its sigmoids may be true at once.

    Args:
        model: The model.
        ending: How its output ends; see `judge`.
        units: Width of the output.
        output: Name of the output, of a model with several.
    """
    name, from_logits = _loss(model, output)
    if not getattr(model, "compiled", False) or not name.lower().startswith("binary") or from_logits:
        return False
    try:
        metrics = list(description.labels((model.get_compile_config() or {}).get("metrics")))
    except (AttributeError, TypeError, ValueError):
        return False
    return multi_label(ending, units, name, metrics)[1]


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


_EACH = {"binaryaccuracy", "binaryiou", "hammingloss"}
_RELU = "They end in a ReLU, so an attack sees no slope at a class whose logit is 0."
_ENDINGS = {"softmax": "a softmax", "sigmoid": "a sigmoid", "logits": "no softmax or sigmoid"}


def _cut(seen: str, units: int) -> str:
    if seen == "softmax":
        return "The outputs are a softmax; the logits are what goes into it."
    if units == 1:
        return "The output is one sigmoid, so two classes: the logits are 0 and what goes into it."
    return "The outputs are several sigmoids, decided by the largest: the logits are what goes into them."


def _told(head: str) -> str:
    if head == "logits":
        return "The outputs are taken as logits, as told."
    what = "logarithms" if head == "softmax" else "log-odds"
    return (
        f"The outputs are a {head}, as told; it is out of sight, so the logits are the {what} of its float32 outputs."
    )
