"""What is wrong with data, bounds and radius, in lines that are told before hours are spent."""

from turtlenet import backend
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.data.fit.doubts import find_misfits
from turtlenet.data.fit.fit import fit_of


def misfits(model: Classifier, examples: Examples, ball: Ball) -> list[str]:
    """A line for each reason to doubt that the data, the bounds and the radius belong to a model.

    The first examples are classified, at most 256, and nothing is attacked. Nothing is said in a cluster.

    Args:
        model: The classifier, as it is before any training.
        examples: What it is to be trained on, or attacked with.
        ball: The threat.

    Raises:
        DataError: Pixels that cannot be read, are not finite, or lie outside the bounds.
    """
    if not len(examples) or backend.process()[1] > 1:
        return []
    return [f"! {doubt.finding} -> {doubt.advice}" for doubt in find_misfits(fit_of(model, examples, ball))]
