"""Makes `mnist-quantized.h5`, the hardened model: `python models/make_mnist_quantized.py [DATA]`.

Two strided 5x5 convolutions behind a two-level quantizer, trained on all of MNIST by the recipe `mnist-quantized`.
DATA is an npz file or the name of a data set, `mnist` if not given. A run that was stopped continues where it was.

Without shifts and dropout the same net fits the attacked training images to 99.7 % and stays at 94 % on others.
"""

import sys
from pathlib import Path

import keras
from keras import layers

import turtlenet as tn

SEED = 0


def network() -> keras.Model:
    """48 and 96 filters 5x5/2, 256 units: 1.5 million parameters, 3.7 million multiplications an image."""
    keras.utils.set_random_seed(SEED)
    inputs = keras.Input((28, 28, 1))
    # In training only, and by whole pixels: what is quantized stays so.
    x = layers.RandomTranslation(2 / 28, 2 / 28, fill_mode="constant", interpolation="nearest", seed=SEED)(inputs)
    for filters in (48, 96):
        x = layers.Conv2D(filters, 5, strides=2, padding="same", activation="relu")(x)
    x = layers.Dropout(0.25, seed=SEED)(layers.Flatten()(x))
    x = layers.Dropout(0.25, seed=SEED)(layers.Dense(256, activation="relu")(x))
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x), name="mnist_quantized")


def main() -> None:
    out = Path(__file__).with_name("mnist-quantized.h5")
    data = sys.argv[1] if len(sys.argv) > 1 else "mnist"
    checkpoint = out.with_name(f"{out.name}.resume")
    model = tn.train(
        network(), data, recipe="mnist-quantized", seed=SEED, checkpoint=checkpoint, resume=True, verbose=True
    )
    tn.save_model(model, out)
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
