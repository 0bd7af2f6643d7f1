"""What a model's file tells of its training is told again, and nothing else."""

from types import SimpleNamespace

import pytest

from tests.evaluation.views.test_views import html, markdown, report
from turtlenet.training.run.curves import MOST, Curves, thinned, training_told

HISTORY = [
    {"epoch": 1, "loss": 2.0, "val_robust_accuracy": 0.25},
    {"epoch": 2, "loss": 1.0, "val_robust_accuracy": 0.5},
]
PROVENANCE = {
    "recipe": {"objective": {"name": "madry", "attack": {"name": "pgd", "steps": 3}}},
    "training": {"steps": 12, "best_epoch": 2, "history": HISTORY},
}


def test_every_epoch_is_noted_once():
    notes = {"history": [{"epoch": 1, "loss": 2.0}]}
    curves = Curves(notes)
    curves.on_epoch_end(1, {"loss": 1.23456789, "val_accuracy": float("nan")})
    curves.on_epoch_end(2)
    assert notes["history"] == [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.234568}, {"epoch": 3}]


def test_a_long_run_is_thinned():
    history = [{"epoch": number} for number in range(1, 10_001)]
    kept = thinned(history)
    assert len(kept) == MOST and (kept[0], kept[-1]) == (history[0], history[-1])


def test_what_a_file_tells():
    assert training_told(PROVENANCE) == {
        "objective": "madry", "attack": "pgd", "steps": 12, "best_epoch": 2, "history": HISTORY
    }  # fmt: skip
    assert training_told(None) == {} == training_told({"recipe": 3, "training": [1]})


@pytest.mark.parametrize(
    "history",
    [
        3,
        "x",
        [3],
        [{"loss": 1.0}],
        [{"epoch": "1"}],
        [{"epoch": True}],
        [{"epoch": float("nan")}],
        [{"epoch": 10**400}],
        [{"epoch": [1]}],
    ],
)
def test_what_does_not_look_like_a_history_is_left_out(history):
    assert "history" not in training_told({"training": {"history": history}})


def test_a_name_that_no_attack_has_is_not_told():
    recipe = {"objective": {"name": "madry", "attack": {"name": "os:system"}}}
    assert training_told({"recipe": recipe}) == {"objective": "madry"}


def test_a_report_shows_the_curves():
    one = report(training=training_told(PROVENANCE))
    page, text = html([one]), markdown([one])
    assert "Epoch 2 was best: robust 50.0 % on the validation images" in page
    assert "Objective madry, attack pgd, 12 steps; the weights of epoch 2 were kept" in text
    assert "| 2 | 1 | 0.500 |" in text
    assert "Training" not in markdown([report()])
    short = SimpleNamespace(**{**PROVENANCE["training"], "history": HISTORY[:1]})
    assert "Training" in html([report(training=vars(short))])
