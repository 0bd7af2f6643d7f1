"""Evaluations in adaptive order, on a model of which each image is broken by another part of the suite."""

import itertools
import math
from dataclasses import dataclass

import keras
import numpy as np
import pytest
from keras import ops

import turtlenet as tn
from turtlenet import balls
from turtlenet.attacks.base import Attack, attacks
from turtlenet.attacks.context import SearchResult
from turtlenet.errors import SettingError
from turtlenet.evaluation import time_limit
from turtlenet.evaluation.cascade import Cascade, ImageBlock
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.planner import run
from turtlenet.evaluation.planner.record import CODE
from turtlenet.evaluation.planner.units import nearest_first, ranks_of, units_of
from turtlenet.ranges import count

KINDS = 4
COUNT = 120
SUITE = [f"tests.evaluation.planner.test_planner:Push:feature={kind}" for kind in range(KINDS)]
EPS = 0.1


@dataclass(frozen=True, kw_only=True)
class Push(Attack):
    """Moves one feature up by the radius.

    Args:
        feature: Which.
    """

    feature: int = count(0)

    @property
    def family(self) -> str:
        return "iterative"

    def search(self, model, x, goal, *, ball, key):
        step = ops.one_hot(ops.convert_to_tensor([self.feature]), x.shape[1], dtype="float32") * ball.eps
        return SearchResult(x + step, gradients=100)


@keras.saving.register_keras_serializable("tests")
class Fooled(keras.layers.Layer):
    """Class 1 where the feature that an image's mark names is above 0.5; else class 0."""

    def call(self, x):
        moved = ops.max(x[:, :KINDS] * x[:, KINDS:], axis=1, keepdims=True)
        return ops.concatenate([ops.zeros_like(moved) + 0.5, moved], axis=1)


def images(kinds) -> np.ndarray:
    """Images that only the part of their kind breaks; none for a kind that there is not."""
    x = np.full((len(kinds), 2 * KINDS), 0.45, "float32")
    x[:, KINDS:] = np.asarray(kinds)[:, None] == np.arange(KINDS)
    return x


@pytest.fixture(scope="module")
def model():
    return keras.Sequential([keras.Input((2 * KINDS,)), Fooled()])


@pytest.fixture(autouse=True)
def few(monkeypatch) -> None:
    """Small samples, so that the tests are small."""
    monkeypatch.setattr(run, "_LEAST", 15)
    monkeypatch.setattr(run, "_LEARNED_SHARE", 4)
    monkeypatch.setattr(run, "_FEWEST", 5)


def evaluate(model, kinds, **settings):
    x = images(kinds)
    asked = {"attacks": SUITE, "eps": EPS, "bounds": (0.0, 1.0), "curve": 0, "limit": None, "head": "logits"}
    asked |= {"mode": "cascade", "batch_size": 32, "tell": lambda line: None}
    return tn.evaluate(model, (x, np.zeros(len(x), "int32")), **asked, **settings)


def share(report) -> float:
    """What the attacks alone leave: the checks beside them count in the headline too."""
    return report.attacks[-1].accuracy


@pytest.mark.parametrize("shuffled", [False, True])
def test_each_image_is_broken_by_another_part(model, shuffled) -> None:
    # In turn, or all of a kind together: who would learn from the first images alone would see one kind.
    kinds = np.arange(COUNT) % (KINDS + 1) if shuffled else np.arange(COUNT) * (KINDS + 1) // COUNT
    full, adaptive = evaluate(model, kinds), evaluate(model, kinds, order="adaptive")
    assert share(full) == share(adaptive) == pytest.approx((kinds == KINDS).mean())
    assert [row.accuracy for row in full.attacks] == [row.accuracy for row in adaptive.attacks]
    assert full.verdicts["robust"] == adaptive.verdicts["robust"]
    assert sum(part.broke for part in adaptive.plan.parts) == (kinds < KINDS).sum()


