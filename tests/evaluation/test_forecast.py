"""How long an evaluation will take is said before it starts."""

from turtlenet import balls
from turtlenet.attacks import FGSM, PGD, Square
from turtlenet.data import from_arrays
from turtlenet.evaluation import forecast as forecasts


def test_a_line_tells_gradients_answers_and_time(small, images, monkeypatch):
    examples = from_arrays(*images)
    ball = balls.get("linf", 0.1)
    suite = [FGSM(), PGD(steps=10, restarts=2), Square(queries=50)]
    assert forecasts.forecast(small, examples, suite, ball, curve=4) == ""
    monkeypatch.setattr(forecasts, "WORTH", 0.0)
    monkeypatch.setattr(forecasts, "_SMALL", 0)
    line = forecasts.forecast(small, examples, suite, ball, curve=4)
    # The suite, the curve of 20 steps at 8 radii, and PGD with twice the steps and restarts.
    gradients = 12 * (1 + 20) + 4 * 20 * 8 + 12 * 20 * 4
    assert line.startswith("time: about ") and "for 12 images: " in line
    assert f"{gradients:,} gradients and {12 * 50:,} answers, " in line
    assert forecasts.forecast(small, examples, suite, ball, curve=4, mode="cascade").startswith("time: at most ")
