"""Searches for the smallest perturbation, where it is known: on linear models, on a quadratic one, and by hand."""

import itertools

import keras
import numpy as np
import pytest

from turtlenet import attacks, balls
from turtlenet.attacks.context import Context
from turtlenet.attacks.gradient_based.nearest import nearest_first
from turtlenet.attacks.minimum_norm.jsma import most_salient_pair
from turtlenet.attacks.run.runner import attack_all
from turtlenet.classifier import Classifier

X = np.random.default_rng(3).uniform(0.4, 0.6, size=(8, 6)).astype("float32")
DUAL = {"linf": 1, "l2": 2}


@pytest.fixture(scope="module")
def plain() -> Classifier:
    """Logits W x + b, so steep that at a boundary no third class counts in a cross-entropy."""
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    model.layers[-1].set_weights([np.random.default_rng(5).normal(0, 20, (6, 3)), np.array([2.0, 0.0, -2.0])])
    return Classifier(model)


@pytest.fixture(scope="module")
def round_model() -> Classifier:
    """Two classes that a sphere of radius 0.3 around the middle parts: 0.09 and the squared distance."""
    pixels = keras.Input((6,))
    squared = keras.ops.sum(keras.ops.square(pixels - 0.5), axis=1, keepdims=True)
    both = keras.ops.concatenate([keras.ops.zeros_like(squared) + 0.09, squared], 1)
    return Classifier(keras.Model(pixels, both))


def known(model, norm) -> np.ndarray:
    """The smallest perturbation by duality of norms; in L1 the steepest pixels fill up in turn."""
    weights, bias = model.model.layers[-1].get_weights()
    logits = X @ weights + bias
    found = []
    for image, row, label in zip(X, logits, logits.argmax(axis=1), strict=True):
        ways = []
        for other in set(range(3)) - {label}:
            slope, gap = weights[:, other] - weights[:, label], row[label] - row[other]
            if norm == "l1":
                ways.append(filled(slope, np.where(slope > 0, 1 - image, image), gap))
            else:
                ways.append(gap / np.linalg.norm(slope, DUAL[norm]))
        found.append(min(ways))
    return np.array(found)


def filled(slope, room, gap) -> float:
    """The least L1 length that closes a gap, where each pixel has so much room."""
    length = 0.0
    for pixel in np.argsort(-np.abs(slope)):
        step = min(room[pixel], gap / abs(slope[pixel]))
        length, gap = length + step, gap - step * abs(slope[pixel])
    return length


def smallest(spec, model, norm, x=X, **more) -> tuple[np.ndarray, np.ndarray]:
    """Whether the goal was reached, and how far each example went."""
    attack, y = attacks.build(spec), model.predict(x).argmax(axis=1).astype("int32")
    ball = balls.get(norm, 0.0)
    outcome = attack_all(attack, model, x, y, ball=ball.with_eps(ball.widest(x.shape[1:])), **more)
    assert np.array_equal(outcome.reached, model.predict(outcome.x).argmax(axis=1) != y)
    return outcome.reached, np.asarray(ball.distance(outcome.x, x))


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_deepfool_is_exact_on_a_linear_model(norm, plain) -> None:
    reached, length = smallest("deepfool", plain, norm)
    assert reached.all() and np.allclose(length, 1.02 * known(plain, norm), rtol=1e-4)


@pytest.mark.parametrize(
    ("spec", "norm"),
    [
        ("cw:steps=200", "l2"),
        ("cw:steps=200,form=projected", "l2"),
        ("ddn:steps=600,gamma=0.005", "l2"),
        ("fmn:steps=200", "l2"),
        ("fmn:steps=300", "linf"),
        ("fmn:steps=300", "l1"),
        ("lbfgs:searches=12", "l2"),
        ("ead:steps=300,beta=0,rule=en", "l2"),
        ("super-deepfool:overshoot=0.005", "l2"),
        ("pdpgd:steps=400", "l2"),
        ("pdpgd:steps=400", "linf"),
        ("pdpgd:steps=400", "l1"),
    ],
)
def test_the_known_minimum_within_a_hundredth(spec, norm, plain) -> None:
    reached, length = smallest(spec, plain, norm)
    best = known(plain, norm)
    # Where a bound binds, a projection onto ball and box in turn need not find the nearest point of both.
    free = best <= (0.42 if norm == "l1" else np.inf)
    length, best = length[free], best[free]
    assert len(best) >= 4 and best.min() > 0.01
    assert reached.all() and (length <= 1.01 * best + 1e-4).all() and (length >= best - 1e-5).all()