def test_what_a_rare_part_would_have_broken_stays_below_the_bound(model, monkeypatch) -> None:
    monkeypatch.setattr(run, "plan_of", lambda known, prices, ranks: PLAN(known, prices, ranks, 0.0))
    kinds = np.where(np.arange(COUNT) % 3 == 0, 0, KINDS)
    order = np.random.default_rng([run._ORDER, 0]).permutation(COUNT)
    # Two images of a kind that neither learning nor the audit sees.
    hidden = [row for row in order[60:] if kinds[row] == KINDS][:2]
    kinds[hidden] = 3
    adaptive = evaluate(model, kinds, order="adaptive")
    assert share(adaptive) - (kinds == KINDS).mean() == pytest.approx(2 / COUNT, abs=1e-6)
    assert adaptive.plan.bound >= 2 / COUNT - 1e-6 and adaptive.plan.left >= 2 and not adaptive.plan.missed
    doubt = next(each for each in adaptive.doubts if each.code == CODE)
    assert "at most" in doubt.finding and "--order full" in doubt.advice
    assert {part.name: part.skipped for part in adaptive.plan.parts}[SUITE[3]] == adaptive.plan.left


PLAN = run.plan_of


def test_an_audit_that_finds_something_makes_another_plan(model, monkeypatch) -> None:
    monkeypatch.setattr(run, "plan_of", lambda known, prices, ranks: PLAN(known, prices, ranks, 0.0))
    kinds = np.where(np.arange(COUNT) % 3 == 0, 0, KINDS)
    order = np.random.default_rng([run._ORDER, 0]).permutation(COUNT)
    # Kind 2 is seen by nobody before the audit, and is common after it.
    kinds[order[30::6]] = 2
    adaptive = evaluate(model, kinds, order="adaptive")
    assert adaptive.plan.audits > 1 and share(adaptive) == pytest.approx((kinds == KINDS).mean())


def test_an_audit_leaves_alone_what_was_found_before(model) -> None:
    kinds = np.arange(8) % KINDS
    x, y = images(kinds), np.zeros(8, "int32")
    victim, ball = tn.models.classifier(model, bounds=(0.0, 1.0), head="logits"), balls.get("linf", EPS)
    cascade = Cascade(attacks=(Push(feature=0),), ball=ball, batch_size=8)
    per_image, block = PerImageResults.empty(y, 1, 0), ImageBlock(np.arange(8), x, y)
    cascade.ask(victim, block, per_image)
    # The plan takes the first four; the audit, afterwards, the others.
    for taken in (np.arange(8) < 4, np.arange(8) >= 4):
        cascade.attack_block(0, victim, block, taken, per_image)
        assert np.array_equal(~per_image.correct[0] & taken, (kinds == 0) & taken)
    assert np.array_equal(per_image.correct[0], kinds != 0)


def test_a_killed_run_goes_on_where_it_was(model, tmp_path, monkeypatch) -> None:
    kinds = np.arange(COUNT) % (KINDS + 1)
    whole = evaluate(model, kinds, order="adaptive")
    chunk, calls = run.PlannedRun._chunk, []

    def killed(self, rows, done, work):
        calls.append(done)
        if len(calls) == 3:
            raise KeyboardInterrupt
        chunk(self, rows, done, work)

    monkeypatch.setattr(run.PlannedRun, "_chunk", killed)
    with pytest.raises(KeyboardInterrupt):
        evaluate(model, kinds, order="adaptive", progress=tmp_path)
    ran = []
    monkeypatch.setattr(run.PlannedRun, "_chunk", chunk)
    attack = run.PlannedRun._attack
    monkeypatch.setattr(
        run.PlannedRun,
        "_attack",
        lambda self, at, block, taken: ran.extend(block.rows) or attack(self, at, block, taken),
    )
    again = evaluate(model, kinds, order="adaptive", progress=tmp_path, resume=True)
    assert again.verdicts == whole.verdicts and again.plan == whole.plan
    assert 0 < len(set(ran)) <= COUNT - 45


def test_a_budget_is_kept(model) -> None:
    kinds = np.arange(COUNT) % (KINDS + 1)
    full = evaluate(model, kinds, order="adaptive")
    cheap = evaluate(model, kinds, budget=250)
    assert cheap.plan.each <= 250 < full.plan.each and share(cheap) > share(full)
    assert cheap.plan.bound >= share(cheap) - share(full)
    rich = evaluate(model, kinds, budget=10_000)
    assert rich.plan.left == 0 and share(rich) == share(full) and CODE not in {each.code for each in rich.doubts}


