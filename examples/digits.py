"""A small model of scikit-learn's digits, 8 x 8 pixels in [0, 1], for the other examples."""

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def data():
    """`x_train`, `x_test` (n, 8, 8, 1) and `y_train`, `y_test` (n,)."""
    digits = load_digits()
    x = (digits.images / 16)[..., None].astype("float32")
    return train_test_split(x, digits.target, test_size=400, random_state=0)


def trained(x, y):
    """A convolution and a dense layer, trained as usual."""
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
    model.fit(x, y, epochs=10, batch_size=64, verbose=0)
    return model