@pytest.mark.parametrize("spec", ["cw-linf:steps=200,step_size=0.002,shrink=0.98"])
def test_carlinis_limits_come_close(spec, plain) -> None:
    reached, length = smallest(spec, plain, "linf")
    assert reached.all() and (length <= 1.03 * known(plain, "linf")).all()


def test_an_augmented_lagrangian_comes_close(plain) -> None:
    # Its last steps swing around the boundary, as those of adv-lib do: see benchmarks/advlib.py.
    reached, length = smallest("alma:steps=300", plain, "l2")
    ways = length / known(plain, "l2")
    assert reached.all() and (ways >= 1 - 1e-4).all() and np.median(ways) <= 1.02 and ways.max() <= 1.2


@pytest.mark.parametrize(("norm", "more"), [("l2", ""), ("linf", ""), ("l1", ""), ("linf", ",starts=0")])
def test_a_walk_along_the_boundary_ends_at_its_nearest_point(norm, more, plain) -> None:
    reached, length = smallest(f"brendel-bethge:steps=100{more}", plain, norm)
    best = known(plain, norm)
    # It may come from noise to the boundary of another class than the nearest, and stay there.
    assert reached.all() and (length >= best - 1e-5).all() and np.mean(length <= 1.01 * best) >= 0.4


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_trusted_radius_leads_to_the_nearest_plane(norm, plain) -> None:
    # Steps of 1.02 of the way, and a ten-thousandth more each: five of them at most.
    reached, length = smallest("trust-region:radius=0.1", plain, norm)
    best = known(plain, norm)
    assert reached.all() and (length >= best - 1e-5).all() and (length <= 1.02 * best + 1e-3).all()


def test_the_fewest_values_are_found(plain) -> None:
    weights, bias = plain.model.layers[-1].get_weights()
    logits = X @ weights + bias
    y, fewest = logits.argmax(axis=1), []
    for image, row, label in zip(X, logits, y, strict=True):
        slopes = weights - weights[:, [label]]
        # What each value can gain, largest first, until the gap is closed.
        gains = np.sort(np.where(slopes > 0, slopes * (1 - image[:, None]), -slopes * image[:, None]), axis=0)[::-1]
        closed = gains.cumsum(axis=0) > row[label] - row
        fewest.append(min(1 + closed[:, other].argmax() for other in set(range(3)) - {label}))
    reached, length = smallest("sigma-zero:steps=300", plain, "l0")
    assert reached.all() and (length >= fewest).all() and (length == fewest).mean() >= 0.75 and max(fewest) > 1


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_nearest_class_comes_first(norm, plain) -> None:
    weights, bias = plain.model.layers[-1].get_weights()
    logits = X @ weights + bias
    y = logits.argmax(axis=1).astype("int32")
    slopes = np.linalg.norm(weights[:, None, :] - weights[:, y][:, :, None], DUAL[norm], axis=0)
    ways = (logits.max(axis=1, keepdims=True) - logits) / np.where(slopes > 0, slopes, 1)
    ways[np.arange(len(y)), y] = np.inf
    goal = attacks.Goal(keras.ops.convert_to_tensor(y))
    context = Context(plain, keras.ops.convert_to_tensor(X), goal, balls.get(norm, 0.1), keras.ops.zeros((8, 2)))
    assert np.array_equal(np.asarray(nearest_first(context, 9)), ways.argsort(axis=1)[:, :2])


@pytest.mark.parametrize(
    "spec",
    [
        *("cw:steps=200", "ddn:steps=600,gamma=0.005", "fmn:steps=200"),
        "super-deepfool:overshoot=0.005",
    ],
)
def test_a_sphere_is_left_by_the_shortest_way(spec, round_model) -> None:
    x = (0.5 + 0.3 * np.random.default_rng(1).uniform(-0.3, 0.3, size=(8, 6))).astype("float32")
    best = 0.3 - np.linalg.norm(x - 0.5, axis=1)
    reached, length = smallest(spec, round_model, "l2", x)
    assert reached.all() and (length <= 1.01 * best).all() and (length >= best - 1e-5).all()


