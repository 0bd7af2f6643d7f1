# %% [markdown]
# # A table
#
# The features of a table have units, and some cannot be changed by anybody. So each has bounds, a radius and
# rules of its own.
#
# The rows are made up: applications for a loan, and whether it was paid back.

# %%
import keras
import numpy as np

import turtlenet as tn

NAMES = ["income", "debt", "children", "age"]


def rows(count, seed):
    draw = np.random.default_rng(seed)
    income, debt = draw.uniform(10, 100, count), draw.uniform(0, 80, count)
    children, age = draw.integers(0, 5, count), draw.integers(18, 80, count)
    x = np.stack([income, debt, children, age], axis=1).astype("float32")
    return x, (income - debt - 5 * children > 0).astype(int)


(x_train, y_train), (x_test, y_test) = rows(2000, seed=0), rows(200, seed=1)

# %% [markdown]
# ## The model
#
# It standardizes its inputs itself, so eps and bounds keep the units of the table.

# %%
keras.utils.set_random_seed(0)
scale = keras.layers.Normalization()
scale.adapt(x_train)
model = keras.Sequential(
    [
        keras.Input((4,)),
        scale,
        keras.layers.Dense(16, activation="relu"),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="binary_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=10, verbose=0)
print(f"clean accuracy {model.evaluate(x_test, y_test, verbose=0)[1]:.3f}")

# %% [markdown]
# ## The threat
#
# Income and debt may move by 5, the number of children by one and in whole numbers only, the age not at all.

# %%
threat = {
    "bounds": ([10, 0, 0, 18], [100, 80, 4, 79]),
    "eps": [5.0, 5.0, 1.0, 1.0],
    "movable": [True, True, True, False],
    "constraints": ["integer:features=2"],
}
report = tn.evaluate(model, (x_test, y_test), attacks=["pgd"], curve=0, **threat)
print(f"clean {report.clean_accuracy:.3f}, under PGD {report.robust_accuracy:.3f}")

# %% [markdown]
# ## The examples themselves

# %%
adversarial = tn.attack(model, x_test, y_test, "pgd", seed=0, **threat)
moves = np.abs(adversarial - x_test)
for name, most in zip(NAMES, moves.max(axis=0), strict=True):
    print(f"{name}: moved by {most:.3g} at most")

# %% [markdown]
# The same can be said in a file, one row for each feature (`--features`), and a CSV can be read directly (`--data
# rows.csv --label COLUMN`): see [the guide](../guide.md#features-bounds-radii-and-what-may-move).
