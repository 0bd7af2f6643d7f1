# %% [markdown]
# # CI
#
# A model that became less robust should fail a build, as a broken test does. There are three ways: an assertion
# in a test, a gate on the command line, and a GitHub action ([For machines](../ci.md)).

# %%
from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from turtlenet.cli import main
from turtlenet.testing import assert_robust

digits = load_digits()
images = (digits.images / 16)[..., None].astype("float32")
x_train, x_test, y_train, y_test = train_test_split(images, digits.target, test_size=200, random_state=0)
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
# ## In a test
#
# `assert_robust` fails like an `assert`, with the table of attacks in its message.

# %%
report = assert_robust(model, (x_test, y_test), attacks=["pgd"], eps=0.02, at_least=0.5)
print(f"held: {report.robust_accuracy:.3f}")
try:
    assert_robust(model, (x_test, y_test), attacks=["pgd"], eps=0.02, at_least=0.999)
except AssertionError as error:
    print(str(error).splitlines()[0])

# %% [markdown]
# ## On the command line
#
# In a shell: `turtlenet evaluate model.keras --data data.npz --attack pgd --eps 0.02 --fail-under 0.999 --junit
# junit.xml`. The exit code is 0 where the gate held, 1 where it did not, and 2 for bad input ([all of
# them](../ci.md#exit-codes)).

# %%
model.save("model.keras")
np.savez("data.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
command = "evaluate model.keras --data data.npz --attack pgd --eps 0.02 --curve 0 --quiet"
gate = "--fail-under 0.999 --junit junit.xml"
try:
    main([*command.split(), *gate.split()])
except SystemExit as end:
    code = end.code
print(f"exit code {code}")

# %% [markdown]
# The JUnit file has a test for the model and one for each attack, which a CI service shows beside the other
# tests.

# %%
print(Path("junit.xml").read_text("utf-8")[:200])
