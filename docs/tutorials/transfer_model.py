# %% [markdown]
# # A transfer model
#
# A base that was trained on something else, frozen, under a new head. Here the base learns the digits 0 to 4, and
# the head tells 5 to 9 apart; with a base of `keras.applications` it is the same.

# %%
import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import turtlenet as tn

digits = load_digits()
images, labels = digits.images[..., None].astype("float32"), digits.target  # pixels from 0 to 16
first, others = labels < 5, labels >= 5

# %%
keras.utils.set_random_seed(0)
base = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.Flatten(),
    ],
    name="base",
)
source = keras.Sequential([base, keras.layers.Dense(5, activation="softmax")])
source.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
source.fit(images[first] / 16, labels[first], epochs=10, verbose=0)

# %% [markdown]
# ## The new model
#
# The base wants pixels in [0, 1], and a `Rescaling` layer in front brings them there. Bounds and eps are in the units
# of what goes in, 0 to 16, which `bounds` says below.

# %%
base.trainable = False
inputs = keras.Input((8, 8, 1))
outputs = keras.layers.Dense(5, activation="softmax")(base(keras.layers.Rescaling(1 / 16)(inputs)))
model = keras.Model(inputs, outputs)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy", metrics=["accuracy"])

x_train, x_test, y_train, y_test = train_test_split(images[others], labels[others] - 5, test_size=200, random_state=0)
model.fit(x_train, y_train, epochs=10, verbose=0)
print(f"clean accuracy {model.evaluate(x_test, y_test, verbose=0)[1]:.3f}")

# %% [markdown]
# ## Harden it
#
# Training moves what is trainable. With the base frozen that is the head alone, which cannot do much about a base
# whose features an attacker moves as he likes. So let the base learn, too.

# %%
threat = {"bounds": (0, 16), "eps": 1.6}
evaluation = {"attacks": ["pgd"], "curve": 0, **threat}
before = tn.evaluate(model, (x_test, y_test), **evaluation)

base.trainable = True
hardened = tn.train(
    model, (x_train, y_train), attack="pgd:steps=5", epochs=8, batch_size=64, validation=100, seed=0, **threat
)
after = tn.evaluate(hardened, (x_test, y_test), **evaluation)
for name, report in (("before", before), ("after", after)):
    print(f"{name}: clean {report.clean_accuracy:.3f}, under PGD {report.robust_accuracy:.3f}")