def test_attempts_are_units_of_their_own() -> None:
    units = units_of([attacks.build("autoattack")], "linf", 10)
    whole = [unit for unit in units if unit.whole is None]
    assert len(whole) == 1 + 9 + 9 + 1 and [unit.attack.queries for unit in units[-3:]] == [500, 1500, 5000]
    assert {unit.whole for unit in units if unit.whole is not None} == {len(units) - 1}
    assert units[3].title.endswith("(attempt 3 of 9)")
    # FAB goes for the classes that the targeted rounds before it went for; Square for none.
    assert [rank for rank in ranks_of(units) if rank < math.inf] == [0, *range(9), *range(9, 18), 0]
    restarts = units_of([attacks.build("pgd:restarts=3"), attacks.build("fab-t")], "linf", 10)
    assert ranks_of(restarts) == [0, 1, 2, *range(9)]


def test_targets_come_nearest_first() -> None:
    units = units_of([attacks.build("autoattack")], "linf", 10)
    assert {str(unit.attack) for unit in units[1:10]} == {"malt:candidates=20"}
    for spec in ("apgd-t:loss=margin", "apgd-t:restarts=2", "apgd-dlr", "malt"):
        assert nearest_first(attacks.build(spec)) == attacks.build(spec)
    shorter = nearest_first(attacks.build("apgd-t:steps=7,target=top3,early_stop=False"))
    assert shorter == attacks.build("malt:steps=7,target=top3,early_stop=False,candidates=20")
    # Without the ratio there is no such attack.
    assert "malt" not in str(units_of([attacks.build("apgd-t")], "linf", 3)[0].attack)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"order": "adaptve"}, "Unknown order 'adaptve'"),
        ({"budget": 0}, "Expected budget >= 1; got 0"),
        ({"budget": 3, "attacks": ["pgd"]}, "Expected a budget that pays for a part of the attacks"),
        ({"budget": 500, "order": "full"}, "Expected order adaptive with a budget of 500; got full"),
        ({"order": "adaptive", "mode": "table"}, "Expected mode cascade with order adaptive; got table"),
        ({"order": "adaptive", "labels": "predicted"}, "Expected true labels with order adaptive"),
        (
            {"order": "adaptive", "access": "black-box:substitute=lenet"},
            "Expected access white-box with order adaptive",
        ),
        ({"order": "adaptive", "attacks": ["pgd:eps=0.2"]}, "for attacks with a ball of their own"),
    ],
)
def test_what_cannot_be_planned_is_refused(model, asked, words) -> None:
    with pytest.raises((SettingError, tn.errors.SpecError)) as caught:
        x = images(np.arange(8) % 5)
        how = {"attacks": SUITE, "eps": EPS, "bounds": (0.0, 1.0), "curve": 0, "head": "logits"}
        how["tell"] = lambda line: None
        tn.evaluate(model, (x, np.zeros(8, "int32")), **{**how, **asked})
    assert words in str(caught.value) and "\n" not in str(caught.value)


def clock(monkeypatch, step: int) -> None:
    """Time that goes on by so much whenever it is asked for."""
    ticks = itertools.count(0, step)
    monkeypatch.setattr(time_limit, "now", lambda: float(next(ticks)))


def test_a_time_takes_as_many_images_as_fit_drawn_at_random(model, monkeypatch) -> None:
    kinds = np.arange(COUNT) * (KINDS + 1) // COUNT
    clock(monkeypatch, 1)
    report = evaluate(model, kinds, order="adaptive", time="18s")
    count = report.data["count"]
    assert 30 < count < COUNT and report.data["wanted"] == COUNT and report.plan.images == count
    # The first images in order would all be of one kind.
    rows = np.sort(np.random.default_rng([run._ORDER, 0]).permutation(COUNT)[:count])
    assert report.verdicts["robust"] == (kinds[rows] == KINDS).astype(int).tolist()
    assert share(report) == pytest.approx((kinds[rows] == KINDS).mean(), abs=1e-6)
    assert report.doubts[0].code == time_limit.CODE and f"{count}, drawn at random, of 120" in report.doubts[0].finding


def test_a_time_below_one_batch_is_refused(model, monkeypatch) -> None:
    clock(monkeypatch, 9)
    with pytest.raises(SettingError, match="Expected a time that one batch, 15 rows, fits into; got 10 s"):
        evaluate(model, np.arange(COUNT) % KINDS, order="adaptive", time="10s")
