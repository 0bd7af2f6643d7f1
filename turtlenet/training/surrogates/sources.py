"""The fixed classifiers that an objective needs, trained first where none is given."""

from collections.abc import Callable, Sequence
from pathlib import Path

from turtlenet import models
from turtlenet.classifier import Classifier
from turtlenet.errors import ModelError, SettingError
from turtlenet.training.data.augmentation import Augmentation
from turtlenet.training.objective.base import Objective, objectives
from turtlenet.training.run.hardening import Schedule, harden
from turtlenet.training.run.lesson import Lesson
from turtlenet.training.surrogates.reinitialized import twin


def trained_sources(
    victim: Classifier,
    objective: Objective,
    schedule: Schedule,
    lesson: Lesson,
    *,
    head: str = "auto",
    precision: str | None = None,
    augment: Sequence[Augmentation] = (),
    accumulate: int = 1,
    checkpoint: Path | None = None,
    resume: bool = False,
    tell: Callable[[str], None] = print,
) -> list[Classifier]:
    """Trains the sources of an objective: the victim's network with fresh weights, each on one of `own_sources`.

    They learn what the run learns, for as long and with the same augmentation, without wrappers or validation: the
    last weights count. Layers that a secret key chooses are left out.

    Args:
        victim: The classifier that the run will train; its weights are not used.
        objective: Of the run.
        schedule: Of the run.
        lesson: Of the run.
        head: What the network's outputs are; see `models.classifier`.
        precision: What layers compute in; as the victim's file says by default.
        augment: Changes of each training batch.
        accumulate: Parts that a batch is worked on in.
        checkpoint: Where the run's state lies; theirs lie beside it, see `source_states`.
        resume: Whether to continue from there.
        tell: Is given a line for each.

    Raises:
        SettingError: The objective cannot work, or the network cannot be built anew.
    """
    wanted = objective.own_sources()
    # What does not fit is said before the first of them is trained.
    objective.check(victim, [victim] * len(wanted))
    name = objectives.name_of(type(objective))
    states = source_states(checkpoint, objective)
    found = []
    for number, own in enumerate(wanted):
        try:
            network = twin(victim.model, 1000 * schedule.seed + number + 1, None)
        except ModelError as error:
            raise SettingError(
                f"Expected --source for objective {name} on a network as this; got none: {error}"
            ) from None
        models.compute_in(network, precision)
        source = models.classifier(network, bounds=victim.bounds, head=head)
        how = objectives.name_of(type(own))
        tell(f"source {number + 1} of {len(wanted)} for objective {name}: trained first, on {how}")
        harden(
            source,
            lesson.examples,
            own,
            schedule,
            own_optimizer=getattr(network, "optimizer", None),
            checkpoint=states[number] if states else None,
            resume=resume,
            identity={**lesson.identity, "source": number},
            accumulate=accumulate,
            augment=augment,
            extra=lesson.extra,
            tell=tell,
        )
        found.append(source)
    return found


def source_states(checkpoint: Path | None, objective: Objective) -> list[Path]:
    """Where the states of those runs lie, beside that of the run; none without it."""
    if checkpoint is None:
        return []
    return [checkpoint.with_name(f"{checkpoint.name}.source-{n + 1}") for n in range(len(objective.own_sources()))]
