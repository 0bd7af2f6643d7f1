"""Says what a model file is, and whether it loads safely; a file that is refused is described too."""

import dataclasses
import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import keras

from turtlenet.errors import ModelError, printable
from turtlenet.keras_files.description import Shape, input_range, input_shape, label, labels, layers
from turtlenet.keras_files.hashing import file_sha256
from turtlenet.keras_files.legacy.keras_version import KerasVersion
from turtlenet.keras_files.legacy.upgrade import Upgraded, upgrade
from turtlenet.keras_files.load import current, era_of, known, load, upgraded_from
from turtlenet.keras_files.model_description import ModelDescription, read_description
from turtlenet.keras_files.safety.contents import unread
from turtlenet.keras_files.safety.findings import findings, judge
from turtlenet.keras_files.save import read_provenance
from turtlenet.models.classifier import check_numbers
from turtlenet.models.final_activation import graph_of
from turtlenet.models.heads import Head
from turtlenet.models.output_kind import multi_label
from turtlenet.models.questions import named, questioned_model
from turtlenet.models.usage import AUTO
from turtlenet.tasks import Question


@dataclass(frozen=True)
class LayerLine:
    """One layer of a model; shape and parameters are None where only its description was read."""

    name: str
    class_name: str
    output_shape: Shape | None
    parameters: int | None


@dataclass(frozen=True)
class AppliedRule:
    """A change between eras that loading this file undoes: its name, what was different, and for which layers."""

    name: str
    reason: str
    layers: tuple[str, ...]

    def line(self) -> str:
        """In one line, the first layers named."""
        more = f", ... ({len(self.layers)})" if len(self.layers) > 3 else ""
        return f"{self.name}: {self.reason} [{', '.join(self.layers[:3])}{more}]"


