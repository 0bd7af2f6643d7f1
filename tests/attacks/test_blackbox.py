"""Attacks without gradients: what they ask for is what they say, and they find what can be worked out by hand."""

import numpy as np
import pytest
from keras import ops
from scipy import stats

from turtlenet import attacks, backend, balls, random
from turtlenet.attacks.context import Context
from turtlenet.attacks.decision_based.nearest_start import nearest_start
from turtlenet.attacks.decision_based.rambo import _State
from turtlenet.attacks.goal import Goal
from turtlenet.attacks.query_attack import cosines, directions
from turtlenet.attacks.run.runner import attack_all
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError

SMALL = {
    "spsa": "samples=10",
    "nes": "samples=10",
    "zoo": "coordinates=8,searches=2",
    "simba": "",
    "one-pixel": "population=12",
    "local-search": "candidates=16",
    "single-pixel": "",
    "boundary": "starts=5",
    "hopskipjump": "starts=5,evaluations=10",
    "geoda": "starts=5,iterations=2,halvings=4",
    "sign-opt": "starts=5,evaluations=10,halvings=4",
    "surfree": "starts=5,halvings=4",
    "rambo": "starts=5,evaluations=10,window=12",
    "pointwise": "starts=5",
    "additive-gaussian": "draws=3",
    "additive-uniform": "draws=3",
    "salt-and-pepper": "draws=3",
    "contrast": "",
    "blur": "",
}
FULL = {"linf": 1.0, "l2": 8.0, "l0": 64.0}
X = np.random.default_rng(3).uniform(0.35, 0.65, size=(8, 6)).astype("float32")


def build(name: str, queries: int, more: str = "") -> attacks.Attack:
    settings = ",".join(part for part in (SMALL[name], more, f"queries={queries}") if part)
    return attacks.build(f"{name}:{settings}")


class Counting(Classifier):
    """Counts the images that it answers for; outside a graph, where every call is a call."""

    rows = 0

    def __call__(self, x, *, training=False):
        self.rows += x.shape[0]
        return super().__call__(x, training=training)


@pytest.mark.tensorflow
@pytest.mark.parametrize("queries", [45])
@pytest.mark.parametrize("name", SMALL)
def test_queries_are_the_passes_that_were_made(name, queries, small, images) -> None:
    x, y = (ops.convert_to_tensor(part[:1]) for part in images)
    attack, model = build(name, queries), Counting(small.model)
    # So small a ball holds no success for those who look within it; the others look for the smallest all the same.
    ball = balls.get(attack.norms[0], 1e-4)
    found = attack.search(model, x, Goal(y), ball=ball, key=random.keys(0, ops.arange(1)))
    assert model.rows == int(np.max(np.asarray(found.queries)))
    assert 0.4 * queries < model.rows <= queries or name in ("pointwise", "hopskipjump")
    assert model.rows <= queries


def test_one_query_is_a_start(small, images) -> None:
    x, y = images
    found = attack_all(attacks.build("square:queries=1"), small, x, y, ball=balls.get("linf", FULL["linf"]))
    # Beside it two looks at what came of it.
    assert (found.queries <= 3).all() and np.abs(found.x - x).max() > 0.1


def test_a_start_found_late_pays_for_no_bisection(small, images) -> None:
    x, y = images
    spent = [
        np.asarray(
            attacks.build(f"boundary:queries=14,target={target}").run(small, x, y, ball=balls.get("l2", 1)).queries
        )
        for target in range(small.num_classes)
    ]
    # Some find their start when fewer than ten queries are left; beside those two looks at what came of it.
    assert np.max(spent) == 16


@pytest.mark.parametrize("name", SMALL)
def test_the_budget_is_never_exceeded_and_a_success_may_cost_less(name, small, images) -> None:
    x, y = images
    attack = build(name, 100)
    norm = attack.norms[0]
    found = attack.run(small, x, y, ball=balls.get(norm, FULL[norm]))
    spent = np.asarray(found.queries)
    assert (spent <= 102).all() and (np.asarray(found.gradients) == 0).all()
    assert np.asarray(found.reached).any() or name in ("single-pixel", "one-pixel", "zoo")
    if getattr(attack, "early_stop", False):
        assert spent.min() < 100


