"""The nets of `turtlenet.models` once more, in PyTorch."""

from typing import Any

import torch
from torch import nn

__all__ = ["net"]


def net(name: str) -> nn.Module:
    """A net with fresh weights, from images (batch, channels, height, width) to logits.

    Layers and shapes are those of the Keras net; where a stride leaves an odd number of pixels to pad, PyTorch pads
    both sides and Keras one, which changes no shape.
    """
    torch.manual_seed(0)
    return {"cleverhans": _cleverhans, "madry-mnist": _madry, "resnet18": _resnet18}[name]()


def _cleverhans() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 64, 8, 2, padding=3), nn.ReLU()),
        *(nn.Conv2d(64, 128, 6, 2), nn.ReLU()),
        *(nn.Conv2d(128, 128, 5), nn.ReLU()),
        nn.Flatten(),
        nn.Linear(128, 10),
    )


def _madry() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Flatten(),
        *(nn.Linear(7 * 7 * 64, 1024), nn.ReLU()),
        nn.Linear(1024, 10),
    )


def _resnet18() -> nn.Module:
    blocks, channels = [], 64
    for stage, filters in enumerate((64, 128, 256, 512)):
        blocks += [_Block(channels, filters, 1 if stage == 0 else 2), _Block(filters, filters, 1)]
        channels = filters
    stem = [_convolve(3, 64, 3, 1), nn.BatchNorm2d(64), nn.ReLU()]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


class _Block(nn.Module):
    """A basic block: two 3x3 convolutions, and a 1x1 convolution on the shortcut where the shape changes."""

    def __init__(self, channels: int, filters: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(
            *(_convolve(channels, filters, 3, stride), nn.BatchNorm2d(filters), nn.ReLU()),
            *(_convolve(filters, filters, 3, 1), nn.BatchNorm2d(filters)),
        )
        changes = stride != 1 or channels != filters
        shortcut = nn.Sequential(_convolve(channels, filters, 1, stride), nn.BatchNorm2d(filters))
        self.shortcut = shortcut if changes else nn.Identity()

    def forward(self, x: Any) -> Any:
        return torch.relu(self.body(x) + self.shortcut(x))


def _convolve(channels: int, filters: int, size: int, stride: int) -> nn.Module:
    return nn.Conv2d(channels, filters, size, stride, padding=size // 2, bias=False)
