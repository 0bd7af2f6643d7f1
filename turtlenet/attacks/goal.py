"""What an attack is after: away from the true label, or towards a target."""

from typing import Any

from keras import ops

from turtlenet import losses, random
from turtlenet.errors import SettingError, SpecError, did_you_mean

__all__ = ["TARGETS", "Goal", "Verdict", "check_target", "choose_target"]

TARGETS = ("least_likely", "next", "random", "runner_up")


class Verdict:
    """How far an attack got with each example: whether its goal is reached, and the loss."""

    def __init__(self, reached: Any, loss: Any):
        self.reached = reached
        self.loss = loss

    def better_than(self, other: "Verdict") -> Any:
        """Booleans (batch,): the goal first, the loss second; a NaN is never better."""
        first = ops.logical_and(self.reached, ops.logical_not(other.reached))
        same = ops.equal(self.reached, other.reached)
        return ops.logical_or(first, ops.logical_and(same, self.loss > other.loss))


class Goal:
    """Labels, and targets if the attack has any.

    Args:
        y: True labels, int32 of shape (batch,).
        target: Classes that the model shall answer, int32 of shape (batch,), or None for any wrong answer.
    """

    def __init__(self, y: Any, target: Any = None):
        self.y = y
        self.target = target

    def loss(self, name: str, logits: Any) -> Any:
        """The per-example loss to climb, of shape (batch,)."""
        loss = losses.get(name)
        if self.target is None:
            return loss.untargeted(self.y, logits)
        return loss.targeted(self.y, self.target, logits)

    def reached(self, logits: Any) -> Any:
        """Booleans (batch,): whether the model answers as the attacker wants."""
        answer = ops.cast(ops.argmax(logits, axis=-1), "int32")
        return answer != self.y if self.target is None else answer == self.target

    def judge(self, name: str, logits: Any) -> Verdict:
        """The verdict on a batch of logits."""
        return Verdict(self.reached(logits), self.loss(name, logits))


def check_target(policy: str) -> None:
    """Refuses a target that is neither a policy nor a class number.

    Raises:
        SpecError: Neither of them.
    """
    if policy not in ("", "none", *TARGETS) and not policy.isdigit():
        raise SpecError(
            f"Expected a class number or a way to choose the target; got {policy!r}.{did_you_mean(policy, TARGETS)}"
        )


def choose_target(policy: str, y: Any, logits: Any, key: Any) -> Any:
    """Chooses targets by a policy's name or a class number.

    Args:
        policy: `least_likely`, `runner_up`, `next`, `random`, or a class number. An example of that very class gets
            the next class instead: an attack towards the true label attacks nothing.
        y: True labels (batch,).
        logits: Logits of the unattacked input (batch, classes).
        key: The examples' keys (batch, 2).

    Raises:
        SettingError: The class number is not below the number of classes.
    """
    count = logits.shape[-1]
    if policy.isdigit():
        if int(policy) >= count:
            raise SettingError(f"Expected a target class from 0 to {count - 1}; got {policy}.")
        wanted = ops.full_like(y, int(policy))
        return ops.where(wanted == y, ops.mod(y + 1, count), wanted)
    if policy == "next":
        return ops.mod(y + 1, count)
    if policy == "random":
        shift = 1 + ops.cast(ops.floor(random.uniform(key, ()) * (count - 1)), "int32")
        return ops.mod(y + shift, count)
    label = ops.one_hot(y, count, dtype="float32")
    if policy == "least_likely":
        return ops.cast(ops.argmin(logits + 1e30 * label, axis=-1), "int32")
    return ops.cast(ops.argmax(logits - 1e30 * label, axis=-1), "int32")
