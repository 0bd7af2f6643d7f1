"""The verdict for who reads no tables."""

import pytest

from tests.evaluation.views.test_views import BARE, CASES, cases, html, markdown, natural, report
from turtlenet.evaluation.results.records import LargestChange
from turtlenet.evaluation.views import in_words
from turtlenet.reports.blocks import Bullets


def held(name, right, *, of=100):
    """A model that withstands everything on the first `right` images."""
    verdicts = {"label": [0] * of, "clean_prediction": [0] * of, "robust": [1] * right + [0] * (of - right)}
    data = {**report().data, "count": of}
    return report(name, robust_accuracy=right / of, data=data, verdicts=verdicts)


def told(*reports):
    (bullets,) = in_words.section([str(one.model["name"]) for one in reports], reports).blocks
    assert isinstance(bullets, Bullets)
    return ["".join(words) for words in bullets.items]


def test_one_model():
    threat = {**report().threat, "eps_gray_levels": 76.5, "eps_share": 0.3}
    assert told(report(threat=threat)) == [
        "Most of what the model gets right withstands these attacks. Of 1,000 images it gets 984 right. Whoever may "
        "change every pixel by at most 0.3 (76.5 of 255 gray levels) makes it fail on 123 of those; 861 hold.",
        "86.1 % is the most that the robust accuracy can be, not the least: a better attack may find more.",
        "For other images like these, expect 83.8 to 88.1 % under the same attacks (95 % interval).",
        "There is one reason to doubt these numbers; it is below, with what to run next.",
    ]


def test_several_models_have_a_paragraph_each():
    first, second, _ = told(natural(), report())
    assert first.startswith("natural.h5: Nothing of what the model gets right withstands these attacks.")
    assert second.startswith("hardened.h5: Most of") and "****" not in markdown([natural(), report()])


@pytest.mark.parametrize(
    ("right", "words"),
    [
        (58, "1.0 percentage points lower, which these 100 images cannot tell from chance (exact sign test, p = 1)."),
        (59, "the same."),
        (
            64,
            "5.0 percentage points higher, which these 100 images cannot tell from chance "
            "(exact sign test, p = 0.062).",
        ),
        (90, "31.0 percentage points higher, more than chance explains (exact sign test, p < 0.001)."),
    ],
)
def test_a_difference_is_held_against_chance(right, words):
    assert told(held("a", 59), held("b", right))[2:] == [f"b beside a: its robust accuracy is {words}"]


def test_no_difference_is_told_of_other_inputs():
    assert len(told(held("a", 59), held("b", 59, of=90))) == 2
    assert len(told(held("a", 59), report(**BARE))) == 2


def test_nothing_is_said_of_what_was_not_run():
    assert told(report(**BARE)) == ["No attack was run: these numbers say nothing of robustness."]


@pytest.mark.parametrize(
    ("norm", "words"),
    [
        ("linf", "change every pixel by at most 2 (51 of 255 gray levels)"),
        ("l2", "by a Euclidean length of 2 in all, which is 51 of 255 gray levels for every pixel"),
        ("l1", "change pixels by 2 in sum"),
        ("l0", "change 2 pixels as far as they go"),
        ("l4", "move within the l4 ball of radius 2"),
    ],
)
def test_each_norm_has_its_words(norm, words):
    threat = {"norm": norm, "eps": 2.0, "bounds": [0, 10], "eps_gray_levels": 51.0, "eps_share": 0.2}
    assert words in told(report(threat=threat))[0]


@cases
def test_every_report_has_words(reports):
    assert "In words" in markdown(reports)


def test_the_largest_change_is_shown():
    change = LargestChange(index=3, label=7, distance=0.3, original="AAAA", even="BBBB", random="CCCC")
    page = html([natural(), report(largest_changes=(change,))])
    assert "What eps 0.3 means to the eye" in page and "image 3, 7" in page
    assert all(f"base64,{png}" in page for png in ("AAAA", "BBBB", "CCCC"))
    assert "to the eye" not in html(CASES["one"])
