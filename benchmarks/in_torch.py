"""A Keras net of layers in a row as PyTorch has it, with the same weights: convolutions, pooling, normalization."""

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
        model: Layers in a row, channels last: convolutions, pooling, batch normalization, zero padding, dense layers,
            ReLU, and quantizers of the input with fixed thresholds.
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
        return x.permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x.flatten(1)


class _Whole(nn.Module):
    """Pools whole channels: the mean, or the largest value, (batch, channels)."""

    def __init__(self, largest: bool, keepdims: bool):
        super().__init__()
        self.largest, self.keepdims = largest, keepdims

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pool = torch.amax if self.largest else torch.mean
        return pool(x, dim=(2, 3), keepdim=self.keepdims)


def _padding(layer: Any, window: Any, strides: Any, value: float = 0.0) -> list[nn.Module]:
    """What `same` adds, more of it after than before where it is odd, as Keras has it; nothing for `valid`."""
    ends: list[int] = []
    for axis in (1, 0):
        size, width, stride = layer.input.shape[1 + axis], window[axis], strides[axis]
        more = max((-(-size // stride) - 1) * stride + width - size, 0) if layer.padding == "same" else 0
        ends += [more // 2, more - more // 2]
    return [nn.ConstantPad2d(tuple(ends), value)] if any(ends) else []


def _convolution(layer: Any) -> list[nn.Module]:
    if layer.groups != 1 or tuple(layer.dilation_rate) != (1, 1):
        raise ValueError(f"Expected neither groups nor dilation in {layer.name}.")
    kernel, *bias = layer.get_weights()
    mine = nn.Conv2d(kernel.shape[2], kernel.shape[3], kernel.shape[:2], layer.strides, bias=bool(bias))
    pads = _padding(layer, kernel.shape, layer.strides)
    return [*pads, _with(mine, kernel.transpose(3, 2, 0, 1), *bias), *_activation(layer)]


def _largest(layer: Any) -> list[nn.Module]:
    pads = _padding(layer, layer.pool_size, layer.strides, -float("inf"))
    return [*pads, nn.MaxPool2d(tuple(layer.pool_size), tuple(layer.strides))]


def _mean(layer: Any) -> list[nn.Module]:
    if _padding(layer, layer.pool_size, layer.strides):
        # The mean there is over what lies within the image, which PyTorch counts only for even padding.
        raise ValueError(f"Expected {layer.name} without padding; got some.")
    return [nn.AvgPool2d(tuple(layer.pool_size), tuple(layer.strides))]


def _normalization(layer: Any) -> list[nn.Module]:
    shape = layer.input.shape
    if layer.axis not in (-1, len(shape) - 1):
        raise ValueError(f"Expected the last axis in {layer.name}; got {layer.axis}.")
    kind = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
    mine = kind(shape[-1], eps=layer.epsilon)
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        weight = getattr(layer, name)
        if weight is not None:
            getattr(mine, _NORMALIZING[name]).data.copy_(torch.tensor(np.asarray(weight)))
    return [mine]


_NORMALIZING = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def _zeros(layer: Any) -> list[nn.Module]:
    (top, bottom), (left, right) = layer.padding
    return [nn.ZeroPad2d((left, right, top, bottom))]


def _whole(layer: Any) -> list[nn.Module]:
    return [_Whole(type(layer).__name__ == "GlobalMaxPooling2D", layer.keepdims)]


def _dense(layer: Any) -> list[nn.Module]:
    kernel, *bias = layer.get_weights()
    return [_with(nn.Linear(*kernel.shape, bias=bool(bias)), kernel.T, *bias), *_activation(layer)]


def _with(layer: Any, kernel: np.ndarray, bias: np.ndarray | None = None) -> nn.Module:
    layer.weight.data = torch.tensor(kernel.copy())
    if bias is not None:
        layer.bias.data = torch.tensor(bias)
    return layer


def _activation(layer: Any) -> list[nn.Module]:
    name = keras.activations.serialize(layer.activation)
    if name not in ("linear", "relu"):
        raise ValueError(f"Expected relu or linear in {layer.name}; got {name}.")
    return [nn.ReLU()] if name == "relu" else []


_KNOWN: dict[str, Any] = {
    "Activation": _activation,
    "AveragePooling2D": _mean,
    "BatchNormalization": _normalization,
    "Conv2D": _convolution,
    "Dense": _dense,
    "Flatten": lambda _: [_Rows()],
    "GlobalAveragePooling2D": _whole,
    "GlobalMaxPooling2D": _whole,
    "MaxPooling2D": _largest,
    "ReLU": lambda _: [nn.ReLU()],
    "ZeroPadding2D": _zeros,
}


def _check(model: keras.Model, net: nn.Module) -> None:
    x = np.random.default_rng(0).uniform(size=(8, *model.input_shape[1:])).astype("float32")
    ours, theirs = keras.ops.convert_to_numpy(model(x)), net(torch.tensor(x.transpose(0, 3, 1, 2))).numpy()
    if not np.allclose(ours, theirs, atol=1e-4):
        raise ValueError(f"Expected the same logits in PyTorch; they differ by {np.abs(ours - theirs).max():.1e}.")
