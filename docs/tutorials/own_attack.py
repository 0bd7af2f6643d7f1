# %% [markdown]
# # My own attack
#
# An attack is a frozen dataclass with one method, `search`. Whatever that gives back, the base class brings into
# the ball and the bounds, and keeps only what is better than the input itself.

# %%
from dataclasses import dataclass

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import turtlenet as tn
from turtlenet import random
from turtlenet.attacks import attacks
from turtlenet.ranges import number

# %% [markdown]
# This one moves every pixel by the radius, up or down at random. The draws come from `key`, which belongs to each
# example: batch size and order change nothing. `number` declares the range of a setting, and what is out of it is
# refused in one line.


# %%
@attacks.register("my-signs")
@dataclass(frozen=True, kw_only=True)
class Signs(tn.Attack):
    """Moves every pixel by the radius, up or down at random."""

    scale: float = number(1.0, above=0)

    def search(self, model, x, goal, *, ball, key):
        return x + self.scale * ball.eps * random.rademacher(key, x.shape[1:])


# %%
digits = load_digits()
images = (digits.images / 16)[..., None].astype("float32")
x_train, x_test, y_train, y_test = train_test_split(images, digits.target, test_size=300, random_state=0)
keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
model.fit(x_train, y_train, epochs=15, verbose=0)

# %% [markdown]
# ## Beside PGD
#
# An attack is given as an object, or by its registered name with settings, as on the command line.

# %%
report = tn.evaluate(model, (x_test, y_test), attacks=[Signs(), "my-signs:scale=0.5", "pgd"], eps=0.1, curve=0)
for each in report.attacks:
    print(f"{each.name} {each.settings.get('scale', '')}: {each.accuracy:.3f}")

# %% [markdown]
# A weak attack says little, so the report has doubts where nothing better ran. To share yours, put it into a
# package and name it under the entry-point group `turtlenet.attacks`;
# [Contributing](../../CONTRIBUTING.md#add-an-attack) tells how, and of the tests that an attack of turtlenet's
# own gets.
