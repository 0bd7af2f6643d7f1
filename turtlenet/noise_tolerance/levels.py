"""How many levels a quantizer of the input shall have (Khalid et al., 2019, paper 002, section III, step 1)."""

import math
from dataclasses import dataclass

from turtlenet.errors import SettingError

FINEST = 256
"""Levels of an 8-bit pixel: a quantizer of that many leaves such an image as it is."""

_STEEP = 6
# Both bounds are rounded to whole numbers; this keeps 1 / (2 * 0.1) from being a hair under 5.
_SLACK = 1e-9


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A number of levels, and the two bounds that it came from.

    Attributes:
        eps: The perturbation to absorb, in input units, of each pixel.
        tolerable: The maximum tolerable uniform noise, as its half-width in input units; None if it was not measured.
        least: Fewest levels whose error is tolerable; None if that is not known, or no number is enough.
        most: Most levels that are at least 2 eps apart; 1 if not even the two ends of the range are.
        levels: The proposed number, at least 2.
        compatible: Whether some number keeps both bounds; None if only one of them is known.
        finding: The same in a sentence.
    """

    eps: float
    tolerable: float | None
    least: int | None
    most: int
    levels: int
    compatible: bool | None
    finding: str


def check_eps(eps: float) -> None:
    """Refuses a perturbation that no levels can be chosen for, in input units.

    Raises:
        SettingError: One that is not above 0.
    """
    if not 0 < eps < math.inf:
        raise SettingError(f"Expected eps > 0 to choose levels for; got {eps:g}.")


def propose(tolerable: float | None, eps: float, full: float) -> Proposal:
    """Weighs what a quantizer takes from a clean image against what it takes from a perturbation.

    Paper 002 says only that n follows "by analyzing the MTN and epsilon". The rule here, for n levels spread evenly
    over the range, each pixel going to the nearest:

    - A pixel moves by at most half the spacing, range / (2 (n - 1)). If pixels fall anywhere between levels, that is
      uniform noise of this half-width, which must be tolerable: n >= 1 + range / (2 MTN).
    - A pixel keeps its level under any change smaller than its distance to the next threshold. Thresholds are one
      spacing apart, so only if that is at least 2 eps are there pixels that eps cannot move to another level:
      n <= 1 + range / (2 eps). Pixels within eps of a threshold flip all the same: this absorbs some of the
      perturbation, and guarantees nothing.

    More levels cost less of the clean accuracy, so the proposal is the most that the second bound allows, whether or
    not the first one holds there; but no more than 256, unless tolerance asks for them.

    >>> propose(0.25, eps=0.125, full=1.0).levels
    5

    Args:
        tolerable: The maximum tolerable uniform noise, in input units; None if it was not measured.
        eps: The perturbation to absorb, above 0, in input units.
        full: Largest minus smallest value of a pixel.

    Raises:
        SettingError: An eps that is not above 0.
    """
    check_eps(eps)
    least = max(2, math.ceil(1 + full / (2 * tolerable) - _SLACK)) if tolerable else None
    most = math.floor(1 + min(full / (2 * eps), 1e9) + _SLACK)
    compatible = None if tolerable is None else least is not None and least <= most
    levels = min(most, max(FINEST, least)) if compatible and least else max(2, min(most, FINEST))
    return Proposal(
        eps=eps,
        tolerable=tolerable,
        least=least,
        most=most,
        levels=levels,
        compatible=compatible,
        finding=f"{_tolerated(tolerable, least)}; {_absorbed(eps, most)}: {_advice(levels, compatible, most)}",
    )


def quantizer(levels: int) -> str:
    """The spec of the defence, by steps where sigmoids would let a perturbation through.

    Around a level, sigmoids of the papers' steepness (z = 50) pass on 0.13 of a small change where there are 6 levels,
    but 0.94 of it where there are 16: they blur into a ramp.

    Args:
        levels: Number of levels n, at least 2.
    """
    return f"constant-quantization:levels={levels}" + (",hard=true" if levels > _STEEP else "")


def _tolerated(tolerable: float | None, least: int | None) -> str:
    if tolerable is None:
        return "Uniform noise was not measured, so no least number of levels is known"
    if least is None:
        return "No uniform noise is tolerable, so no number of levels is enough"
    return f"Uniform noise is tolerable to {tolerable:.3g}, so n >= {least}"


def _absorbed(eps: float, most: int) -> str:
    if most < 2:
        return f"eps {eps:g} is over half the range, so no quantizer absorbs it"
    return f"levels 2 eps apart for eps {eps:g} ask for n <= {most:,}"


def _advice(levels: int, compatible: bool | None, most: int) -> str:
    if compatible is None:
        return f"take n = {levels}, and look at its clean accuracy"
    if compatible:
        return f"take n = {levels}"
    rest = " for little protection" if most < 2 else ""
    return f"no n satisfies both: take n = {levels}, and expect a loss of clean accuracy{rest}"
