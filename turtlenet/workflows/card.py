"""Writes the card of a hardened model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from turtlenet import models
from turtlenet.evaluation.views.card import MARK, ModelCard
from turtlenet.files import write_whole
from turtlenet.input_kind import kind_of
from turtlenet.keras_files.save import read_provenance

NAME = "README.md"


def write_card(
    model: Path, folder: Path | None = None, report: Any = None, *, validation: Mapping[str, float] | None = None
) -> Path:
    """Writes a model card in the format of Hugging Face.

    Args:
        model: The file of the hardened model.
        folder: Where to, as `README.md`; None for `MODEL-card.md` beside the model. A `README.md` of somebody else's
            is left alone, and the card has that other name there too.
        report: A `Report` or `Comparison`, of which the last is the model's.
        validation: Accuracies on the images that chose the epoch.

    Returns:
        The file.

    Raises:
        OutputError: It cannot be written.
    """
    other = f"{model.stem}-card.md"
    path = model.with_name(other) if folder is None else folder / NAME
    if path.name == NAME and path.exists() and MARK not in path.read_text("utf-8", errors="replace"):
        path = path.with_name(other)
    text = str(card_of(model, report, validation))
    write_whole(path, lambda file: file.write(text.encode()))
    return path


def card_of(model: Path, report: Any = None, validation: Mapping[str, float] | None = None) -> ModelCard:
    """What a card says of a model's file; see `write_card`."""
    known = read_provenance(model) or {}
    found = report.reports[-1] if report is not None else None
    about = models.inspect(model)
    shape = tuple(side or 0 for side in (about.input_shape or ())[1:])
    recipe = known.get("recipe") or {}
    return ModelCard(
        file=model.name,
        sha256=about.sha256,
        parameters=about.parameters or 0,
        shape=shape,
        outputs=f"{about.num_classes} classes" if about.task is None else about.task,
        kind=kind_of(shape),
        source=known.get("source") or {},
        recipe=recipe,
        custom=bool(recipe.get("defences")),
        validation=validation or {},
        report=found,
    )