def distances(linear, y, norm: str) -> np.ndarray:
    """Distances (images, classes) to the boundary of each class in the linear model; infinite for the label's own."""
    weights, bias = linear.model.layers[-1].get_weights()
    logits, dual = X @ weights + bias, {"l2": 2, "linf": 1}[norm]
    rows = np.arange(len(X))
    lead = logits[rows, y][:, None] - logits
    steep = np.linalg.norm(weights[:, y].T[:, :, None] - weights[None], dual, axis=1)
    return np.where(np.arange(3) == y[:, None], np.inf, lead / np.maximum(steep, 1e-9))


@pytest.mark.parametrize(
    ("spec", "norm", "slack"),
    [
        ("boundary:queries=3000", "l2", 0.02),
        ("hopskipjump:queries=4000", "l2", 0.02),
        ("hopskipjump:queries=4000", "linf", 0.05),
        ("geoda:queries=2000", "l2", 0.02),
        ("geoda:queries=4000", "linf", 0.05),
        ("sign-opt:queries=3000", "l2", 0.02),
        ("surfree:queries=3000,waves=1", "l2", 0.02),
        ("rambo:queries=4000", "l2", 0.02),
        ("zoo:queries=8000,coordinates=6,searches=4,step=0.003", "l2", 0.05),
    ],
)
def test_the_smallest_perturbation_of_a_linear_model(spec, norm, slack, linear) -> None:
    y = linear.predict(X).argmax(axis=1)
    ball = balls.get(norm, {"l2": 2.4, "linf": 1.0}[norm])
    found = attacks.build(spec).run(linear, X, y, ball=ball, seed=1)
    assert np.asarray(found.reached).all()
    far, planes = np.asarray(ball.distance(ops.convert_to_tensor(found.x), X)), distances(linear, y, norm)
    assert (far >= planes.min(axis=1) - 1e-5).all()
    # A walk may end at the boundary of another class than the nearest; there it must be where it is nearest.
    own = planes[np.arange(len(X)), linear.predict(np.asarray(found.x)).argmax(axis=1)]
    assert np.median(far / own) < 1 + slack and np.mean(own == planes.min(axis=1)) >= 0.5


def rambo_at(model, x, y, spec):
    attack = attacks.build(spec)
    goal, x = Goal(ops.convert_to_tensor(y, "int32")), ops.convert_to_tensor(x)
    context = Context(model, x, goal, balls.get("l2", 1e-4), random.keys(1, ops.arange(len(y))))
    return attack, attack.begin(context), context


@pytest.mark.tensorflow
@pytest.mark.parametrize(("starts", "queries"), [(3, 90), (1, 40), (5, 8)])
def test_a_start_is_the_first_boundary_on_the_way_to_noise(starts, queries, small, images) -> None:
    for row in range(3):
        x, y = (ops.convert_to_tensor(part[row : row + 1]) for part in images)
        model = Counting(small.model)
        context = Context(model, x, Goal(y), balls.get("l2", 1.0), random.keys(0, ops.arange(1) + row))
        point, started, spent = nearest_start(starts, queries, context)
        assert model.rows == int(spent[0]) <= queries
        moved = np.asarray(point - x)
        assert bool(started[0]) and (small.predict(np.asarray(point)).argmax(axis=1) != np.asarray(y)).all()
        if queries > 15 + starts:
            # What lies before it is answered rightly, as far as it was looked along.
            shares = np.linspace(0, 0.99, 12)[:, None, None, None]
            before = small.predict((np.asarray(x) + shares * moved).astype("float32")).argmax(axis=1)
            assert (before == np.asarray(y)).mean() > 0.9


