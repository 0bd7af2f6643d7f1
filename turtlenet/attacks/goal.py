"""What an attack is after: away from the true label, or towards a target."""

from typing import NamedTuple

from keras import ops

from turtlenet import losses, random
from turtlenet.errors import SettingError, SpecError, did_you_mean
from turtlenet.typing import Keys, Labels, Tensor

TARGETS = ("least_likely", "next", "random", "runner_up")
WAYS = f"a class number, {', '.join(TARGETS)}, each, or topK for the K likeliest wrong classes, such as top9"
"""All that a target may be, beside empty or `none` for any wrong answer."""


class Verdict:
    """How far an attack got with each example.

    Args:
        reached: Whether its goal is reached, bool (batch,).
        loss: The loss, float32 (batch,); higher is better for the attack.
    """

    def __init__(self, reached: Tensor, loss: Tensor):
        self.reached = reached
        self.loss = loss

    def better_than(self, other: "Verdict") -> Tensor:
        """Booleans (batch,): the goal first, the loss second; a NaN is never better."""
        first = self.reached & ops.logical_not(other.reached | ops.isnan(self.loss))
        same = ops.equal(self.reached, other.reached)
        return ops.logical_or(first, ops.logical_and(same, self.loss > other.loss))


class Best(NamedTuple):
    """The best attempt so far at each example, and the verdict on it.

    Attributes:
        x: Where, float32 (batch, ...).
        logits: Logits there, float32 (batch, classes).
        reached: Whether the goal is reached there, bool (batch,).
        loss: The loss there, float32 (batch,).
    """

    x: Tensor
    logits: Tensor
    reached: Tensor
    loss: Tensor

    @staticmethod
    def none(x: Tensor, num_classes: int) -> "Best":
        """The inputs `x`, float32 (batch, ...), with a verdict that any attempt betters."""
        zero = ops.zeros_like(ops.reshape(x, (ops.shape(x)[0], -1))[:, :1])
        # Not zeros, which would be read as an answer where every attempt's loss is NaN.
        unknown = ops.full((1, num_classes), float("nan"))
        return Best(x, zero + unknown, zero[:, 0] > 0, zero[:, 0] - float("inf"))

    def or_better(self, x: Tensor, logits: Tensor, verdict: Verdict) -> "Best":
        """Takes another attempt where it is better.

        Args:
            x: Its candidates, shaped like `self.x`.
            logits: Logits at them (batch, classes).
            verdict: The verdict on these.
        """
        won = verdict.better_than(Verdict(self.reached, self.loss))
        return Best(
            choose(won, x, self.x),
            choose(won, logits, self.logits),
            ops.where(won, verdict.reached, self.reached),
            ops.where(won, verdict.loss, self.loss),
        )


