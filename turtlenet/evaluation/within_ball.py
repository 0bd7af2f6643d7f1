"""Whether examples lie within the threat, up to the rounding of float32, and how they are rounded to 8-bit pixels."""

import math

import numpy as np

from turtlenet.balls import Ball, FeatureBall, is_plain


def inside(ball: Ball, x: np.ndarray, perturbed: np.ndarray) -> np.ndarray:
    """Whether perturbed images are finite and lie in the ball and the bounds, one float32 ulp apart, bool (n,)."""
    if not is_plain(ball):
        reach = float(ball.eps) * (1 + 1e-6) + slack(ball, x.shape[1:])
        exact: np.ndarray = ball.holds(perturbed, x) & (ball.length(perturbed, x) <= reach)
        return exact
    size = int(np.prod(x.shape[1:]))
    whole = np.isfinite(perturbed).reshape(len(x), size).all(axis=1)
    perturbed = np.where(np.isfinite(perturbed), perturbed, x)
    reach = float(ball.eps) * (1 + 1e-6) + slack(ball, x.shape[1:])
    near = ball.length(perturbed, x) <= reach
    ulp = _ulp(ball)
    pixels = perturbed.reshape(len(x), size)
    within = ((pixels >= ball.low - ulp) & (pixels <= ball.high + ulp)).all(axis=1)
    fits: np.ndarray = whole & near & within
    return fits


def slack(ball: Ball, shape: tuple[int, ...]) -> float:
    """How much a length in a ball's norm can grow by the rounding of each float32 pixel, in input units."""
    if isinstance(ball, FeatureBall):
        space = ball.space
        ulps = np.spacing(np.maximum(np.abs(space.low), np.abs(space.high)).astype("float32"))
        # In `linf` each feature is checked exactly.
        return 0.0 if ball.order in (0, math.inf) else float(np.linalg.norm(ulps / space.width, ord=ball.order))
    # A number of values that change does not round.
    return _ulp(ball) * ball.span(int(np.prod(shape))) if ball.order else 0.0


def _ulp(ball: Ball) -> float:
    return float(np.spacing(np.float32(max(abs(ball.low), abs(ball.high)))))


def eight_bit(perturbed: np.ndarray, x: np.ndarray, ball: Ball) -> np.ndarray:
    """Rounds perturbed images to 256 values of a pixel, within the ball around the images they come from.

    A value goes to the nearest one, or, in an image that would leave the ball by that, to the next one towards the
    original: no norm grows by it, if the original has 8-bit pixels itself. Where an original has pixels between two
    levels, both may leave the ball: the image is the original then.
    """
    level = (ball.high - ball.low) / 255
    units, origin = (perturbed.astype("float64") - ball.low) / level, (x.astype("float64") - ball.low) / level
    nearest, nearer = np.rint(units), np.where(units > origin, np.floor(units + 1e-4), np.ceil(units - 1e-4))
    rounded, careful = ((ball.low + level * each).astype("float32") for each in (nearest, nearer))
    leaves = ball.length(rounded, x) > float(ball.eps) * (1 + 1e-6)
    rounded[leaves] = careful[leaves]
    # What did not move stays as it was, on the grid or not.
    rounded = np.where(perturbed == x, x, np.clip(rounded, ball.low, ball.high))
    # Around pixels between two levels there may be no level within the radius.
    outside = ~inside(ball, x, rounded)
    rounded[outside] = x[outside]
    return rounded
