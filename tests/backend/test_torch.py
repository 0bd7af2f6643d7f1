"""What is PyTorch's own: modules within a Keras model, attacked and trained with it."""

import keras
import numpy as np
import pytest

import turtlenet as tn

pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="modules of PyTorch need its backend")

RNG = np.random.default_rng(0)
X = RNG.uniform(size=(32, 6, 6, 1)).astype("float32")
Y = (X.mean(axis=(1, 2, 3)) > 0.5).astype("int32")


@pytest.fixture
def wrapped() -> keras.Model:
    """A module, channels first, behind inputs that have them last."""
    import torch

    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(48, 2))
    image = keras.Input((6, 6, 1))
    first = keras.layers.Permute((3, 1, 2))(image)
    return keras.Model(image, keras.layers.TorchModuleWrapper(module, output_shape=(None, 2))(first))


def test_a_module_is_attacked(wrapped) -> None:
    crafted = tn.attack(wrapped, X, Y, "pgd:steps=5", eps=0.2, bounds=(0, 1), head="logits")
    assert 0 < np.abs(crafted - X).max() <= 0.2 + 1e-6
    found = tn.evaluate(wrapped, (X, Y), attacks=["pgd:steps=5"], eps=0.2, head="logits", curve=0)
    assert found.robust_accuracy < found.clean_accuracy


def test_a_module_is_trained(wrapped) -> None:
    how = {"attack": "pgd:steps=2", "eps": 0.05, "epochs": 2, "batch_size": 16, "validation": 0, "head": "logits"}
    hardened = tn.train(wrapped, (X, Y), tell=lambda line: None, **how)
    pairs = list(zip(wrapped.get_weights(), hardened.get_weights(), strict=True))
    assert len(pairs) == 4 and all(np.abs(new - old).max() > 1e-5 for old, new in pairs)
