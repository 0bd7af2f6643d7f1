"""What a search is given, and what it gives back."""

from typing import NamedTuple

from turtlenet import backend
from turtlenet.attacks.goal import Goal
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.typing import Keys, Tensor


class Context(NamedTuple):
    """What one attempt on a batch is about, within a graph: the arguments of `Attack.search` in one.

    Attributes:
        model: Gives logits (batch, classes), with the gradient that the attack takes.
        x: Inputs, float32 (batch, ...), within the bounds.
        goal: Labels and targets, and the losses over them.
        ball: Where the inputs may move; its radius may be a tensor.
        key: The examples' keys (batch, 2) for `turtlenet.random`, those of this attempt.
    """

    model: Classifier
    x: Tensor
    goal: Goal
    ball: Ball
    key: Keys

    def gradient(self, loss: str, point: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A loss of the goal at a point, and where it climbs.

        Args:
            loss: Its name; see `turtlenet.losses`.
            point: Inputs, float32 (batch, ...).

        Returns:
            The loss, float32 (batch,); whether the goal is reached, bool (batch,); the gradient, shaped like `point`.
        """

        def loss_and_reached(point: Tensor) -> tuple[Tensor, Tensor]:
            logits = self.model(point)
            return self.goal.loss(loss, logits), self.goal.reached(logits)

        return backend.input_gradient(loss_and_reached, point)


class SearchResult(NamedTuple):
    """What a search gives back.

    Attributes:
        x: Candidates, float32, shaped like the input; they may lie outside the ball.
        logits: Logits at them (batch, classes), if the search has them and has brought the candidates into the ball
            itself; else None.
        gradients: Input gradients computed for each example, an int32 scalar or of shape (batch,).
        queries: Forward passes without a gradient for each example, likewise.
    """

    x: Tensor
    logits: Tensor = None
    gradients: Tensor = 0
    queries: Tensor = 0


class AttackResult(NamedTuple):
    """What an attack gives back.

    Attributes:
        x: Adversarial examples, float32 (batch, ...), within the ball and the bounds.
        logits: Logits at them, float32 (batch, classes).
        reached: Whether the attack's goal is reached there, bool (batch,).
        gradients: Input gradients computed for each example, int32 (batch,).
        queries: Forward passes without a gradient for each example, int32 (batch,).
        undone: Whether the search reached the goal, and keeping the rules of the features took that away again, bool
            (batch,).
    """

    x: Tensor
    logits: Tensor
    reached: Tensor
    gradients: Tensor
    queries: Tensor
    undone: Tensor
