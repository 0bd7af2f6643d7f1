"""What every run has in common: it takes up a saved state and goes on from the step where it stood."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from turtlenet import backend
from turtlenet.errors import OutputError, SettingError
from turtlenet.training.data.stream import Batches, Stream
from turtlenet.training.run.callbacks import Best, CollapseWatch
from turtlenet.training.run.checkpoint import load_state, read_notes, versions


def take_up(
    checkpoint: Path,
    trainer: Any,
    best: Best,
    notes: dict[str, Any],
    total: int,
    tell: Callable[[str], None] = print,
    watch: CollapseWatch | None = None,
) -> int:
    """Takes up a saved state, if the first of all processes has one; gives the number of steps done.

    Args:
        checkpoint: The file.
        trainer: Compiled, with its optimizer built; is given the state.
        best: Is given the best weights so far.
        notes: What tells this run from others under `identity`; is given the others.
        total: Steps of the whole run.
        tell: Is given a line where other versions wrote the state.
        watch: Is given the state to go back to after a collapse.

    Raises:
        SettingError: The state is that of a run with other settings.
        OutputError: It cannot be read, has weights that are not finite, or a step that this run does not have.
    """
    if not backend.from_first(checkpoint.exists):
        return 0
    read = read_notes(checkpoint)
    then, now, step = read.get("identity", {}), notes["identity"], read.get("step")
    other = sorted(key for key in {*then, *now} if then.get(key) != now.get(key))
    if other:
        raise SettingError(
            f"Expected the settings of the run in {checkpoint}; got other values of {', '.join(other)}: "
            "leave out --resume to start anew."
        )
    if type(step) is not int or not 0 <= step <= total:
        raise OutputError(
            f"Expected a step from 0 to {total:,} in the training state {checkpoint}; got {str(step)[:40]}: leave out "
            "--resume to start anew."
        )
    if changed := _changed(read.get("versions")):
        tell(f"{checkpoint} was written by {changed}: the run goes on, and may end with other weights")
    saved, best.weights, good = load_state(checkpoint, trainer)
    if watch is not None:
        watch.good = good
    notes.update(saved)
    notes.pop("versions", None)
    return int(notes.pop("step"))


def _changed(then: Any) -> str:
    """What wrote a state where it was something else than what reads it, in words; empty where it was the same."""
    now = versions()
    if not isinstance(then, dict):
        return "an older turtlenet, which did not note its versions"
    other = [name for name in now if then.get(name) != now[name]]
    return ", ".join(f"{name} {str(then.get(name, 'unknown'))[:20]} (now {now[name]})" for name in other)


def fit_from(
    trainer: Any,
    stream: Stream,
    done: int,
    plan: tuple[int, int],
    validation: Batches | None,
    callbacks: Sequence[Any],
) -> None:
    """Keras `fit` from the step where a run stands: what is left of its epoch first, then the others.

    Args:
        trainer: A compiled Keras model.
        stream: What to train on.
        done: Steps that are done.
        plan: Steps of an epoch, and epochs.
        validation: What to validate on after each epoch.
        callbacks: What watches; one that stops training stops it for good.
    """
    each, epochs = plan
    epoch, within = divmod(done, each)
    legs = [(epoch, epoch + 1, each - within)] if within else []
    start = epoch + 1 if within else epoch
    if start < epochs:
        legs.append((start, epochs, each))
    for first, last, steps in legs:
        trainer.fit(
            backend.pipeline(stream.at(first * each + each - steps), None),
            initial_epoch=first,
            epochs=last,
            steps_per_epoch=steps,
            shuffle=False,
            validation_data=None if validation is None else backend.pipeline(validation, len(validation)),
            callbacks=list(callbacks),
            verbose=0,
        )
        if trainer.stop_training:
            break