def test_a_pass_of_blocks_moves_every_value_towards_the_input_once(small, images) -> None:
    x = images[0][:4]
    # Every point is a success for a label that the model never answers.
    attack, begun, context = rambo_at(small, x, np.full(4, 9), "rambo:queries=1000,starts=1,width=0,shrink=2")
    start = np.where(np.arange(64).reshape(1, 8, 8, 1) % 4 == 0, x, 1 - x).astype("float32")
    here, first = ops.ones((4,), "bool"), np.asarray(begun[-1])
    after = _State(*begun)._replace(point=ops.convert_to_tensor(start), size=ops.full((4,), 0.2))
    for _ in range(2):  # 64 values, 50 in each iteration.
        after, ended = attack._descend(0, after, here, context)
    way = x - start
    assert np.allclose(after.point, np.where(np.abs(way) <= 0.2, x, start + 0.2 * np.sign(way)), atol=1e-6)
    assert np.array_equal(np.asarray(after.spent) - first, (way != 0).reshape(4, -1).sum(axis=1))
    # The next pass moves half as far.
    way = x - np.asarray(after.point)
    ends = np.where(np.abs(way) <= 0.1, x, np.asarray(after.point) + 0.1 * np.sign(way))
    for _ in range(2):
        after, ended = attack._descend(0, after, here, context)
    assert np.allclose(after.point, ends, atol=1e-6) and not np.asarray(ended).any()


def test_a_block_is_a_square_in_one_channel() -> None:
    attack, x = attacks.build("rambo:width=1,blocks=2"), ops.zeros((1, 4, 5, 3))
    middles = ops.convert_to_tensor([[0, (2 * 5 + 3) * 3 + 2]], "int32")
    known = np.zeros((1, 4, 5, 3), bool)
    known[0, :2, :2, 0] = known[0, 1:4, 2:5, 2] = True
    assert np.array_equal(np.asarray(attack._around(middles, ops.ones((1, 2), "bool"), x)), known)
    known[0, :2, :2, 0] = False
    assert np.array_equal(np.asarray(attack._around(middles, ops.convert_to_tensor([[False, True]]), x)), known)


def test_the_phases_follow_where_the_gain_is_too_little(linear) -> None:
    y = linear.predict(X).argmax(axis=1)
    attack, begun, context = rambo_at(linear, X, y, "rambo:queries=1200,window=100,evaluations=10")
    graph = backend.compiled(lambda last: attack.between(0, last, begun, context))
    seen = [[np.asarray(each) for each in graph(ops.convert_to_tensor(last))] for last in (1, 20, attack.length)]
    phases = np.array([state[1] for state in seen])
    assert phases[0].min() == 0 and (np.diff(phases, axis=0) >= 0).all() and phases[1].max() >= 1
    assert (phases[2] == 2).all()
    # The linear model has no local minimum; what the blocks and the turns add does not undo what the jumps found.
    far = np.array([np.linalg.norm(state[0] - X, axis=1) for state in seen])
    assert (far[1] <= far[0] + 1e-6).all() and (far[2] <= far[1] + 1e-6).all()
    assert (seen[2][8] <= 1200).all() and (seen[2][8] > 1100).all() and (far[2] > 0).all()


def test_a_budget_is_parted_among_many_iterations() -> None:
    attack = attacks.build("geoda:iterations=1000,shrink=0.3,queries=100000")
    last = attack._answers(ops.convert_to_tensor(999), ops.convert_to_tensor([0]))
    assert np.asarray(last) == [99980]


def test_directions_are_gaussian_and_an_example_keeps_its_own() -> None:
    keys = random.keys(5, ops.arange(40))
    drawn, lengths = directions(keys, 3, 10, 20, 50)
    ways = np.asarray(drawn)
    assert ways.shape == (40, 20, 50)
    assert np.allclose(np.linalg.norm(ways, axis=2), np.asarray(lengths)[None], rtol=1e-5)
    assert stats.kstest(ways[0].ravel(), "norm").pvalue > 1e-3
    some = np.asarray(directions(keys[7:9], 3, 15, 2, 50)[0])
    assert np.array_equal(some, ways[7:9, 5:7])
    assert not np.allclose(np.abs(np.asarray(directions(keys, 4, 10, 20, 50)[0])), np.abs(ways))


