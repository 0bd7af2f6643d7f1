"""A fit in parts of a batch: as many as devices share evenly, and more of them where memory runs out."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from turtlenet import backend
from turtlenet.data import Examples
from turtlenet.errors import SettingError
from turtlenet.training.data.stream import Stream
from turtlenet.training.run.callbacks import Best
from turtlenet.training.run.resume import ResumableRun


def fit_in_parts(
    run: ResumableRun,
    stream: Stream,
    validation: Examples | None,
    watchers: Callable[[], list[keras.callbacks.Callback]],
    callbacks: Sequence[keras.callbacks.Callback],
    *,
    automatic: bool,
    **how: Any,
) -> int:
    """Fits a run; where memory runs out, `automatic` begins it anew with twice as many parts of a batch.

    Args:
        run: The run.
        stream: Its batches.
        validation: Held-out examples; None for none.
        watchers: Makes the run's own callbacks, anew for each fit.
        callbacks: Those of the user.
        automatic: Whether more parts are tried.
        **how: Further arguments of `ResumableRun.fit`.

    Returns:
        Steps that are done.

    Raises:
        SettingError: Memory ran out, and no more parts may be tried.
    """
    trainer = run.trainer
    begun = _Begun(trainer, run.best, run.notes) if automatic else None
    while True:
        parts = trainer.accumulate
        try:
            return run.fit(stream, validation, watchers(), callbacks, parts=parts, **how)
        except Exception as error:
            if not backend.out_of_memory(error):
                raise
            parts = _more_parts(stream.batch_size, parts, automatic)
        if begun is not None:
            begun.again(trainer, run.best, run.notes, parts)


class _Begun:
    """A run as it began, to begin it anew with smaller parts of a batch."""

    def __init__(self, trainer: Any, best: Best, notes: dict[str, Any]):
        self.variables = trainer.everything()
        self.values = [keras.ops.convert_to_numpy(variable) for variable in self.variables]
        self.weights, self.notes = best.weights, dict(notes)

    def again(self, trainer: Any, best: Best, notes: dict[str, Any], parts: int) -> None:
        """Puts everything back, and compiles for so many parts."""
        for variable, value in zip(self.variables, self.values, strict=True):
            variable.assign(value)
        best.weights = self.weights
        notes.clear()
        notes.update(self.notes)
        trainer.accumulate = parts
        trainer.train_function = trainer.test_function = None


def check_shares(batch_size: int, parts: int) -> None:
    """Refuses a batch that devices and parts do not share evenly.

    Raises:
        SettingError: Such a batch size.
    """
    shares = backend.shares()
    if batch_size % (shares * parts):
        how = f"{shares} devices share evenly" if shares > 1 else f"can be worked on in {parts} parts"
        both = f" in {parts} parts" if shares > 1 and parts > 1 else ""
        raise SettingError(f"Expected a batch size that {how}{both}; got {batch_size}.")


def _more_parts(batch_size: int, parts: int, automatic: bool) -> int:
    """Twice as many parts after memory ran out."""
    if not automatic:
        raise SettingError(
            f"Expected memory for a training batch of {batch_size} in {parts} parts; got none left: raise "
            "--accumulate, or let --batch-size be auto."
        ) from None
    if batch_size % (2 * parts * backend.shares()):
        raise SettingError(
            f"Expected memory for a part of {batch_size // parts} in training; got none left, and {batch_size} "
            "cannot be halved further."
        ) from None
    return 2 * parts
