"""An objective of your own: where the training examples come from, and the loss at them."""

from dataclasses import dataclass

import digits
from keras import ops

import turtlenet as tn
from turtlenet.ranges import number
from turtlenet.training import objectives


@objectives.register("confident")
@dataclass(frozen=True, kw_only=True)
class Confident(tn.Objective):
    """Adversarial training that also asks for a small entropy of the answers to what the attack crafted.

    Args:
        weight: Weight of the entropy beside the loss.
    """

    weight: float = number(0.1, low=0)

    def craft(self, model, x, y, *, ball, key):
        return self.attack.craft(model, x, y, ball=ball, key=key)

    def loss(self, model, x, moved, y):
        logits = model(moved, training=True)
        entropy = -ops.sum(ops.softmax(logits) * ops.log_softmax(logits), axis=-1)
        return self.fit(y, logits) + self.weight * entropy, logits


if __name__ == "__main__":
    x_train, x_test, y_train, y_test = digits.data()
    model = digits.trained(x_train, y_train)
    settings = {"attack": "pgd:steps=5", "eps": 0.1, "epochs": 5, "batch_size": 64, "validation": 100}
    hardened = tn.train(model, (x_train, y_train), objective="confident:weight=0.05", **settings)
    for name, each in (("before", model), ("after", hardened)):
        report = tn.evaluate(each, (x_test, y_test), attacks=["pgd"], eps=0.1, curve=0)
        print(f"{name}: clean {report.clean_accuracy:.3f}, under PGD {report.robust_accuracy:.3f}")
