"""Images of arrays, for reports."""

import base64
import io

import numpy as np
from PIL import Image


def drawable(shape: tuple[int, ...]) -> bool:
    """Whether an input of this shape is a gray or a color image."""
    return len(shape) == 3 and shape[-1] in (1, 3)


def png(unit: np.ndarray) -> str:
    """A PNG file in base64 of an image in [0, 1]."""
    pixels = np.rint(np.clip(unit, 0, 1) * 255).astype("uint8")
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")
