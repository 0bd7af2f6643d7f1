"""An attack of your own: it gets a model, inputs and a ball; the base class sees to the rest."""

from dataclasses import dataclass

import digits

import turtlenet as tn
from turtlenet import random
from turtlenet.attacks import attacks
from turtlenet.ranges import number


@attacks.register("signs")
@dataclass(frozen=True, kw_only=True)
class Signs(tn.Attack):
    """Moves every pixel by the radius, up or down at random.

    Args:
        scale: Length of the move, as a fraction of the ball's radius.
    """

    scale: float = number(1.0, above=0)

    def search(self, model, x, goal, *, ball, key):
        return x + self.scale * ball.eps * random.rademacher(key, x.shape[1:])


if __name__ == "__main__":
    x_train, x_test, y_train, y_test = digits.data()
    model = digits.trained(x_train, y_train)
    # An object, or what a user would type once the attack is registered.
    report = tn.evaluate(model, (x_test, y_test), attacks=[Signs(), "signs:scale=0.5", "pgd"], eps=0.1, curve=0)
    for attack in report.attacks:
        print(f"{attack.name}: {attack.accuracy:.3f}")
