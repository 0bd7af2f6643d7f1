"""How long an evaluation will take is said before it starts."""

import numpy as np
import pytest

from turtlenet import balls
from turtlenet.attacks import APGD, FGSM, JSMA, PGD, CWLinf, Square
from turtlenet.data import from_arrays
from turtlenet.evaluation import forecast as forecasts
from turtlenet.evaluation import trial as trials
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
    trial = trials.Trial(0.5, graph=2.0, right=0.5, left=0.1, near=12, at=4)
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
    trial = trials.tried(small, from_arrays(x, wrong), cascade(1e-6))
    assert trial.right == 0.5 and trial.left == pytest.approx(6.5 / 7) and trial.near == trial.at == 20
    assert trials.tried(small, from_arrays(x, (answers + 1) % small.num_classes), cascade()) is None


def only(cascade_: Cascade, small, **settings) -> forecasts._Work:
    return forecasts._Work(small, 40, cascade_, 0, **settings)


def test_a_budget_is_the_most_that_the_suite_takes(small):
    nothing_falls = trials.Trial(0.5)
    whole, cut = only(cascade(), small), only(cascade(), small, budget=10)
    # The check of convergence is no part of the suite.
    check = 40 * 20 * 4
    assert whole.gradients(nothing_falls) == 40 * 21 + check and whole.queries(nothing_falls) == 40 * 50
    assert cut.gradients(nothing_falls) - check + cut.queries(nothing_falls) == pytest.approx(40 * 10)


def test_the_search_for_the_smallest_radius_is_counted(small):
    suite = cascade(suite=(PGD(steps=10),))
    # Sweeping takes 20 steps: 7 radii, 4 halvings and the whole budget once.
    more = only(suite, small, perceptibility=16).gradients(trials.Trial(0.5)) - only(suite, small).gradients(
        trials.Trial(0.5)
    )
    assert more == 16 * 20 * (7 + 4 + 1)
    # What falls at the threat's radius is not attacked at larger ones.
    fell = trials.Trial(0.5, left=0.0, at=6)
    more = only(suite, small, perceptibility=16).gradients(fell) - only(suite, small).gradients(fell)
    assert more == 16 * (20 * 4 + 6 + 20 * 5)


def test_what_settings_do_not_tell_is_tried_or_taken_as_usual(small):
    moved = CWLinf(steps=100)
    suite = cascade(suite=(moved, PGD(steps=10)))
    check = 40 * 20 * 2
    assert only(suite, small).gradients(trials.Trial(0.5)) == 40 * (300 + 10) + check
    # 70 gradients an image and one second: 5 more than its gradients alone.
    told = trials.Trial(0.1, own={0: trials.Own(70.0, 12.0)})
    assert only(suite, small).gradients(told) == 40 * (70 + 10) + check
    seconds = 0.1 * (40 * 80 + check + 40 / 3) + 40 * (12 - 7)
    assert only(suite, small).seconds(told) == pytest.approx(seconds)
    assert (
        JSMA(gamma=0.5).example_gradients(64) == 16 and JSMA(pairs=False, output="logits").example_gradients(64) == 12
    )


def test_what_is_certified_is_not_attacked(small):
    suite = cascade(suite=(PGD(steps=10),))
    told = trials.Trial(0.1, bound=2.0, bounding=3.0, proven=0.75)
    check = 40 * 20 * 2
    assert only(suite, small).gradients(told) == 10 * 10 + check
    assert only(suite, small).seconds(told) == pytest.approx(0.1 * (100 + check + 40 / 3) + 3 + 40 * 2)


def test_a_trial_runs_what_settings_do_not_tell_and_certifies(small, images, monkeypatch):
    monkeypatch.setattr(trials, "FEWEST", 12)
    x, _ = images
    examples = from_arrays(x, small.predict(x).argmax(axis=1))
    pixels = Cascade(attacks=(JSMA(gamma=0.2),), ball=balls.get("l0", 5.0), batch_size=16)
    told = trials.tried(small, examples, pixels)
    assert 1 <= told.own[0].gradients <= 7 and told.own[0].seconds > 0 and told.near == float("inf")
    assert trials.tried(small, examples, cascade(1e-6), "ibp").proven == 1.0


def test_without_a_trial_there_is_no_most_where_settings_tell_none(small, images, told):
    suite = cascade(suite=(CWLinf(steps=10),))
    assert forecasts.forecast(small, from_arrays(*images), suite, curve=0).startswith("time: about ")