@pytest.mark.parametrize("searched", ["cw:steps=100", "fmn:steps=100", "ead:steps=100", "lbfgs"])
def test_a_target_is_reached_by_way_of_its_own_plane(searched, plain) -> None:
    norm = "l1" if searched.startswith("ead") else "l2"
    weights, bias = plain.model.layers[-1].get_weights()
    y = (X @ weights + bias).argmax(axis=1).astype("int32")
    attack, ball = attacks.build(searched), balls.get(norm, 6.0)
    for shift in (1, 2):
        wanted = (y + shift) % 3
        found = attack_all(attack, plain, X, y, ball=ball, target=wanted)
        assert found.reached.any()
        assert np.array_equal(found.reached, plain.predict(found.x).argmax(axis=1) == wanted)


def test_confidence_makes_the_lead(plain) -> None:
    weights, bias = plain.model.layers[-1].get_weights()
    y = (X @ weights + bias).argmax(axis=1).astype("int32")
    found = attack_all(attacks.build("cw:steps=200,confidence=0.5"), plain, X, y, ball=balls.get("l2", 6.0))
    logits = plain.predict(found.x)
    own = np.take_along_axis(logits, y[:, None], 1)[:, 0]
    lead = np.where(np.arange(3) == y[:, None], -np.inf, logits).max(axis=1) - own
    assert found.reached.all() and (lead >= 0.499).all() and (lead <= 0.7).all()


@pytest.mark.slow
def test_an_l1_search_moves_fewer_pixels(small, images) -> None:
    x, _ = images
    ball = balls.get("l2", 8.0)
    attack = {name: attacks.build(f"{name}:steps=100") for name in ("ead", "cw")}
    y = small.predict(x).argmax(axis=1).astype("int32")
    found = {
        "ead": attack_all(attack["ead"], small, x, y, ball=balls.get("l1", 64.0)),
        "cw": attack_all(attack["cw"], small, x, y, ball=ball),
    }
    both = found["ead"].reached & found["cw"].reached
    size = {name: np.abs(one.x - x).reshape(len(x), -1)[both] for name, one in found.items()}
    assert both.all() and (size["ead"].sum(axis=1) < size["cw"].sum(axis=1)).mean() > 0.8
    assert (size["ead"] == 0).mean() > 0.5 > (size["cw"] < 1e-5).mean()


def test_carlinis_l0_moves_few(small, images) -> None:
    x, y = images
    found = attack_all(attacks.build("cw-l0:steps=50,largest_c=10"), small, x, y, ball=balls.get("l0", 64))
    moved = (found.x != x).reshape(len(x), -1).sum(axis=1)
    assert found.reached.all() and np.median(moved) <= 8


def salient(gain, loss, free) -> float:
    """The best pair's product, by looking at all of them."""
    ways = [
        (gain[p] + gain[q]) * (loss[p] + loss[q])
        for p, q in itertools.combinations(np.flatnonzero(free), 2)
        if gain[p] + gain[q] > 0 and loss[p] + loss[q] > 0
    ]
    return max(ways, default=0.0)


@pytest.mark.parametrize("tilt", [-1.0, 0.0, 0.9])
def test_the_most_salient_pair_is_that_of_all_pairs(tilt) -> None:
    rng = np.random.default_rng(0)
    gain = rng.normal(size=(20, 150)).astype("float32")
    loss = (tilt * gain + rng.normal(size=gain.shape) * (0.1 if tilt < 0 else 1)).astype("float32")
    free = rng.uniform(size=gain.shape) < 0.7
    free[0] = False
    loss[1] = -np.abs(loss[1])
    pair, found = (np.asarray(part) for part in most_salient_pair(gain, loss, free))
    for row in range(len(gain)):
        best = salient(gain[row].astype("float64"), loss[row].astype("float64"), free[row])
        chosen = np.flatnonzero(pair[row])
        assert bool(found[row]) == (best > 0)
        assert len(chosen) == (2 if best > 0 else 0) and free[row][chosen].all()
        assert np.isclose(gain[row][chosen].sum() * loss[row][chosen].sum(), best, rtol=1e-5)
    assert not found[0] and not found[1] and found[2:].any()


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("theta", [1.0, -0.4])
def test_jsma_is_algorithm_3(targeted, theta, plain) -> None:
    weights, bias = (part.astype("float64") for part in plain.model.layers[-1].get_weights())
    y = (X @ weights + bias).argmax(axis=1).astype("int32")
    wanted = ((y + 1) % 3).astype("int32")
    attack = attacks.build(f"jsma:gamma=1,output=logits,theta={theta}")
    found = attack_all(attack, plain, X, y, ball=balls.get("l0", 6), target=wanted if targeted else None)
    hits = 0
    for row, (image, label, aim) in enumerate(zip(X.astype("float64"), y, wanted, strict=True)):
        sign = np.sign(theta)
        gain = weights[:, aim] if targeted else -weights[:, label]
        loss = -(weights.sum(1) - weights[:, aim]) if targeted else weights.sum(1) - weights[:, label]
        point = image.copy()
        for _ in range(3):
            free = point < 1 if theta > 0 else point > 0
            pairs = {
                (p, q): (gain[p] + gain[q]) * (loss[p] + loss[q])
                for p, q in itertools.combinations(np.flatnonzero(free), 2)
                if sign * (gain[p] + gain[q]) > 0 and sign * (loss[p] + loss[q]) > 0
            }
            if not pairs:
                break
            point[list(max(pairs, key=pairs.get))] += theta
            point = np.clip(point, 0, 1)
            answer = (point @ weights + bias).argmax()
            if answer == aim if targeted else answer != label:
                hits += 1
                assert found.reached[row] and np.allclose(found.x[row], point, atol=1e-6)
                break
        else:
            assert not found.reached[row]
    assert hits == found.reached.sum() and (hits > 0 or (theta > 0 and not targeted))