@pytest.mark.parametrize("name", ["spsa", "nes"])
def test_estimates_point_along_the_gradient(name, linear) -> None:
    y = linear.predict(X).argmax(axis=1)
    weights, bias = linear.model.layers[-1].get_weights()
    attack = attacks.build(f"{name}:samples=4000,loss=margin")
    key = random.keys(0, ops.arange(len(X)))
    goal, ball = Goal(ops.convert_to_tensor(y, "int32")), balls.get("linf", 0.1)
    graph = backend.compiled(lambda x: attack.estimate(0, x, Context(linear, x, goal, ball, key)))
    found = np.asarray(graph(ops.convert_to_tensor(X)))
    logits = X @ weights + bias
    runner = np.where(np.arange(3) == y[:, None], -np.inf, logits).argmax(axis=1)
    slope = (weights[:, runner] - weights[:, y]).T
    assert np.allclose(found, slope, atol=0.15 * np.abs(slope).max())
    likeness = (found * slope).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(slope, axis=1)
    assert likeness.min() > 0.99


def test_simba_climbs_in_steps_of_its_basis(small, images) -> None:
    x, y = images
    for basis in ("pixel", "dct"):
        attack = attacks.build(f"simba:basis={basis},queries=40,step=0.05,frequencies=0.5")
        found = np.asarray(attack(small, x, y, ball=balls.get("l2", 8.0)))
        moved = (found - x)[..., 0]
        if basis == "dct":
            inner = (np.minimum(x, 1 - x) > 0.05 * 20).all(axis=(1, 2, 3))
            assert not inner.any()
            waves = cosines(8)
            share = np.einsum("ki,lj,nij->nkl", waves, waves, moved)
            # The bounds cut some waves; what is left is in the low frequencies mostly.
            assert (share[:, :4, :4] ** 2).sum() > 0.9 * (share**2).sum()
        else:
            sizes = np.abs(moved[moved != 0])
            assert (sizes < 0.05 + 1e-6).all() and np.isclose(sizes, 0.05, atol=1e-5).mean() > 0.7


def test_cosines_are_orthonormal() -> None:
    for size in (1, 5, 28):
        assert np.allclose(cosines(size) @ cosines(size).T, np.eye(size), atol=1e-5)


