"""A defence of your own: a Keras layer that says what it does, and what a strong attacker differentiates instead."""

import digits
from keras import ops

import turtlenet as tn
from turtlenet.defences import Defence, registered


@registered("threshold")
class Threshold(Defence):
    """Makes each pixel black or white. Its own gradient is 0 everywhere: who follows it alone stands still.

    Args:
        at: Where white begins, as a share of the pixel range.
    """

    def __init__(self, *, at=0.5, **settings):
        super().__init__(**settings)
        self.at = at

    def defend(self, x):
        return self.pixels(ops.cast(self.unit(x) > self.at, self.compute_dtype))

    def surrogate(self, x):
        return self.pixels(ops.sigmoid(10 * (self.unit(x) - self.at)))

    def get_config(self):
        return {**super().get_config(), "at": self.at}


if __name__ == "__main__":
    x_train, x_test, y_train, y_test = digits.data()
    model = digits.trained(x_train, y_train)
    defended = tn.wrap(model, "threshold:at=0.4")
    pgd = ["pgd:gradient=naive", "pgd:gradient=adaptive"]
    report = tn.evaluate(defended, (x_test, y_test), attacks=pgd, eps=0.1, curve=0)
    print(f"clean: {report.clean_accuracy:.3f}")
    for attack, spec in zip(report.attacks, pgd, strict=True):
        print(f"{spec}: {attack.accuracy:.3f}")
