# %% [markdown]
# # A series
#
# A classifier of series is attacked and hardened as one of images: its inputs are (steps, features). The series
# here are noisy sine and square waves of random phase, 32 steps of one feature.

# %%
import keras
import numpy as np

import turtlenet as tn


def waves(count, seed):
    draw = np.random.default_rng(seed)
    phase, label = draw.uniform(0, 2 * np.pi, (count, 1)), draw.integers(0, 2, count)
    sine = np.sin(np.arange(32) / 5 + phase)
    wave = np.where(label[:, None] == 1, np.sign(sine), sine) + draw.normal(0, 0.1, (count, 32))
    return np.clip(wave, -2, 2)[..., None].astype("float32"), label


(x_train, y_train), (x_test, y_test) = waves(1000, seed=0), waves(200, seed=1)

# %%
keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((32, 1)),
        keras.layers.Conv1D(8, 5, activation="relu"),
        keras.layers.Conv1D(8, 5, activation="relu"),
        keras.layers.GlobalAveragePooling1D(),
        keras.layers.Dense(2, activation="softmax"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.02), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=15, batch_size=64, verbose=0)
print(f"clean accuracy {model.evaluate(x_test, y_test, verbose=0)[1]:.3f}")

# %% [markdown]
# The values lie in [-2, 2], which has to be said: nothing in the model tells it. `eps` is in the same units.

# %%
threat = {"bounds": (-2, 2), "eps": 0.2}
before = tn.evaluate(model, (x_test, y_test), attacks=["pgd"], curve=0, **threat)

# %%
hardened = tn.train(
    model, (x_train, y_train), attack="pgd:steps=5", epochs=8, batch_size=64, validation=100, seed=0, **threat
)
after = tn.evaluate(hardened, (x_test, y_test), attacks=["pgd"], curve=0, **threat)
for name, report in (("before", before), ("after", after)):
    print(f"{name}: clean {report.clean_accuracy:.3f}, under PGD {report.robust_accuracy:.3f}")

# %% [markdown]
# Models whose number of steps is open take `size=` (`--size 50`): see [the
# guide](../guide.md#models-of-any-shape).