@dataclass(frozen=True)
class Inspection:
    """What a model file holds.

    Attributes:
        path, sha256, format: The file; its format is `hdf5`, `keras`, `saved-model` or `weights`.
        keras_version, backend: What wrote it, where it says so.
        writer: The same in words, guessed where the file does not say.
        rules: What older Kerases meant otherwise, and where the file has it.
        doubts: What the file does not say and loading had to assume.
        provenance: Where the model comes from, if turtlenet wrote the file.
        layers, parameters: The top-level layers, and how many numbers they hold together.
        input_shape: Shape of one input with the batch in front, as (None, 28, 28, 1).
        input_range: The pixel range that a leading `Rescaling` expects, as (0.0, 255.0); None where none can be told.
        inputs, outputs: Names and shapes of several of them; empty for a model with one.
        num_classes, head: What `questioned_model` finds.
        task: What is asked, where that is another thing than one class of several; None for that.
        compiled: Whether `load` brings the compiled state back.
        optimizer, loss, metrics: Their names in the file, even where Keras cannot bring them back.
        unsafe: What in it runs code or reads files for someone who loads it without looking, and what was not looked
            at: all of that is left alone or refused here. Empty if the file holds a model and nothing else.
        elsewhere: What in it would run code for others, and does not here because the user supplied it.
        attackable, why_not: Whether attacks can climb its logits, and what is in the way.
    """

    path: str
    sha256: str
    format: str
    keras_version: str | None
    backend: str | None
    writer: str
    rules: tuple[AppliedRule, ...]
    doubts: tuple[str, ...]
    provenance: dict[str, Any] | None
    layers: tuple[LayerLine, ...]
    parameters: int | None
    input_shape: Shape | None
    input_range: tuple[float, float] | None
    inputs: dict[str, Shape]
    outputs: dict[str, Shape]
    num_classes: int | None
    head: Head | None
    task: str | None
    compiled: bool
    optimizer: str | None
    loss: str | None
    metrics: tuple[str, ...]
    unsafe: tuple[str, ...]
    elsewhere: tuple[str, ...]
    attackable: bool
    why_not: str | None

    def to_json(self) -> str:
        """All of it as JSON."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    def to_text(self) -> str:
        """A page for a person."""
        rows = [f"  {line.name:28} {line.class_name:24} {_shape(line):24} {_count(line)}" for line in self.layers]
        return "\n".join(map(printable, [*_head_lines(self), *_history(self), "layers:", *rows]))


def inspect(path: str | PathLike[str]) -> Inspection:
    """Describes a model file; one that is refused is described without running anything of it.

    Raises:
        ModelError: No model file, or a damaged one.
    """
    description = read_description(path)
    upgraded, era, refused = _upgraded(description)
    nothing = (None, None, None, f"It is refused, unexecuted: {refused[0]}.") if refused else None
    model, head, question, why_not = nothing or _attempt(path)
    training = description.training or {}
    harmful = tuple(each.phrase for each in judge(training) if each.harmful)
    elsewhere = _elsewhere(description)
    # Trusting a file runs what is in it.
    trusted = elsewhere if current().trust else ()
    unsafe = tuple(dict.fromkeys((*refused, *trusted, *harmful, *unread(description))))
    loss, metrics = label(training.get("loss")), tuple(labels(training.get("metrics")))
    if head and "several sigmoids" in head.how:
        several, _ = multi_label(head.kind, head.num_classes, loss, metrics)
        head = dataclasses.replace(head, how=f"{head.how} {several}") if several else head
    return Inspection(
        path=str(path),
        sha256=file_sha256(Path(path)),
        format=description.format,
        keras_version=description.keras_version,
        backend=description.backend,
        writer=str(era),
        rules=tuple(
            AppliedRule(name, upgraded.reasons[name], tuple(layers)) for name, layers in upgraded.applied.items()
        ),
        doubts=tuple(upgraded.doubts),
        provenance=read_provenance(path),
        layers=_layers(model, description.config),
        parameters=int(model.count_params()) if model is not None and model.built else None,
        input_shape=_input_shape(model, description.config),
        input_range=input_range(description.config),
        inputs=_several(model, "input"),
        outputs=_several(model, "output"),
        num_classes=head.num_classes if head else None,
        head=head,
        task=question.describe() if question else None,
        compiled=model is not None and bool(model.compiled),
        optimizer=label(training.get("optimizer") or training.get("optimizer_config")),
        loss=loss,
        metrics=metrics,
        unsafe=unsafe,
        elsewhere=tuple(each for each in elsewhere if each not in unsafe),
        attackable=head is not None and not why_not,
        why_not=why_not,
    )


def _upgraded(description: ModelDescription) -> tuple[Upgraded, KerasVersion, tuple[str, ...]]:
    """The description in the form of Keras 3, as far as it can be brought there; who wrote it; what would run code."""
    settings = current()
    era = era_of(description, settings)
    try:
        if description.format != "weights":
            with known(settings.custom_objects):
                upgraded, era = upgraded_from(description, settings)
                return upgraded, era, () if settings.trust else findings(upgraded.config)
    except ModelError:
        pass
    return Upgraded({}), era, ()


def _elsewhere(description: ModelDescription) -> tuple[str, ...]:
    """What would run code for someone who supplies nothing and looks at nothing."""
    try:
        config = upgrade(description.config, era_of(description, current())).config if description.config else {}
    except (ModelError, TypeError, KeyError, AttributeError, ValueError, IndexError, RecursionError):
        config = description.config
    return tuple(each.phrase for each in judge(config) if each.harmful)


def _attempt(
    path: str | PathLike[str],
) -> tuple[keras.Model | None, Head | None, Question | None, str | None]:
    """The model, its head, what it is asked, and what is in the way of an attack."""
    try:
        model = load(path)
    except ModelError as error:
        return None, None, None, str(error)
    try:
        check_numbers(model)
        return model, *questioned_model(model, usage=AUTO)[1:], None
    except ModelError as error:
        return model, None, None, str(error)


def _several(model: keras.Model | None, what: str) -> dict[str, Shape]:
    """Names and shapes of the inputs or outputs of a model that has several."""
    graph = graph_of(model) if model is not None else None
    found = graph[0 if what == "input" else 1] if graph else []
    return {named(each): tuple(each.shape) for each in found} if len(found) > 1 else {}


def _layers(model: keras.Model | None, config: dict[str, Any]) -> tuple[LayerLine, ...]:
    if model is None:
        return tuple(LayerLine(name, kind, None, None) for name, kind in layers(config))
    return tuple(
        LayerLine(each.name, type(each).__name__, _output_shape(each), _parameters(each)) for each in model.layers
    )


def _output_shape(layer: keras.layers.Layer) -> Shape | None:
    try:
        return tuple(layer.output.shape)
    except (AttributeError, ValueError):  # Several outputs, several calls, or a layer inside a subclassed model.
        return None


def _parameters(layer: keras.layers.Layer) -> int | None:
    return int(layer.count_params()) if layer.built else None


def _input_shape(model: keras.Model | None, config: dict[str, Any]) -> Shape | None:
    if _several(model, "input"):
        return None
    try:
        return tuple(model.input_shape) if model is not None else input_shape(config)
    except (AttributeError, ValueError):
        return input_shape(config)


def _head_lines(it: Inspection) -> list[str]:
    state = ", ".join(part for part in (it.optimizer, it.loss, *it.metrics) if part)
    lines = [
        f"{it.path}: {it.format}, written by {it.writer}",
        f"sha256: {it.sha256}",
        f"input: {_shapes(it.inputs) or it.input_shape or 'unknown'}, range {it.input_range or 'unknown'}",
        *([f"outputs: {_shapes(it.outputs)}"] if it.outputs else []),
        f"parameters: {'unknown' if it.parameters is None else format(it.parameters, ',')}",
        f"compiled: {'yes' if it.compiled else 'no'}"
        + (
            f" ({state})"
            if it.compiled and state
            else f" (the file names {state}, which were not read)"
            if state
            else ""
        ),
        f"safe: {_safety(it)}",
    ]
    if it.head:
        lines.append(f"head: {it.head.kind}, {it.task or f'{it.num_classes} classes'}. {it.head.how}")
    return [*lines, f"can be attacked and hardened: {'yes' if it.attackable else f'no: {it.why_not}'}"]


def _shapes(found: dict[str, Shape]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in found.items())


def _safety(it: Inspection) -> str:
    if it.unsafe:
        return f"no: {'; '.join(it.unsafe)}"
    return f"yes, with what you supplied; elsewhere no: {'; '.join(it.elsewhere)}" if it.elsewhere else "yes"


def _history(it: Inspection) -> list[str]:
    lines = [f"rule: {rule.line()}" for rule in it.rules] + [f"doubt: {each}" for each in it.doubts]
    if it.provenance:
        lines.append(f"provenance: {json.dumps(it.provenance)}")
    return lines


def _shape(line: LayerLine) -> str:
    return str(line.output_shape) if line.output_shape else "-"


def _count(line: LayerLine) -> str:
    return "-" if line.parameters is None else f"{line.parameters:,}"
