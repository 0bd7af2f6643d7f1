"""A fit in micro-batches: as many as devices share evenly, and more of them where memory runs out."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from turtlenet import backend
from turtlenet.data import Examples
from turtlenet.errors import SettingError
from turtlenet.training.data.stream import Stream
from turtlenet.training.run.callbacks import Best
from turtlenet.training.run.resume import ResumableRun


def fit_in_micro_batches(
    run: ResumableRun,
    stream: Stream,
    validation: Examples | None,
    watchers: Callable[[], list[keras.callbacks.Callback]],
    callbacks: Sequence[keras.callbacks.Callback],
    *,
    automatic: bool,
    **how: Any,
) -> int:
    """Fits a run; where memory runs out, `automatic` begins it anew with twice as many micro-batches.

    Args:
        run: The run.
        stream: Its batches.
        validation: Held-out examples; None for none.
        watchers: Makes the run's own callbacks, anew for each fit.
        callbacks: Those of the user.
        automatic: Whether more micro-batches are tried.
        **how: Further arguments of `ResumableRun.fit`.

    Returns:
        Steps that are done.

    Raises:
        SettingError: Memory ran out, and no more micro-batches may be tried.
    """
    trainer = run.trainer
    begun = _Begun(trainer, run.best, run.notes) if automatic else None
    while True:
        micro_batches = trainer.accumulate
        try:
            return run.fit(stream, validation, watchers(), callbacks, micro_batches=micro_batches, **how)
        except Exception as error:
            if not backend.out_of_memory(error):
                raise
            micro_batches = _more_micro_batches(stream.batch_size, micro_batches, automatic)
        if begun is not None:
            begun.again(trainer, run.best, run.notes, micro_batches)


class _Begun:
    """A run as it began, to begin it anew with smaller micro-batches."""

    def __init__(self, trainer: Any, best: Best, notes: dict[str, Any]):
        self.variables = trainer.everything()
        self.values = [keras.ops.convert_to_numpy(variable) for variable in self.variables]
        self.weights, self.notes = best.weights, dict(notes)

    def again(self, trainer: Any, best: Best, notes: dict[str, Any], micro_batches: int) -> None:
        """Puts everything back, and compiles for so many micro-batches."""
        for variable, value in zip(self.variables, self.values, strict=True):
            variable.assign(value)
        best.weights = self.weights
        notes.clear()
        notes.update(self.notes)
        trainer.accumulate = micro_batches
        trainer.train_function = trainer.test_function = None


def check_shares(batch_size: int, micro_batches: int) -> None:
    """Refuses a batch that devices and micro-batches do not share evenly.

    Raises:
        SettingError: Such a batch size.
    """
    shares = backend.shares()
    if batch_size % (shares * micro_batches):
        how = f"{shares} devices share evenly" if shares > 1 else f"can be worked on in {micro_batches} parts"
        both = f" in {micro_batches} parts" if shares > 1 and micro_batches > 1 else ""
        raise SettingError(f"Expected a batch size that {how}{both}; got {batch_size}.")


def _more_micro_batches(batch_size: int, micro_batches: int, automatic: bool) -> int:
    """Twice as many micro-batches after memory ran out."""
    if not automatic:
        raise SettingError(
            f"Expected memory for a training batch of {batch_size} in {micro_batches} parts; got none left: raise "
            "--accumulate, or let --batch-size be auto."
        ) from None
    if batch_size % (2 * micro_batches * backend.shares()):
        raise SettingError(
            f"Expected memory for a part of {batch_size // micro_batches} in training; got none left, and "
            f"{batch_size} cannot be halved further."
        ) from None
    return 2 * micro_batches
