"""A model as one sees it who can only ask: answers to images, and how many were asked for."""

import numpy as np

from turtlenet.batching import check_answers, predict, softmax
from turtlenet.classifier import Classifier
from turtlenet.errors import SpecError, did_you_mean

ANSWERS = ("labels", "scores")


class Oracle:
    """Answers of a model, and their number.

    Args:
        classifier: The model.
        answers: `labels`: only which class; `scores`: probabilities.
        batch_size: Images in one compiled call.

    Attributes:
        queries: Images that were asked about so far.

    Raises:
        SpecError: Another kind of answers.
    """

    def __init__(self, classifier: Classifier, answers: str = "labels", batch_size: int | None = 256):
        if answers not in ANSWERS:
            raise SpecError(f"Unknown answers {answers!r} of an oracle.{did_you_mean(answers, ANSWERS)}")
        self.classifier = classifier
        self.answers = answers
        self.batch_size = batch_size
        self.queries = 0

    def ask(self, x: np.ndarray) -> np.ndarray:
        """Asks about images (n, ...); gives float32 (n, classes): probabilities, or 1 at the class and 0 elsewhere.

        Raises:
            ModelError: NaN among the answers, from which nobody could learn.
        """
        self.queries += len(x)
        logits = predict(self.classifier, x, self.batch_size)
        check_answers(logits)
        if self.answers == "scores":
            return softmax(logits).astype("float32")
        whole: np.ndarray = np.eye(self.classifier.num_classes, dtype="float32")[logits.argmax(axis=1)]
        return whole
