"""A hardening run: its loop and its state, its recipe, and what it costs."""

from turtlenet.training.run.hardening import OPTIMIZERS, Run, Schedule, harden

__all__ = ["OPTIMIZERS", "Run", "Schedule", "harden"]
