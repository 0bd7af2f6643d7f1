"""A table: each feature has bounds and a radius of its own, one is an integer, and one may not move."""

import keras
import numpy as np

import turtlenet as tn

NAMES = ("income", "debt", "children", "age")


def rows(count, seed):
    """Made-up applications for a loan, float32 (count, 4), and whether it was paid back, int (count,)."""
    draw = np.random.default_rng(seed)
    income, debt = draw.uniform(10, 100, count), draw.uniform(0, 80, count)
    children, age = draw.integers(0, 5, count), draw.integers(18, 80, count)
    x = np.stack([income, debt, children, age], axis=1).astype("float32")
    return x, (income - debt - 5 * children > 0).astype(int)


if __name__ == "__main__":
    (x_train, y_train), (x_test, y_test) = rows(2000, seed=0), rows(300, seed=1)
    keras.utils.set_random_seed(0)
    scale = keras.layers.Normalization()
    scale.adapt(x_train)
    layers = [keras.Input((4,)), scale, keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential(layers)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="binary_crossentropy")
    model.fit(x_train, y_train, epochs=10, verbose=0)

    threat = {
        "bounds": ([10, 0, 0, 18], [100, 80, 4, 79]),
        "eps": [5.0, 5.0, 1.0, 1.0],  # in the units of each feature
        "movable": [True, True, True, False],
        "constraints": ["integer:features=2"],
    }
    report = tn.evaluate(model, (x_test, y_test), attacks=["pgd"], curve=0, **threat)
    print(f"clean {report.clean_accuracy:.3f}, under PGD {report.robust_accuracy:.3f}")

    adversarial = tn.attack(model, x_test, y_test, "pgd", seed=0, **threat)
    moved = np.abs(adversarial - x_test).max(axis=0)
    print({name: round(float(most), 3) for name, most in zip(NAMES, moved, strict=True)})
