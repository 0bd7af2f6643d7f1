"""How a command ends: the one table of exit codes."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the command line returns to its caller; a number keeps its meaning from version to version.

    >>> print(ExitCode.GATE_FAILED.value, ExitCode.GATE_FAILED.meaning)
    1 A gate did not hold: a robust accuracy is below --fail-under.
    """

    meaning: str

    def __new__(cls, value: int, meaning: str) -> "ExitCode":
        """A number with its meaning."""
        made = int.__new__(cls, value)
        made._value_ = value
        made.meaning = meaning
        return made

    OK = 0, "Done; with a gate, it held."
    GATE_FAILED = 1, "A gate did not hold: a robust accuracy is below --fail-under."
    BAD_INPUT = 2, "Something that was given does not fit; one line on stderr says what was expected and what came."
    FAULT = 70, "A fault of turtlenet itself; a traceback on stderr."
    INTERRUPTED = 130, "Interrupted from the keyboard (SIGINT)."
