"""A hardening run: its loop and its state, its recipe, and what it costs."""

from turtlenet.training.run.hardening import Run, Schedule, harden

__all__ = ["Run", "Schedule", "harden"]
