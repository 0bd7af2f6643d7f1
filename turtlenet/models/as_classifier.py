"""From what a user gives, a model or its file, to the classifier that is attacked and trained."""

from pathlib import Path
from typing import Any, TypeAlias

import keras

from turtlenet.checked import checked
from turtlenet.classifier import Classifier
from turtlenet.errors import ModelError, SettingError, at_least
from turtlenet.files import PathType
from turtlenet.keras_files.hashing import copy, file_sha256, weights_sha256
from turtlenet.keras_files.load import load
from turtlenet.models.precision import check_precision, compute_in
from turtlenet.models.reuse import classifier_of
from turtlenet.models.usage import AUTO, Usage, usage_of
from turtlenet.models.wrap import defences_of

ModelType: TypeAlias = PathType | keras.Model | Classifier


@checked(within_graphs=True)
def as_classifier(
    model: ModelType,
    *,
    bounds: tuple[float, float] | None = None,
    head: str = "auto",
    precision: str | None = None,
    gradient: str | None = None,
    draws: int | None = None,
    task: str | None = None,
    output: str | None = None,
    attacked: str | None = None,
    size: str | None = None,
) -> Classifier:
    """The classifier of a model, or of a model's file: what attacks work on, with all that was compiled for it.

    A model in memory keeps its classifier: it is the same at the next call, unless something but weights has changed
    in the model. A file's is made anew each time: to attack it often, hold on to the classifier, which is taken
    wherever a model is.

    Args:
        model: A classifier, the path of one, or a `Classifier`.
        bounds: Smallest and largest value of a pixel; None tells them from the model.
        head: What the model's outputs are: `auto`, `softmax`, `sigmoid` or `logits`.
        precision: What the layers compute in; another than the model's own is that of a copy.
        gradient: How attackers take the gradient of defences, `adaptive` (the default) or `naive`; None keeps that of
            a `Classifier`.
        draws: How many draws of random defences an answer is the mean of, 1 by default; None keeps those of a
            `Classifier`.
        task: What the model is asked: `classification`, `multi-label`, `regression:tolerance=0.5` (see
            `turtlenet.tasks`), or `auto`, which is told from what the model was compiled with; None for single labels
            of one input, or that of a `Classifier`.
        output: Name of the output that is asked, of a model with several.
        attacked: Names of the inputs that an attack may change, of a model with several, with commas between them.
        size: The sides that a model leaves open, such as `64x64`.

    Raises:
        ModelError: No classifier of one continuous input; see `turtlenet.models.questions`.
        SettingError: Bounds, a head or a precision for a `Classifier`, which has its own.
    """
    check_precision(precision)
    if draws is not None:
        at_least(1, draws=draws)
    usage = None if (task, output, attacked, size) == (None,) * 4 else Usage(task or "auto", output, attacked, size)
    if isinstance(model, Classifier):
        _check_as_it_is(model, bounds, head, precision)
        _check_task(model, usage)
        return model.taking(gradient or "", draws=draws or 0)
    if not isinstance(model, keras.Model):
        model = load(model)
    elif precision:
        model = copy(model)
    compute_in(model, precision)
    made = classifier_of(model, bounds=bounds, head=head, usage=usage)
    return made.taking("adaptive" if gradient is None else gradient, draws=1 if draws is None else draws)


def victim_of(model: ModelType, options: Any, bounds: tuple[float, float] | None) -> Classifier:
    """A model as a workflow attacks it: random defences answer with the mean of 10 draws by default.

    Args:
        model: See `as_classifier`.
        options: The workflow's settings: `head`, `precision`, `gradient`, `draws`, and those of the task.
        bounds: Smallest and largest value of an input; None tells them from the model.

    Raises:
        ModelError, SettingError: See `as_classifier`.
    """
    return as_classifier(
        model,
        bounds=bounds,
        head=options.head,
        precision=options.precision,
        gradient=options.gradient,
        draws=10 if options.draws is None and not isinstance(model, Classifier) else options.draws,
        **vars(usage_of(options)),
    )


def in_memory(model: ModelType) -> keras.Model:
    """The Keras model that was given, with its own head, loaded where it is a file."""
    if isinstance(model, Classifier):
        return model.whole
    return model if isinstance(model, keras.Model) else load(model)


def _check_as_it_is(model: Classifier, bounds: tuple[float, float] | None, head: str, precision: str | None) -> None:
    for name, given in (("bounds", bounds), ("head", head), ("precision", precision)):
        fits = given in (None, "auto") or (name == "bounds" and tuple(given or ()) == model.bounds)
        if not fits:
            raise SettingError(
                f"Expected {name} where the Classifier is made; got {given} beside one that has its own."
            )


def _check_task(model: Classifier, usage: Usage | None) -> None:
    """Refuses a classifier of several inputs or other labels where only single labels are served, or other words."""
    if usage is None and model.question is not None:
        raise ModelError(
            f"Expected a classifier of single labels and one input here; got {model.question.describe()}."
        )
    if usage not in (None, AUTO, model.usage):
        raise SettingError(
            "Expected task, output, attacked and size where the Classifier is made; got them beside it."
        )


def name_of(model: ModelType) -> str:
    """What a model is called in a title: its file, or its own name."""
    return in_memory(model).name if isinstance(model, keras.Model | Classifier) else Path(model).name


def about_model(model: ModelType, victim: Classifier) -> dict[str, Any]:
    """What a report says of a model: its `name`, `path`, `sha256`, `parameters`, `precision` and `defences`."""
    shields = [{"defence": str(each), "adaptive": each.adaptive} for each in defences_of(victim.model)]
    common = {"parameters": int(victim.model.count_params()), "precision": victim.precision, "defences": shields}
    if isinstance(model, keras.Model | Classifier):
        whole = in_memory(model)
        return {"name": whole.name, "path": None, "sha256": weights_sha256(whole), **common}
    path = Path(model)
    digest = file_sha256(path)
    return {"name": path.stem, "path": str(model), "sha256": digest, **common}


def source_for(source: ModelType, victim: Classifier, precision: str | None = None) -> Classifier:
    """Another model to craft on, which must answer the same question."""
    if victim.question is not None:
        raise ModelError(f"Expected no other model to craft on for {victim.question.describe()}; got one.")
    other = as_classifier(source, bounds=victim.bounds, precision=precision)
    mine, theirs = ((each.input_shape, each.num_classes) for each in (victim, other))
    if mine != theirs:
        raise ModelError(
            f"Expected a source for inputs {mine[0]} and {mine[1]} classes, as the model; "
            f"got one for {theirs[0]} and {theirs[1]}."
        )
    return other