def test_jsma_moves_no_more_than_gamma(small, images) -> None:
    x, y = images
    found = attack_all(attacks.build("jsma:gamma=0.07"), small, x, y, ball=balls.get("l0", 64))
    assert ((found.x != x).reshape(len(x), -1).sum(axis=1) <= 4).all()


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["cw:steps=40,searches=4", "fmn:steps=30", "deepfool", "jsma:gamma=0.5"])
def test_stages_find_what_one_graph_finds(spec, small, images) -> None:
    x, y = images
    attack = attacks.build(spec)
    ball = balls.get(attack.norms[0], 0.0)
    ball = ball.with_eps(ball.widest((8, 8, 1)))
    whole, parts = attack.run(small, x, y, ball=ball), attack_all(attack, small, x, y, ball=ball, batch_size=8)
    assert np.array_equal(np.asarray(whole.reached), parts.reached) and parts.reached.any()
    length, other = (np.asarray(ball.distance(moved, x)) for moved in (whole.x, parts.x))
    assert np.allclose(length, other, rtol=0.02)
    assert np.array_equal(np.asarray(whole.queries), parts.queries)


def test_early_stopping_is_content_within_the_ball(small, images) -> None:
    x, y = images
    ball = balls.get("l2", 3.0)
    full = attack_all(attacks.build("cw:steps=100"), small, x, y, ball=ball)
    short = attack_all(attacks.build("cw:steps=100,early_stop=true"), small, x, y, ball=ball)
    assert np.array_equal(full.reached, short.reached) and full.reached.any()
    assert short.gradients.sum() < full.gradients.sum() / 2


def test_what_is_wrong_already_stays(small, images) -> None:
    x, y = images
    found = attack_all(attacks.build("cw:steps=10"), small, x, (y + 1) % 4, ball=balls.get("l2", 3.0))
    assert found.reached.all() and np.array_equal(found.x, x) and not found.gradients.any()


@pytest.mark.slow
def test_cw_keeps_a_pixel_where_it_can_come_back_from(linear) -> None:
    # Beyond the last float32 before a bound nothing is gained, and every step out takes a step back.
    attack = attacks.build("cw:steps=30,step_size=2,c=100,abort_early=false,searches=1")
    x = np.tile(np.linspace(0, 1, 6, dtype="float32"), (8, 1))
    y = linear.predict(x).argmax(axis=1).astype("int32")
    ball, goal, key = balls.get("l2", 3.0), attacks.Goal(y), np.zeros((8, 2), "uint32")
    context = Context(linear, x, goal, ball, key)
    state = attack.begin(context)
    for step in range(20):
        state = attack.advance(step, state, context)
    place = np.asarray(state[-3])
    assert place.shape == x.shape and np.abs(place).max() == pytest.approx(np.arctanh(0.999999), abs=0.01)


@pytest.mark.parametrize(("spec", "gradients"), [("fab", 7 * 9), ("fab-t", 7), ("fab:target=3", 7)])
def test_an_attempt_at_one_class_takes_a_gradient_a_step(spec: str, gradients: int) -> None:
    name, _, rest = spec.partition(":")
    attack = attacks.build(f"{name}:steps=7" + (f",{rest}" if rest else ""))
    assert attack.attempt_gradients(10) == gradients
