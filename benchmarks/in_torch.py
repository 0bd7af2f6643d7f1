"""A Keras net of convolutions and dense layers as PyTorch has it, with the same weights."""

from typing import Any

import keras
import numpy as np
import torch
from torch import nn

__all__ = ["Counted", "in_torch"]


class Counted(nn.Module):
    """A net that counts the images it is shown: with gradients, and without."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net
        self.gradients = self.queries = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes) of images (batch, channels, height, width)."""
        if torch.is_grad_enabled():
            self.gradients += len(x)
        else:
            self.queries += len(x)
        return self.net(x)


def in_torch(model: keras.Model) -> nn.Module:
    """The same net for images (batch, channels, height, width).

    Raises:
        ValueError: A layer that is not known here.
    """
    parts: list[nn.Module] = []
    for layer in model.layers:
        kind = type(layer).__name__
        if kind not in ("InputLayer", "Cast", "Dropout"):
            if kind not in _KNOWN:
                raise ValueError(f"Expected layers {', '.join(_KNOWN)}; got {kind}.")
            parts += _KNOWN[kind](layer)
    net = nn.Sequential(*parts).eval()
    for weight in net.parameters():
        weight.requires_grad_(False)
    _check(model, net)
    return net


class _Rows(nn.Module):
    """Flattens as Keras does, channels last."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


def _convolution(layer: Any) -> list[nn.Module]:
    kernel, bias = layer.get_weights()
    # What `same` adds is the same on both sides only where the sums are even.
    pads = [0, 0]
    for axis in (0, 1):
        size, width, stride = layer.input.shape[1 + axis], kernel.shape[axis], layer.strides[axis]
        more = max((-(-size // stride) - 1) * stride + width - size, 0) if layer.padding == "same" else 0
        if more % 2:
            raise ValueError(f"Expected an even padding of {layer.name}; got {more}.")
        pads[axis] = more // 2
    mine = nn.Conv2d(kernel.shape[2], kernel.shape[3], kernel.shape[:2], layer.strides, tuple(pads))
    return [_with(mine, kernel.transpose(3, 2, 0, 1), bias), *_activation(layer)]


def _dense(layer: Any) -> list[nn.Module]:
    kernel, bias = layer.get_weights()
    return [_with(nn.Linear(*kernel.shape), kernel.T, bias), *_activation(layer)]


def _with(layer: Any, kernel: np.ndarray, bias: np.ndarray) -> nn.Module:
    layer.weight.data, layer.bias.data = torch.tensor(kernel.copy()), torch.tensor(bias)
    return layer


def _activation(layer: Any) -> list[nn.Module]:
    name = keras.activations.serialize(layer.activation)
    if name not in ("linear", "relu"):
        raise ValueError(f"Expected relu or linear in {layer.name}; got {name}.")
    return [nn.ReLU()] if name == "relu" else []


_KNOWN: dict[str, Any] = {"Conv2D": _convolution, "Dense": _dense, "Flatten": lambda _: [_Rows()]}


def _check(model: keras.Model, net: nn.Module) -> None:
    x = np.random.default_rng(0).uniform(size=(8, *model.input_shape[1:])).astype("float32")
    ours, theirs = np.asarray(model(x)), net(torch.tensor(x.transpose(0, 3, 1, 2))).numpy()
    if not np.allclose(ours, theirs, atol=1e-4):
        raise ValueError(f"Expected the same logits in PyTorch; they differ by {np.abs(ours - theirs).max():.1e}.")
