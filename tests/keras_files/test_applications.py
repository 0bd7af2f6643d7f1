"""The well-known networks, as Keras 2 builds and writes them: the same answers."""

import numpy as np
import pytest
import tf_keras

from .keras2 import agrees, draw, outputs_of, save

nets = tf_keras.applications
# Between them: ReLU6 and halves of padding, squeezing in TensorFlow operations, a Normalization and a Rescaling in
# front, concatenations, cropping, separable convolutions, and some hundred layers to be told apart.
NETS = {
    "MobileNet": (nets.MobileNet, 32, {"alpha": 0.25}),
    "MobileNetV2": (nets.MobileNetV2, 32, {"alpha": 0.35}),
    "MobileNetV3Small": (nets.MobileNetV3Small, 32, {"alpha": 0.75}),
    "EfficientNetB0": (nets.EfficientNetB0, 32, {}),
    "ResNet50": (nets.ResNet50, 32, {}),
    "DenseNet121": (nets.DenseNet121, 32, {}),
    "NASNetMobile": (nets.NASNetMobile, 32, {}),
    "Xception": (nets.Xception, 71, {}),
}


def enliven(net):
    """Draws scales, shifts and biases, and normalizes by what comes, so that the input is heard through all layers."""
    rng = np.random.default_rng(0)
    for weight in net.weights:
        if "gamma" in weight.name or "variance" in weight.name and "moving" not in weight.name:
            weight.assign(rng.uniform(0.7, 1.3, weight.shape))
        elif len(weight.shape) == 1 and "moving" not in weight.name:
            weight.assign(rng.normal(size=weight.shape) * 0.1)
    for layer in net.layers:
        if isinstance(layer, tf_keras.layers.Normalization):
            layer.finalize_state()
    norms = [layer for layer in net.layers if isinstance(layer, tf_keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    net(draw(net, batch=16)[0], training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    return net


# The others have more layers, and take most of the time.
SMALL = ("MobileNet", "MobileNetV2", "MobileNetV3Small")


@pytest.mark.parametrize(
    "name", [each if each in SMALL else pytest.param(each, marks=pytest.mark.slow) for each in NETS]
)
def test_application(name, tmp_path):
    make, size, settings = NETS[name]
    net = enliven(make(weights=None, input_shape=(size, size, 3), classes=5, **settings))
    (answers,) = outputs_of(net, draw(net))
    assert answers.std(axis=0).max() > 1e-2, "a net that says the same of everything shows nothing"
    # A hundred layers multiply what float32 rounds off: Keras 2 itself is 3e-5 from ResNet50 in float64.
    agrees(save(net, tmp_path / "model.h5"), net, tolerance=2e-4)
