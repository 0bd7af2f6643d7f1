"""Devices that multiply with fewer digits than float32 give no certificates."""

import sys

import keras
import pytest

from tests.certification.nets import classifier
from turtlenet import backend, balls
from turtlenet.certification import Certifier
from turtlenet.errors import SettingError


@pytest.fixture
def gpu(monkeypatch):
    """Says that there is a GPU, whatever there is."""
    monkeypatch.setattr(sys.modules[backend.exact_products.__module__], "devices", lambda: ["CPU", "GPU"])
    monkeypatch.setattr(backend, "devices", lambda: ["CPU", "GPU"])


def certifier() -> Certifier:
    return Certifier(classifier("dense"), balls.get("linf", 0.1), method="ibp")


@pytest.mark.tensorflow  # Its switch.
def test_tf32_is_refused_until_it_is_off(gpu) -> None:
    import tensorflow as tf

    with pytest.raises(SettingError, match="in full float32 to certify.* got CPU, GPU with fewer digits"):
        certifier()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        certifier()
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(True)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX's own switch")
def test_the_default_precision_of_jax_is_refused(gpu) -> None:
    import jax

    with pytest.raises(SettingError, match="in full float32 to certify.* set JAX_DEFAULT_MATMUL_PRECISION=highest"):
        certifier()
    with jax.default_matmul_precision("highest"):
        certifier()
