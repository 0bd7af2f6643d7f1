"""How visible a change must become before a model fails (papers 000, Figure 8, and 002, Figure 7), as frozen data."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import quantile_test, t

from turtlenet.reports.statistics import interval
from turtlenet.typing import Interval

OpenInterval = tuple[float | None, float | None]

MEASURES = ("eps", "linf", "l2", "psnr", "ssim")
"""What is known of each image's smallest example; the first is the radius, which may lie beyond what was tried."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One quantity at the smallest examples found.

    Attributes:
        name: One of `MEASURES`: `eps`, `linf` and `l2` in input units, `psnr` in dB, `ssim` at most 1.
        count: Images that it is known of; for `eps`, all that were right at first.
        mean: Over the images that were broken; None where none was.
        mean_interval: Its 95 % interval (Student's t); None below two images.
        median: None where there is none. An image that was never broken counts as one of a larger `eps` than all
            others, so this median is None, beyond the largest radius tried, where half of them held.
        median_interval: Its 95 % interval (ranks); an end is None where it is unknown or beyond the largest radius.
    """

    name: str
    count: int
    mean: float | None
    mean_interval: Interval | None
    median: float | None
    median_interval: OpenInterval


@dataclass(frozen=True, kw_only=True)
class Broken:
    """Share of the images right at first that are broken by some example of at most this radius."""

    eps: float
    share: float
    share_interval: Interval


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """One attack at one radius that it spends as it likes, as the papers report it.

    Attributes:
        eps: The threat's radius, in input units.
        share: Of the images right at first, those it broke.
        linf, l2, psnr, ssim: Means over the images it broke; None where it broke none.
    """

    eps: float
    share: float
    share_interval: Interval
    linf: float | None
    l2: float | None
    psnr: float | None
    ssim: float | None


@dataclass(frozen=True, kw_only=True)
class Sight:
    """One image at its smallest example; the pictures are PNG files in base64.

    Attributes:
        index: The image's place in the data set.
        state: `broken`; `held`, never broken: the example is the last attempt, of the largest radius; or `wrong`,
            misclassified as it is, and not attacked.
        eps: The smallest radius that broke it, None where none did.
        prediction: The model's answer to what is shown.
        confidence: The probability that the model gives it.
        difference: The change, times `Perceptibility.amplified`, around mid-gray.
    """

    index: int
    label: int
    state: str
    eps: float | None
    prediction: int
    confidence: float
    psnr: float | None
    ssim: float | None
    original: str
    adversarial: str
    difference: str


@dataclass(frozen=True, kw_only=True)
class Perceptibility:
    """The smallest radius at which an attack breaks each of the first images, and what is seen there.

    Attributes:
        attack: The attack, as a spec; it leaves an image alone once it is broken.
        norm: Of the ball.
        grid: The radii that were tried first, growing, each on the images that survived those before, in input units.
        bisections: How often the gap between the last radius that failed and the first that broke was halved.
        label: True labels of the images, from the first of the data set on.
        smallest: Each image's smallest radius that broke it; 0 where it was wrong at first, None where none did.
        linf, l2, psnr, ssim: Of the example found there; None where there is none.
        measures: Their summaries, in the order of `MEASURES`.
        broken: Shares at each radius of the grid.
        fixed: The same attack at the threat's own radius, without early stop.
        amplified: How many times larger the pictures show a change: the same for every model under one threat.
        pictures: The first image of each class, whatever became of it.
        gradients: Input gradients computed, over all images.
        seconds: Wall-clock time.
    """

    attack: str
    norm: str
    grid: tuple[float, ...]
    bisections: int
    label: tuple[int, ...]
    smallest: tuple[float | None, ...]
    linf: tuple[float | None, ...]
    l2: tuple[float | None, ...]
    psnr: tuple[float | None, ...]
    ssim: tuple[float | None, ...]
    measures: tuple[Measure, ...]
    broken: tuple[Broken, ...]
    fixed: Fixed
    amplified: float
    pictures: tuple[Sight, ...]
    gradients: int
    seconds: float

    @property
    def right(self) -> int:
        """How many images were right at first, and so attacked."""
        return sum(eps != 0 for eps in self.smallest)

    @property
    def held(self) -> int:
        """How many of them no radius broke."""
        return sum(eps is None for eps in self.smallest)

    def measure(self, name: str) -> Measure:
        """The summary of one of `MEASURES`."""
        return self.measures[MEASURES.index(name)]


def measured(name: str, values: np.ndarray) -> Measure:
    """Summarizes one quantity.

    Args:
        name: One of `MEASURES`.
        values: Of the images, float64 (n,); NaN where it is not known, infinite where no radius broke the image.
    """
    known = values[~np.isnan(values)]
    finite = known[np.isfinite(known)]
    middle = mean = None
    within: OpenInterval = (None, None)
    spread: Interval | None = None
    if len(known):
        # Half of an even number of images may be beyond the largest radius: then so is the middle.
        middle = _plain(float(np.quantile(known, 0.5, method="higher" if np.isinf(known).any() else "linear")))
        low, high = quantile_test(known, p=0.5).confidence_interval(0.95)
        within = (_plain(float(low)), _plain(float(high)))
    if len(finite):
        mean = _plain(float(finite.mean()))
    if len(finite) > 1:
        reach = float(t.ppf(0.975, len(finite) - 1) * finite.std(ddof=1) / np.sqrt(len(finite)))
        spread = (round(float(finite.mean()) - reach, 6), round(float(finite.mean()) + reach, 6))
    return Measure(name=name, count=len(known), mean=mean, mean_interval=spread, median=middle, median_interval=within)


def broken_at(smallest: np.ndarray, radii: Sequence[float]) -> tuple[Broken, ...]:
    """Shares broken at growing radii.

    Args:
        smallest: Smallest radius that broke each image that was right at first, float64 (n,), infinite where none did.
        radii: In input units.
    """
    hits = [(eps, int((smallest <= eps).sum())) for eps in radii]
    count = len(smallest)
    return tuple(
        Broken(eps=eps, share=round(hit / count, 6) if count else 0.0, share_interval=interval(hit, count))
        for eps, hit in hits
    )


def _plain(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None
