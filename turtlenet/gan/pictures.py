"""The pictures of a generator's report: its training, and samples of what it does."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from PIL import Image

from turtlenet.reports import figures
from turtlenet.reports.images import drawable

if TYPE_CHECKING:
    from turtlenet.gan.report import GeneratorReport

MOST = 10
"""Columns of a grid."""
_SCALE = 2
"""Pixels of a grid for one of an image."""
_GAP = 2


def grid(x: np.ndarray, perturbed: np.ndarray, bounds: tuple[float, float]) -> bytes:
    """A PNG of images above what the generator made of them, the change between, in gray around the middle.

    The gaps are transparent, for light and dark pages alike.

    Args:
        x: Images (n, height, width, channels) with 1 or 3 channels; others give no picture.
        perturbed: The same, perturbed.
        bounds: Smallest and largest value of a pixel.
    """
    if not len(x) or not drawable(x.shape[1:]):
        return b""
    x, perturbed = x[:MOST], perturbed[:MOST]
    low, high = bounds
    change = 0.5 + 0.5 * (perturbed - x) / max(float(np.abs(perturbed - x).max()), 1e-12)
    rows = [(x - low) / (high - low), change, (perturbed - low) / (high - low)]
    aside = ((0, 0), (_GAP, 0), (_GAP, 0), (0, 0))
    padded = [np.pad(row, aside, constant_values=1.0) for row in rows]
    opaque = [np.pad(np.ones_like(row[..., :1]), aside) for row in rows]
    layers = [np.concatenate([row, alpha], axis=-1) for row, alpha in zip(padded, opaque, strict=True)]
    whole = np.concatenate([np.concatenate(list(row), axis=1) for row in layers], axis=0)
    pixels = np.rint(np.clip(whole, 0, 1) * 255).astype("uint8").repeat(_SCALE, axis=0).repeat(_SCALE, axis=1)
    page = io.BytesIO()
    Image.fromarray(pixels).save(page, "PNG", optimize=True)
    return page.getvalue()


def curve(report: GeneratorReport) -> figures.PictureFile:
    """The success of each epoch."""
    whom = " (substitute)" if report.generator.get("substitute") else ""
    held_out = [f"success, validation{whom}"] if report.epochs[0].val_success is not None else []
    names = [f"success, training{whom}", *held_out]

    def draw(axes: Axes, looks: Sequence[dict[str, Any]], theme: figures.Theme) -> None:
        numbers = list(range(1, len(report.epochs) + 1))
        lines: list[Any] = [[epoch.success for epoch in report.epochs], [epoch.val_success for epoch in report.epochs]]
        for values, look in zip(lines[: len(names)], looks, strict=False):
            axes.plot(numbers, values, linewidth=1.8, markersize=4, label="x", **look)
        axes.set(xlabel="epoch", ylabel="share of the images turned", ylim=(0, 1))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(linewidth=0.8)

    return figures.new_picture(
        "Share of the images turned, epoch by epoch",
        "Success over epochs; report.json has the figures",
        "curve.png",
        (6.4, 3.6),
        names,
        draw,
    )


def picture_of(samples: bytes) -> figures.PictureFile:
    """What `grid` drew, as a file beside the report."""
    return figures.PictureFile(
        title="Above the image, below what the generator made of it, between them the change: mid-gray is none",
        alt="Images, changes and examples; the tables have the figures",
        file="samples.png",
        png=samples,
        sharp=True,
    )
