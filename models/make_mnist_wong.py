"""Makes `mnist-wong.h5`, the naturally trained model of the demo: `python models/make_mnist_wong.py`.

Wong et al.'s small MNIST net, trained on the training part of the embedded sample as any Keras user would.
"""

from pathlib import Path

import keras
import numpy as np

import turtlenet as tn
from turtlenet import data, models

EPOCHS = 10
BATCH = 128
SEED = 0


def main() -> None:
    keras.utils.set_random_seed(SEED)
    digits = data.load("mnist-sample")
    x, y = digits.train.batch(slice(None))
    x_test, y_test = digits.test.batch(slice(None))
    model = models.build("wong-mnist", (28, 28, 1), 10)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, EPOCHS * (-(-len(x) // BATCH)))
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=EPOCHS, batch_size=BATCH, verbose=2)
    print("test accuracy", float(np.mean(model.predict(x_test, verbose=0).argmax(1) == y_test)))
    tn.save_model(model, Path(__file__).with_name("mnist-wong.h5"))


if __name__ == "__main__":
    main()
