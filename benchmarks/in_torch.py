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


def in_torch(model: keras.Model, *, surrogate: bool = False) -> nn.Module:
    """The same net for images (batch, channels, height, width).

    Args:
        model: Layers in a row, quantizers of the input with fixed thresholds among them.
        surrogate: Whether a quantizer hands back the slope of its surrogate, as to an adaptive attacker.

    Raises:
        ValueError: A layer that is not known here.
    """
    known = {**_KNOWN, "ConstantQuantization": lambda layer: [_Quantizer(layer, surrogate)]}
    parts: list[nn.Module] = []
    for layer in _layers(model):
        kind = type(layer).__name__
        if kind not in ("InputLayer", "Cast", "Dropout"):
            if kind not in known:
                raise ValueError(f"Expected layers {', '.join(known)}; got {kind}.")
            parts += known[kind](layer)
    net = nn.Sequential(*parts).eval()
    for weight in net.parameters():
        weight.requires_grad_(False)
    _check(model, net)
    return net


def _layers(model: keras.Model) -> list[Any]:
    """All layers in their order, those of models within too."""
    return [each for layer in model.layers for each in (_layers(layer) if hasattr(layer, "layers") else [layer])]


class _Quantizer(nn.Module):
    """Smooth steps at fixed thresholds, for pixels from 0 to 1."""

    def __init__(self, layer: Any, surrogate: bool):
        super().__init__()
        if layer.hard or layer.bounds != (0.0, 1.0):
            raise ValueError("Expected a smooth quantizer of pixels from 0 to 1; got another.")
        self.points, self.levels = [float(each) for each in layer.thresholds()], layer.levels
        self.sharpness = layer.sharpness
        self.soft = min(layer.sharpness, layer.surrogate_sharpness) if surrogate else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steep = self._sum(x, self.sharpness)
        if self.soft is None:
            return steep
        soft = self._sum(x, self.soft)
        return soft + (steep - soft).detach()

    def _sum(self, x: torch.Tensor, sharpness: float) -> torch.Tensor:
        total = sum(torch.sigmoid(sharpness * (x - point)) for point in self.points)
        return total / (self.levels - 1)  # type: ignore[no-any-return]


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
    ours, theirs = keras.ops.convert_to_numpy(model(x)), net(torch.tensor(x.transpose(0, 3, 1, 2))).numpy()
    if not np.allclose(ours, theirs, atol=1e-4):
        raise ValueError(f"Expected the same logits in PyTorch; they differ by {np.abs(ours - theirs).max():.1e}.")
