"""How long an evaluation will take is said before it starts."""

import numpy as np
import pytest

from turtlenet import balls
from turtlenet.attacks import APGD, FGSM, PGD, Square
from turtlenet.data import from_arrays
from turtlenet.evaluation import forecast as forecasts
from turtlenet.evaluation.cascade import Cascade

SUITE = (FGSM(), PGD(steps=10, restarts=2), Square(queries=50))


def cascade(eps: float = 0.1, suite=SUITE, **settings) -> Cascade:
    return Cascade(attacks=suite, ball=balls.get("linf", eps), batch_size=16, **settings)


@pytest.fixture
def told(monkeypatch):
    """Forecasts of any length are worth a line."""
    monkeypatch.setattr(forecasts, "WORTH", 0.0)
    monkeypatch.setattr(forecasts, "_SMALL", 0)


def test_a_line_tells_the_most_in_gradients_answers_and_time(small, images, told):
    line = forecasts.forecast(small, from_arrays(*images), cascade(), curve=4)
    # The suite, the curve of 20 steps at 8 radii, and PGD with twice the steps and restarts.
    gradients = 12 * (1 + 20) + 4 * 20 * 8 + 12 * 20 * 4
    assert line.startswith("time: at most ") and "for 12 images: " in line
    assert f"{gradients:,} gradients and {12 * 50:,} answers, " in line


def test_a_limit_is_told_for_how_many_it_is_enough(small, images, told):
    line = forecasts.forecast(small, from_arrays(*images), cascade(), curve=4, limit=1e-3)
    assert line.startswith("time: 0 seconds are enough for about 1 of 12 images on this machine if nothing gives way")
    assert forecasts.forecast(small, from_arrays(*images), cascade(), curve=4, limit=1e6) == ""


def test_who_lacks_the_model_crafts_on_several(small, images, told):
    line = forecasts.forecast(small, from_arrays(*images), cascade(), curve=4, crafted_on=3)
    gradients = 3 * 12 * (1 + 20) + 4 * 20 * 8 + 12 * 20 * 4
    assert f"for 12 images on 3 models, once the attacker's own are trained: {gradients:,} gradients" in line
    assert f" and {3 * 12 * 50:,} answers, " in line


def test_a_short_evaluation_is_not_worth_a_line(small, images):
    assert forecasts.forecast(small, from_arrays(*images), cascade(), curve=4) == ""


def test_where_images_give_way_it_tells_less(small, images, told, monkeypatch):
    """Within a ball that holds every input the trial breaks all, and what sees survivors costs little."""
    monkeypatch.setattr(forecasts, "WORTH_A_TRIAL", 0.0)
    x, _ = images
    examples = from_arrays(x, small.predict(x).argmax(axis=1))
    line = forecasts.forecast(small, examples, cascade(1.0), curve=4)
    assert line.startswith("time: about ") and "; at most " in line
    fewer = int(line.split(" images: ")[1].split(" gradients")[0].replace(",", ""))
    assert 12 * (1 + 10) < fewer < 12 * (1 + 20) + 4 * 20 * 8


def test_what_a_trial_tells_is_what_each_part_costs(small):
    trial = forecasts.Trial(0.5, graph=2.0, right=0.5, left=0.1, near=12, at=4)
    work = forecasts._Work(small, 40, cascade(), 16)
    # 20 images are right. Two restarts see a tenth of them, and so does the check; the curve goes from 12 steps to 4.
    curve = 8 * (12 + (4 + 8 * 2 / 3) + (4 + 8 / 3) + 5 * 4)
    assert work.gradients(trial) == pytest.approx(20 * (1 + 11) + curve + 2 * 20 * 4)
    assert work.queries(trial) == pytest.approx(20 * 50 * (0.1 + 0.9 / 4))
    answers = work.queries(trial) + 40
    assert work.seconds(trial) == pytest.approx(0.5 * (work.gradients(trial) + answers / 3) + 2 * 3)
    # In a cascade each stops early, and the last meets the survivors of the one before; Auto-PGD stops image by image.
    staged = forecasts._Work(small, 40, cascade(suite=(PGD(steps=10), APGD(steps=20)), mode="cascade"), 0)
    assert staged.gradients(trial) == pytest.approx(20 * 4 + 2 * (0.1 * 20 + 0.9 * 5) + 2 * 40 * 2)


def test_the_trial_counts_what_is_right_and_what_withstands(small, images):
    x, _ = images
    answers = small.predict(x).argmax(axis=1)
    wrong = np.where(np.arange(12) < 6, answers, (answers + 1) % small.num_classes)
    trial = forecasts._tried(small, from_arrays(x, wrong), cascade(1e-6))
    assert trial.right == 0.5 and trial.left == pytest.approx(6.5 / 7) and trial.near == trial.at == 20
    assert forecasts._tried(small, from_arrays(x, (answers + 1) % small.num_classes), cascade()) is None
