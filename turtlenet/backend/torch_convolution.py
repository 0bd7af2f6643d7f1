"""Convolutions whose kernel's gradient ends the process on a CPU.

oneDNN, which PyTorch calls, computes the kernel's gradient of a 1x1 convolution with a stride out of bounds for some
sizes, such as 8 channels at 60x60 with the channels last: the bug that the seam for TensorFlow avoids too (see
`turtlenet.backend.tensorflow_convolution`). Here such a convolution becomes one without a stride, of the pixels that
it takes.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class OwnConvolutions(TorchFunctionMode):
    """A context in which `conv2d` takes a stride out of a 1x1 kernel."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.conv2d and len(args) == 2 and _suits(args[1], **kwargs):
            down, across = kwargs["stride"]
            return func(args[0][:, :, ::down, ::across], args[1], **{**kwargs, "stride": (1, 1)})
        return func(*args, **kwargs)


def _suits(kernel: Any, *, stride: Any = 1, padding: Any = 0, **_: Any) -> bool:
    strided = isinstance(stride, tuple) and max(stride) > 1
    unpadded = padding in (0, "valid") or not any(padding)
    return strided and unpadded and tuple(kernel.shape[2:]) == (1, 1)
