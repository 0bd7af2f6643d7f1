# %% [markdown]
# # My own image model
#
# You have a trained Keras classifier of images. This makes one, attacks it, hardens it, and attacks what came
# out.
#
# The images are scikit-learn's digits: 8 x 8 pixels, brought to [0, 1].

# %%
import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import turtlenet as tn

digits = load_digits()
images = (digits.images / 16)[..., None].astype("float32")
x_train, x_test, y_train, y_test = train_test_split(images, digits.target, test_size=300, random_state=0)

# %% [markdown]
# ## The model
#
# Nothing about it is turtlenet's. It may end in a softmax, in a sigmoid or in logits, and could as well come from
# a file: `tn.load_model("model.h5")`.

# %%
keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.005), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=10, batch_size=64, verbose=0)
print(f"clean accuracy {model.evaluate(x_test, y_test, verbose=0)[1]:.3f}")

# %% [markdown]
# ## Attack it
#
# `eps` is how far each pixel may move, in units of the pixels: here a tenth of the range. `curve=0` leaves out
# the curve of accuracy against eps, which costs some more seconds.

# %%
settings = {"attacks": ["fgsm", "pgd"], "eps": 0.1, "curve": 0}
before = tn.evaluate(model, (x_test, y_test), **settings)
print(f"{before.robust_accuracy:.3f} of the images withstand every attack")

# %% [markdown]
# ## Harden it
#
# Each batch is attacked on the weights of the moment, then learned. A hundred training images are held out, and
# the epoch that withstands the most on them is kept. The model that you gave stays as it is.

# %%
hardened = tn.train(
    model, (x_train, y_train), attack="pgd:steps=5", eps=0.1, epochs=8, batch_size=64, validation=100, seed=0
)

# %%
after = tn.evaluate(hardened, (x_test, y_test), **settings)
for name, report in (("before", before), ("after", after)):
    print(f"{name}: clean {report.clean_accuracy:.3f}, under attack {report.robust_accuracy:.3f}")

# %% [markdown]
# ## Keep both
#
# The hardened file loads in plain Keras. The number is an upper bound, and the report lists the reasons to doubt
# it: see [Reading a report](reading_a_report.ipynb).

# %%
tn.save_model(hardened, "hardened.h5")
after.save("report")
for doubt in after.doubts:
    print(f"{doubt.code}: {doubt.finding}")