def test_a_single_pixel_succeeds_where_one_can(small, images) -> None:
    x, y = images
    found = attacks.build("single-pixel:queries=128").run(small, x, y, ball=balls.get("l0", 1))
    possible = []
    for image, label in zip(x, y, strict=True):
        tries = np.repeat(image[None], 128, axis=0).reshape(128, 64)
        tries[np.arange(128), np.arange(128) // 2] = np.arange(128) % 2
        possible.append((small.predict(tries.reshape(-1, 8, 8, 1)).argmax(1) != label).any())
    assert np.array_equal(np.asarray(found.reached), possible)
    assert any(possible) and not all(possible)


def test_evolution_finds_most_of_what_there_is(small, images) -> None:
    x, y = images
    ball = balls.get("l0", 1)
    every = np.asarray(attacks.build("single-pixel:queries=128").run(small, x, y, ball=ball).reached)
    found = attacks.build("one-pixel:queries=600,population=40").run(small, x, y, ball=ball)
    assert np.asarray(found.reached).sum() >= 0.7 * every.sum()
    three = attacks.build("one-pixel:queries=600,population=40,pixels=3").run(small, x, y, ball=balls.get("l0", 3))
    assert np.asarray(three.reached).sum() > np.asarray(found.reached).sum()
    assert ((np.asarray(three.x) != x).sum(axis=(1, 2, 3)) <= 3).all()


def test_pointwise_leaves_no_value_that_could_be_set_back(small, images) -> None:
    x, y = images
    found = attacks.build("pointwise:queries=3000").run(small, x, y, ball=balls.get("l0", 64))
    assert np.asarray(found.reached).all()
    assert np.asarray(found.queries).max() < 1000, "it ends by itself"
    for start, end, label in zip(x, np.asarray(found.x), y, strict=True):
        changed = np.flatnonzero((start != end).reshape(-1))
        tries = np.repeat(end.reshape(1, -1), len(changed), axis=0)
        tries[np.arange(len(changed)), changed] = start.reshape(-1)[changed]
        assert (small.predict(tries.reshape(-1, 8, 8, 1)).argmax(1) == label).all()


def test_contrast_is_the_first_strength_that_errs(small, images) -> None:
    x, y = images
    found = attacks.build("contrast:queries=200").run(small, x, y, ball=balls.get("l2", 8))
    strengths = np.arange(1, 201, dtype="float32") / 200
    for row in range(len(x)):
        faded = x[row] + strengths[:, None, None, None] * (0.5 - x[row])
        errs = small.predict(faded).argmax(1) != y[row]
        assert np.asarray(found.reached)[row] == errs.any()
        assert np.asarray(found.queries)[row] - 2 == (errs.argmax() + 1 if errs.any() else 200)
        if errs.any():
            assert np.allclose(np.asarray(found.x)[row], faded[errs.argmax()], atol=1e-6)
    assert np.asarray(found.reached).any()


def test_blur_is_a_gaussian_over_mirrored_borders() -> None:
    from scipy.ndimage import gaussian_filter

    x = np.random.default_rng(0).uniform(size=(2, 12, 9, 3)).astype("float32")
    ball = balls.get("l2", 1.0)
    for strength in (0.1, 0.3, 1.0):
        found = attacks.build("blur").corrupted(
            ops.convert_to_tensor(x), ops.convert_to_tensor(strength), ball=ball, key=None
        )
        known = gaussian_filter(x, (0, strength * 12, strength * 12, 0), mode="reflect", truncate=8)
        assert np.allclose(found, known, atol=2e-3)


def test_noise_is_as_long_as_its_strength_says() -> None:
    x = ops.ones((500, 8, 8, 1)) * 0.5
    key = random.keys(0, ops.arange(500))
    changed = np.asarray(attacks.build("salt-and-pepper").corrupted(x, 0.3, ball=balls.get("l0", 64), key=key))
    assert set(np.unique(changed)) == {0.0, 0.5, 1.0}
    assert (changed != 0.5).mean() == pytest.approx(0.3, abs=0.01)
    assert (changed == 1).mean() == pytest.approx(0.15, abs=0.01)
    for name in ("additive-gaussian", "additive-uniform"):
        for norm in ("l2", "linf", "l1"):
            ball = balls.get(norm, 0.2)
            noise = attacks.build(name).corrupted(x, 0.5, ball=ball, key=key)
            assert np.allclose(ball.distance(noise, x), 0.1, atol=1e-4)


def test_a_targeted_walk_ends_at_its_target_or_stays(small, images) -> None:
    x, y = images
    for name in ("boundary", "hopskipjump", "pointwise"):
        attack = attacks.build(f"{name}:queries=200,target=next")
        norm = attack.norms[0]
        found = attack.run(small, x, y, ball=balls.get(norm, FULL[norm]))
        reached, answers = np.asarray(found.reached), small.predict(np.asarray(found.x)).argmax(1)
        assert np.array_equal(reached, answers == (y + 1) % 4) and reached.any()


@pytest.fixture
def stubborn(small):
    """A model that answers 0 whatever it sees; its graphs are those of `small`, whose weights it has for a while."""
    before = small.model.get_weights()
    small.model.set_weights([np.full_like(each, each.ndim == 1) for each in before])
    last = small.model.layers[-1]
    last.set_weights([0 * last.get_weights()[0], np.array([1, 0, 0, 0], "float32")])
    yield small
    small.model.set_weights(before)


@pytest.mark.parametrize("name", SMALL)
def test_a_model_that_always_answers_alike_is_not_broken(name, stubborn, images) -> None:
    x, y = images[0], 0 * images[1]
    attack = build(name, 100)
    norm = attack.norms[0]
    found = attack.run(stubborn, x, y, ball=balls.get(norm, FULL[norm]))
    assert not np.asarray(found.reached).any() and np.array_equal(np.asarray(found.x), x)
    assert (np.asarray(found.queries) <= 102).all()


def test_a_walk_that_cannot_be_paid_for_is_refused() -> None:
    with pytest.raises(SettingError, match="Expected queries >= 130 for one step of 128 samples; got 100"):
        attacks.build("spsa:queries=100")
