"""The well-known networks, as Keras 2 builds and writes them: with other weights than it draws, the same answers."""

import pytest
import tf_keras

from .keras2 import agrees, randomize, save

nets = tf_keras.applications
NETS = {
    # ReLU6 and padding by halves; SE blocks in TensorFlow operations; a Normalization and a Rescaling in front;
    # concatenations; separable convolutions and cropping.
    "MobileNet": (nets.MobileNet, 32, {"alpha": 0.25}),
    "MobileNetV2": (nets.MobileNetV2, 32, {"alpha": 0.35}),
    "MobileNetV3Small": (nets.MobileNetV3Small, 32, {"minimalistic": False, "alpha": 0.75}),
    "EfficientNetB0": (nets.EfficientNetB0, 32, {}),
    "ResNet50": (nets.ResNet50, 32, {}),
    "DenseNet121": (nets.DenseNet121, 32, {}),
    "NASNetMobile": (nets.NASNetMobile, 32, {}),
    "Xception": (nets.Xception, 71, {}),
}


@pytest.mark.parametrize("name", NETS)
def test_application(name, tmp_path):
    make, size, settings = NETS[name]
    net = make(weights=None, input_shape=(size, size, 3), classes=5, **settings)
    # Small enough that the numbers neither vanish nor explode through a hundred layers.
    for weight in net.weights:
        if "normalization" not in weight.name and len(weight.shape) > 1:
            continue
    randomize(net, scale=0.1)
    agrees(save(net, tmp_path / "model.h5"), net, tolerance=1e-4)