def choose(condition: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """Chooses whole examples.

    Args:
        condition: Booleans (batch,).
        yes: What to take where they are true, (batch, ...).
        no: What to take elsewhere, of the same shape.
    """
    return ops.where(ops.reshape(condition, (-1,) + (1,) * (len(yes.shape) - 1)), yes, no)


class Goal:
    """Labels, and targets if the attack has any.

    Args:
        y: True labels, int32 of shape (batch,).
        target: Classes that the model shall answer, int32 of shape (batch,), or None for any wrong answer.
        any_wrong: Whether any wrong answer will do all the same: the target is a way, not the end.
        reference: Logits (batch, classes) that a relative loss such as `kl` moves away from; None where none is asked.
    """

    def __init__(self, y: Labels, target: Labels = None, *, any_wrong: bool = False, reference: Tensor = None):
        self.y = y
        self.target = target
        self.any_wrong = any_wrong
        self.reference = reference

    def loss(self, name: str, logits: Tensor) -> Tensor:
        """The per-example loss to climb.

        Args:
            name: Its name; see `turtlenet.losses`.
            logits: float32 (batch, classes).

        Returns:
            float32 (batch,), towards the target if there is one.

        Raises:
            SpecError: No such loss.
            SettingError: A relative loss, and no reference.
        """
        loss = losses.get(name)
        if loss.relative:
            if self.reference is None:
                raise SettingError(f"Expected reference logits in the goal for loss {name!r}; got none.")
            return loss.untargeted(self.reference, logits)
        if self.target is None or loss.targeted is None:
            return loss.untargeted(self.y, logits)
        return loss.targeted(self.y, self.target, logits)

    def reached(self, logits: Tensor) -> Tensor:
        """Booleans (batch,): whether the model answers as the attacker wants; never by logits of which one is NaN."""
        # The largest of them is what TensorFlow, JAX or PyTorch makes of it, another class on each.
        return ops.logical_and(self._answered(logits), ops.logical_not(ops.any(ops.isnan(logits), axis=-1)))

    def _answered(self, logits: Tensor) -> Tensor:
        answer = ops.cast(ops.argmax(logits, axis=-1), "int32")
        return answer != self.y if self.target is None or self.any_wrong else answer == self.target

    def judge(self, name: str, logits: Tensor) -> Verdict:
        """The verdict on logits (batch, classes), by a loss's name."""
        # Loops come here in every step: a NaN among the logits is one in the loss, which `better_than` looks at.
        return Verdict(self._answered(logits), self.loss(name, logits))


def check_target(policy: str) -> None:
    """Refuses a target that is neither a policy nor a class number.

    Raises:
        SpecError: Neither of them.
    """
    if policy not in ("", "none", *TARGETS) and not is_class(policy) and not is_sweep(policy):
        known = [*TARGETS, "each", "none"]
        near = "" if policy.startswith("top") else did_you_mean(policy, known)
        # A near miss is named; without one `did_you_mean` lists names again, and knows no pattern.
        near = near if near.startswith(" Did") else ""
        raise SpecError(f"Expected as target {WAYS}, or none for any wrong answer; got {policy!r}.{near}")


def is_class(policy: str) -> bool:
    """Whether a policy is a class number."""
    return policy.isascii() and policy.isdigit()


def is_sweep(policy: str) -> bool:
    """Whether a policy goes for several classes in turn: `each`, or `top3`."""
    return policy == "each" or (policy.startswith("top") and is_class(policy[3:]) and int(policy[3:]) > 0)


def sweep_size(policy: str, num_classes: int) -> int:
    """How many classes a policy goes for in turn."""
    if not is_sweep(policy):
        return 1
    return num_classes - 1 if policy == "each" else min(int(policy[3:]), num_classes - 1)


def choose_target(policy: str, y: Labels, logits: Tensor, key: Keys, attempt: Tensor = 0) -> Tensor:
    """Chooses targets by a policy's name or a class number.

    Args:
        policy: `least_likely`, `runner_up`, `next`, `random`, `each`, `top3`, or a class number. An example of that
            very class gets the next class instead: an attack towards the true label attacks nothing.
        y: True labels (batch,).
        logits: Logits of the unattacked input (batch, classes).
        key: The examples' keys (batch, 2).
        attempt: Which of its classes `each` and `top3` go for, int32 (batch,); they begin anew after the last.

    Raises:
        SettingError: The class number is not below the number of classes.
    """
    count = logits.shape[-1]
    if is_class(policy):
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
    if is_sweep(policy):
        order = ops.cast(ops.argsort(1e30 * label - logits, axis=-1), "int32")
        place = ops.zeros_like(y) + ops.mod(attempt, sweep_size(policy, count))
        return ops.sum(order * ops.one_hot(place, count, dtype="int32"), axis=-1)
    if policy == "least_likely":
        return ops.cast(ops.argmin(logits + 1e30 * label, axis=-1), "int32")
    return ops.cast(ops.argmax(logits - 1e30 * label, axis=-1), "int32")
