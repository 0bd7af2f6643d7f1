"""The rule by which parts are run or left out, on made-up numbers."""

import math

import numpy as np
import pytest

from turtlenet.evaluation.planner.account import Audit, changed_at_most
from turtlenet.evaluation.planner.choice import (
    EVERYTHING,
    NOTHING,
    Known,
    followed,
    order_of,
    plan_of,
    upper_bound,
    within,
)

PRICES, RANKS = [100.0] * 3, [0] * 3


def known(broke, cost=100.0, near=0.0) -> Known:
    """Parts that were run on all images; of those that they broke they took a tenth of the cost."""
    broke = np.array(broke, bool)
    costs = np.broadcast_to(np.reshape(cost, (-1, 1)) if np.ndim(cost) == 1 else cost, broke.shape)
    nears = np.broadcast_to(near, broke.shape).astype("float64")
    return Known(np.ones_like(broke), broke, np.where(broke, costs / 10, costs), nears)


def test_what_breaks_most_for_its_cost_comes_first() -> None:
    broke = [[1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0]]
    assert order_of(known(broke), PRICES) == [0, 2, 1]
    # Three times as dear: one image for 100 pays more than three for 1,000.
    assert order_of(known(broke, [1000.0, 50.0, 100.0]), PRICES) == [1, 2, 0]


def test_a_part_goes_as_far_down_as_it_was_seen_to_break() -> None:
    near = np.arange(20.0)[::-1]
    broke = np.zeros((2, 20), bool)
    broke[1, 7] = True
    # The eighth nearest of 20 was broken: half as far again is twelve.
    steps = plan_of(known(broke, near=near), PRICES[:2], RANKS[:2], allowance=0.0)
    assert [step.part for step in steps] == [1, 0] and steps[0].bar == EVERYTHING
    broke[0, :10] = True
    broke[0, 7] = False
    steps = plan_of(known(broke, near=near), PRICES[:2], RANKS[:2], allowance=0.0)
    assert [step.part for step in steps] == [0, 1]
    standing = np.flatnonzero(~broke[0])
    assert (near[standing] >= steps[1].bar).sum() == math.ceil(1.5 * 1)


def test_an_allowance_pays_for_the_nearest_of_what_was_never_broken() -> None:
    near = np.arange(100.0)
    broke = np.zeros((3, 100), bool)
    plan = plan_of(known(broke, [50.0, 100.0, 400.0], near=near), PRICES, [0, 0, 1], allowance=100.0)
    taken = {step.part: step.takes(np.ones(100, bool), near).sum() for step in plan}
    assert taken == {0: 100, 1: 100, 2: 13}
    first = plan_of(known(broke, near=near), PRICES, [0, math.inf, math.inf], allowance=100.0)
    assert [step.bar for step in first] == [EVERYTHING, NOTHING, NOTHING]
    nothing = plan_of(known(broke, near=near), PRICES, RANKS, allowance=0.0)
    assert [step.bar for step in nothing] == [EVERYTHING, NOTHING, NOTHING]
    everything = plan_of(known(broke, near=near), PRICES, RANKS, allowance=math.inf)
    assert {step.bar for step in everything} == {EVERYTHING}


def test_where_half_of_the_images_stand_an_allowance_pays_for_half_as_large_a_share_of_them() -> None:
    broke = np.zeros((2, 100), bool)
    broke[0, :50] = True
    near = np.arange(100.0)
    plan = plan_of(known(broke, [100.0, 400.0], near=near), PRICES[:2], RANKS[:2], allowance=100.0)
    assert [step.part for step in plan] == [0, 1]
    # A quarter of 50 if all images stood; of the half that stands an eighth.
    assert plan[1].takes(~broke[0], near).sum() == math.ceil(50 / 8)


def test_where_nothing_stands_nothing_is_left_out() -> None:
    plan = plan_of(known(np.ones((3, 10), bool)), PRICES, RANKS, allowance=0.0)
    assert {step.bar for step in plan} == {EVERYTHING}


def test_following_a_plan_finds_and_costs_what_it_says() -> None:
    broke = np.zeros((2, 10), bool)
    broke[0, :4] = broke[1, 4] = True
    all_known = known(broke, near=np.arange(10.0)[::-1])
    standing, cost = followed(plan_of(all_known, PRICES[:2], RANKS[:2]), all_known)
    assert np.array_equal(standing, ~broke.any(axis=0))
    assert cost.tolist() == [10.0] * 4 + [110.0] + [200.0] * 5


@pytest.mark.parametrize("budget", [60.0, 120.0, 250.0])
def test_a_plan_keeps_its_budget_and_uses_it(budget) -> None:
    broke = np.zeros((3, 50), bool)
    broke[0, :10] = broke[1, 10:12] = True
    all_known = known(broke, near=np.arange(50.0)[::-1])
    plan = within(all_known, PRICES, RANKS, budget)
    cost = followed(plan, all_known)[1].mean()
    # The first part alone is the least that there is.
    assert cost <= max(budget, 82.0) and plan[0].bar == EVERYTHING
    assert (plan[-1].bar == EVERYTHING) == (budget == 250.0)


def test_the_bound_is_that_of_clopper_and_pearson() -> None:
    assert np.isclose(upper_bound(0, 50, 0.05), 1 - 0.05 ** (1 / 50))
    assert upper_bound(3, 3, 0.05) == 1.0 and upper_bound(2, 50, 0.05) > upper_bound(1, 50, 0.05) > 0.05
    # One audit of 50 that found nothing; a second one has half the error; one that found something bounds nothing.
    assert changed_at_most([Audit(50, 0)], 950, 900) == math.ceil((1 - 0.025 ** (1 / 50)) * 1000)
    assert changed_at_most([Audit(50, 1), Audit(50, 0)], 900, 900) == math.ceil((1 - 0.0125 ** (1 / 50)) * 950)
    assert changed_at_most([Audit(50, 0)], 950, 7) == 7
    assert changed_at_most([], 100, 9) == changed_at_most([Audit(50, 2)], 100, 9) == 9


def test_the_bound_holds_as_often_as_it_says() -> None:
    # A random split: the rest has more than the bound in one case of twenty at most.
    draw, wrong = np.random.default_rng(0), 0
    for share in (0.02, 0.05, 0.08):
        for _ in range(500):
            missed = draw.permutation(np.arange(400) < share * 400)
            if not missed[:50].any():
                wrong += int(missed[50:].sum()) > changed_at_most([Audit(50, 0)], 350, 350)
    assert wrong <= 0.05 * 1500
