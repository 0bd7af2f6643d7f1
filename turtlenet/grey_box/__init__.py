"""Attackers who know everything of a model but its key: what they train, and what they craft with it."""

from turtlenet.grey_box.evaluate import evaluate_grey_box

__all__ = ["evaluate_grey_box"]
