"""The logits model and the question of a model of any shape: several inputs or outputs, open sides, other tasks."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
from keras import ops

from turtlenet.errors import ModelError, SettingError, did_you_mean
from turtlenet.models.final_activation import activation_of, graph_of
from turtlenet.models.heads import Head, ends_of, logits_model, read_as_indices, scores_of
from turtlenet.models.output_kind import compiled_for_several_labels
from turtlenet.models.usage import Usage
from turtlenet.tasks import Classification, ModelInput, MultiLabel, Question, Regression, Task, tasks
from turtlenet.tasks.question import split
from turtlenet.typing import Shape


def questioned_model(
    model: keras.Model, head: str = "auto", usage: Usage | None = None
) -> tuple[keras.Model, Head, Question | None]:
    """The logits model of any model, and what it is asked.

    Args:
        model: A built model.
        head: What the outputs are: `softmax`, `sigmoid`, `logits`, or `auto` to find out.
        usage: What was said of the model; None for one class of several and one input.

    Returns:
        A functional model that shares every variable with the one given; how it ends; and the question. Where that is
        None, the model maps its one input to float32 logits (batch, classes). Else it maps the attacked input, or the
        list of it and of the held ones, flat, to float32 outputs (batch, units): logits, or numbers of a regression.

    Raises:
        ModelError: A model that cannot be asked so.
        SettingError, SpecError: A usage that does not fit the model.
    """
    if usage is None:
        return *logits_model(model, head), None
    sides = usage.sides
    inputs, outputs, names = _ends(model)
    number = _chosen_output(model, usage.output, names)
    plain = len(inputs) == len(outputs) == 1 and _fixed(inputs[0]) and not usage.names
    if plain and sides:
        raise SettingError(
            f"Expected a size for a model that leaves sides open; {model.name!r} takes {_shown(inputs)}."
        )
    task = tasks.build(_told_task(model, outputs[number], names[number]) if usage.task == "auto" else usage.task)
    if plain and isinstance(task, Classification):
        return *logits_model(model, head), None
    given = _inputs(model, inputs, sides)
    moving, held = _parted(model, inputs, given, usage.names)
    scores, found = _scores(model, inputs, outputs[number], names[number], head, task)
    units = int(scores.shape[-1])
    task.check(units)
    several = len(outputs) > 1
    question = Question(
        task, units, moving, held, names[number] if several else "", names, tuple(each.name for each in given)
    )
    lone = len(moving) == 1 and not held
    built = keras.Model(inputs, scores, name=f"{model.name}_logits")
    if not (lone and _fixed(inputs[0])):
        built = _flat(built, given, question)
    if lone and isinstance(task, Classification):
        return built, found, None
    return built, found, question


def named(tensor: Any) -> str:
    """The name of a symbolic input or output: that of the layer that gives it."""
    name: str = tensor._keras_history.operation.name
    return name


def _ends(model: keras.Model) -> tuple[list[Any], list[Any], tuple[str, ...]]:
    """Symbolic inputs and outputs, and the names of the latter."""
    graph = graph_of(model)
    if graph is None:
        source, output = ends_of(model)
        return [source], [output], ("output",)
    given, struct = graph[1], getattr(model, "_outputs_struct", None)
    of_layers = list(map(named, given))
    if isinstance(struct, dict):
        keys = {id(tensor): key for key, tensor in struct.items()}
        return *graph, tuple(keys.get(id(tensor), name) for tensor, name in zip(given, of_layers, strict=True))
    return *graph, tuple(of_layers)


def _chosen_output(model: keras.Model, wanted: str | None, names: Sequence[str]) -> int:
    if wanted is None:
        if len(names) > 1:
            raise ModelError(
                f"Expected a model with one output; {model.name!r} has {len(names)}: choose one with --output: "
                f"{', '.join(names)}."
            )
        return 0
    if wanted not in names:
        raise SettingError(
            f"Expected an output of {model.name!r}: {', '.join(names)}; got {wanted!r}.{did_you_mean(wanted, names)}"
        )
    return list(names).index(wanted)


def _told_task(model: keras.Model, output: Any, name: str) -> str:
    """What the model was compiled for, as far as its loss and metrics tell."""
    several = len(output.shape) == 2 and compiled_for_several_labels(
        model, activation_of(output), int(output.shape[-1] or 1), name
    )
    return "multi-label" if several else "classification"


def _fixed(source: Any) -> bool:
    return None not in source.shape[1:]


def _shown(inputs: Sequence[Any]) -> str:
    return " and ".join(str(tuple(source.shape[1:])) for source in inputs)


def _inputs(model: keras.Model, inputs: Sequence[Any], sides: tuple[int, ...]) -> list[ModelInput]:
    """Every input with its name, and with the sides that were left open filled in."""
    struct = getattr(model, "_inputs_struct", None)
    keys = {id(tensor): key for key, tensor in struct.items()} if isinstance(struct, dict) else {}
    opened = sum(side is None for source in inputs for side in source.shape[1:])
    if opened and not sides:
        example = "x".join(["64"] * opened)
        raise ModelError(
            f"Expected a size for {model.name!r}, which leaves sides of its input open ({_shown(inputs)}): pass "
            f"--size {example}."
        )
    rest = list(sides * opened if len(sides) == 1 else sides)
    if len(rest) != opened:
        raise SettingError(
            f"Expected a size with as many sides as {model.name!r} leaves open, {opened} of {_shown(inputs)}; got "
            f"{'x'.join(map(str, sides))}."
        )
    found = []
    for source in inputs:
        shape: Shape = tuple(rest.pop(0) if side is None else int(side) for side in source.shape[1:])
        name = keys.get(id(source), named(source))
        found.append(ModelInput(name, shape, str(source.dtype)))
    return found


def _parted(
    model: keras.Model, sources: Sequence[Any], inputs: Sequence[ModelInput], wanted: Sequence[str]
) -> tuple[tuple[ModelInput, ...], tuple[ModelInput, ...]]:
    """The inputs that an attack may change, and those that are held.

    Raises:
        ModelError: None is continuous.
        SettingError: A name that there is not, or of an input of whole numbers, which no gradient changes.
    """
    names = [each.name for each in inputs]
    whole = {
        each.name
        for each, source in zip(inputs, sources, strict=True)
        if not each.dtype.startswith(("float", "bfloat")) or read_as_indices(model, [source])
    }
    for name in wanted:
        if name not in names:
            raise SettingError(
                f"Expected inputs of {model.name!r}: {', '.join(names)}; got {name!r}.{did_you_mean(name, names)}"
            )
        if name in whole:
            raise SettingError(
                f"Expected continuous inputs to attack; got {name!r}, which {model.name!r} takes as whole numbers: "
                "no gradient changes those, so they are held."
            )
    moving = tuple(each for each in inputs if each.name not in whole and (not wanted or each.name in wanted))
    if not moving:
        raise ModelError(
            f"Expected a model of continuous inputs, such as pixels or lengths; {model.name!r} takes whole numbers."
        )
    return moving, tuple(each for each in inputs if each not in moving)


def _scores(
    model: keras.Model, inputs: Sequence[Any], output: Any, name: str, head: str, task: Task
) -> tuple[Any, Head]:
    """The outputs that a task is asked about, float32 (batch, units), and how the model ends."""
    if isinstance(task, Regression):
        if len(output.shape) != 2 or output.shape[-1] is None:
            raise ModelError(f"Expected a regression of outputs (batch, values); got {tuple(output.shape)}.")
        units = int(output.shape[-1])
        how = f"The outputs are numbers, as told: {task.describe(units)}."
        return ops.cast(output, "float32"), Head("linear", how, task.num_classes(units))
    scores, found = scores_of(model, output, head, output_name=name)
    if not isinstance(task, MultiLabel):
        return scores, found
    units = int(output.shape[-1])
    if found.kind == "softmax":
        raise ModelError(f"Expected a sigmoid for each label; {model.name!r} ends in a softmax over {units} classes.")
    # One sigmoid alone comes as two classes.
    scores = scores[:, 1:] if units == 1 else scores
    how = f"The outputs are a {found.kind if found.kind == 'sigmoid' else 'logit'} for each label: "
    return scores, Head(found.kind, how + f"{task.describe(units)}.", task.num_classes(units))


def _flat(built: keras.Model, inputs: Sequence[ModelInput], question: Question) -> keras.Model:
    """The same model of the attacked inputs as one tensor, and of the held ones as another, flat."""
    flat = keras.Input(question.input_shape, name="attacked")
    parts = dict(_named(flat, question.moving)) if len(question.moving) > 1 else {question.moving[0].name: flat}
    sources = [flat]
    if question.held:
        sources.append(keras.Input((sum(each.size for each in question.held),), name="held"))
        parts.update(_named(sources[1], question.held))
    given = [parts[each.name] for each in inputs]
    scores = built(given if len(given) > 1 else given[0])
    return keras.Model(sources if question.held else flat, scores, name=built.name)


def _named(flat: Any, inputs: Sequence[ModelInput]) -> Iterable[tuple[str, Any]]:
    return zip((each.name for each in inputs), split(flat, inputs), strict=True)
