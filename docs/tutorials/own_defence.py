# %% [markdown]
# # My own defence
#
# A defence is a Keras layer in front of a model. It says what it does (`defend`), and what a strong attacker
# differentiates in its place (`surrogate`), because a layer whose gradient is 0 stops who follows it, and nobody
# else.

# %%
import keras
from keras import ops
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import turtlenet as tn
from turtlenet.defences import Defence, registered


# %%
@registered("my-threshold")
class Threshold(Defence):
    """Makes each pixel black or white."""

    def __init__(self, *, at=0.5, **settings):
        super().__init__(**settings)
        self.at = at

    def defend(self, x):
        return self.pixels(ops.cast(self.unit(x) > self.at, self.compute_dtype))

    def surrogate(self, x):
        return self.pixels(ops.sigmoid(10 * (self.unit(x) - self.at)))

    def get_config(self):
        return {**super().get_config(), "at": self.at}


# %%
digits = load_digits()
images = (digits.images / 16)[..., None].astype("float32")
x_train, x_test, y_train, y_test = train_test_split(images, digits.target, test_size=300, random_state=0)
keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.005), loss="sparse_categorical_crossentropy")
model.fit(x_train, y_train, epochs=10, batch_size=64, verbose=0)

# %% [markdown]
# ## Two numbers
#
# The naive attack takes the gradient of the layer as it is, the adaptive one that of the surrogate. The robust
# accuracy counts both.

# %%
defended = tn.wrap(model, "my-threshold:at=0.4")
pgd = ["pgd:gradient=naive", "pgd:gradient=adaptive"]
report = tn.evaluate(defended, (x_test, y_test), attacks=pgd, eps=0.1, curve=0)
print(f"clean: {report.clean_accuracy:.3f}")
for spec, each in zip(pgd, report.attacks, strict=True):
    print(f"{spec}: {each.accuracy:.3f}")

# %% [markdown]
# The first number is what the layer hides, not what it protects. [Defences](../defences.md#two-numbers) tells
# more, also of layers whose levels are attacked themselves.
