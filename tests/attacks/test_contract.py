"""What every registered attack keeps. Registering an attack puts it here."""

import dataclasses
import functools
import json
import tempfile
import traceback
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from keras.config import backend

import turtlenet as tn
from turtlenet import attacks, balls
from turtlenet import backend as seam
from turtlenet.architectures import gan as networks
from turtlenet.attacks import Attack, SearchResult
from turtlenet.attacks import attacks as family
from turtlenet.attacks.run.runner import attack_all
from turtlenet.errors import ModelError, SettingError, SpecError
from turtlenet.models import save
from turtlenet.registry import Registry

PACKAGE = Path(tn.__file__).parent
COMBINED = {"averaged", "mixed", "restarts", "targets", "transfer", "worst-of"}
RADII = {"linf": 0.1, "l2": 0.5, "l1": 2.0, "l0": 3.0}
# What needs a file, or a net that is linear in pieces, has tests of its own.
NAMES = [name for name in family.names() if name not in ("milp", "universal")]
# One process tests all of an attack: its graphs are made once.
EACH = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in NAMES]
# What differs from its like in its settings alone: its graphs are for `make test-slow`.
ALIKE = {
    *("additive-gaussian", "additive-uniform", "apgd-ce", "apgd-dlr", "apgd-t", "autoattack", "bim", "fab-t"),
    *("iterative-least-likely", "least-likely", "madry", "multi-targeted", "pma", "rfgsm"),
}
GRAPHS = [
    pytest.param(name, marks=[pytest.mark.xdist_group(name), *[pytest.mark.slow] * (name in ALIKE)]) for name in NAMES
]
# What the base class sees to is tested on some of each kind.
SOME = ("fgsm", "noise", "pgd", "apgd", "fab", "cw", "jsma", "square", "boundary", "worst-of")
# Every graph takes a second to build: one norm tells, and all that there are of some.
_MOST = {name: 4 if name in SOME and backend() == "tensorflow" else 1 for name in NAMES}
# A norm is the business of the parts.
PAIRS = [
    pytest.param(
        name,
        norm,
        # Every norm on these three, the first on all others.
        marks=[
            pytest.mark.xdist_group(name),
            *[pytest.mark.slow] * (name in ALIKE or (at > 0 and name not in ("pgd", "noise", "square"))),
        ],
    )
    for name in NAMES
    for at, norm in enumerate(["linf"] if name in COMBINED else family.factory(name).norms[: _MOST[name]])
]
OF_BASE = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in SOME]
# How a target is chosen is the base class's business: all ways of it on two, one on some of each kind.
AIMED = {*SOME, "deepfool", "ead", "hopskipjump", "lbfgs", "nes", "transfer"}
POLICIES = [
    pytest.param(
        name,
        policy,
        # All ways on one, and one on some of each kind; the rest is for `make test-slow`.
        marks=[
            pytest.mark.xdist_group(name),
            *[pytest.mark.slow] * (name not in ("fgsm", "deepfool", *SOME) or (name == "pgd" and policy != "next")),
        ],
    )
    for name in NAMES
    for policy in ("least_likely", "runner_up", "next", "random", "2")
    if name in ("fgsm", "pgd") or (policy == "next" and name in AIMED)
]
LOSSES = [
    pytest.param(name, loss, marks=pytest.mark.xdist_group(name))
    for name in NAMES
    if "loss" in {field.name for field in dataclasses.fields(family.factory(name))} and name in SOME
    for loss in ("cross_entropy", "margin", "dlr")
    if loss == "dlr" or name in ("fgsm", "pgd", "square")
]
# What looks for the smallest success gives nothing before it has one.
ENOUGH = {
    **dict.fromkeys(("cw", "ead"), {"steps": 40, "searches": 2, "c": 1.0}),
    **dict.fromkeys(("cw-l0", "cw-linf"), {"steps": 40, "largest_c": 1.0}),
    **dict.fromkeys(("ddn", "deepfool", "fmn", "lbfgs", "super-deepfool"), {"steps": 20}),
    **dict.fromkeys(("alma", "brendel-bethge", "pdpgd", "sigma-zero"), {"steps": 40}),
    "trust-region": {"steps": 20, "radius": 0.2},
    "jsma": {"gamma": 0.5},
    "spatial": {"angles": 3, "shifts": 3},
    "zoo": {"queries": 600, "coordinates": 16, "searches": 2, "step_size": 0.1},
}
# Attacks by queries: what one of their rounds asks for.
SMALL = {
    "samples": 10,
    "coordinates": 8,
    "searches": 3,
    "candidates": 16,
    "population": 12,
    "starts": 10,
    "evaluations": 10,
}
BY_QUERIES = {
    "additive-gaussian",
    "additive-uniform",
    "blur",
    "boundary",
    "contrast",
    "geoda",
    "hopskipjump",
    "local-search",
    "nes",
    "one-pixel",
    "pointwise",
    "rambo",
    "salt-and-pepper",
    "sign-opt",
    "simba",
    "single-pixel",
    "spsa",
    "surfree",
    "zoo",
}
# Few steps are enough for a promise that holds at every step.
FEW = {"steps": 3, "draws": 3, "queries": 60, **SMALL}
# What consists of others is made of such.
PARTS = {"attack": "pgd:steps=3", "attacks": "pgd:steps=3;noise:draws=3", "count": 2}


def build(name: str, **settings) -> Attack:
    if name in COMBINED:
        settings = {**PARTS, **({"source": elsewhere()} if name == "transfer" else {}), **settings}
    if name == "advgan":
        settings = {"generator": generator(), **settings}
    few = {**FEW, **ENOUGH.get(name, {}), **settings}
    return family.build(name, few) if name != "fgsm" and name != "rfgsm" else family.build(name)


def threat(name: str, times: float = 1.0) -> balls.Ball:
    """A ball of an attack's first norm, so many times as wide as usual here."""
    norm = "linf" if name in COMBINED else family.factory(name).norms[0]
    return balls.get(norm, RADII[norm] * times * (2 if norm == "l0" else 1))


@functools.cache
def generator() -> str:
    """The file of a generator for the images of `small`, which nobody has trained."""
    path = Path(tempfile.mkdtemp()) / "generator.h5"
    made = networks.generator((8, 8, 1), bounds=(0.0, 1.0), reach=1.0, noise=3)
    draw = np.random.default_rng(4)
    for variable in made.trainable_variables:
        variable.assign(np.asarray(variable) + 0.3 * draw.normal(size=variable.shape))
    facts = {"shape": [8, 8, 1], "bounds": [0.0, 1.0], "norm": "linf", "eps": 1.0, "noise": 3, "target": ""}
    save(made, path, {"generator": facts})
    return str(path)


@functools.cache
def elsewhere() -> str:
    """The file of a model for the images of `small`, to craft on."""
    path = Path(tempfile.mkdtemp()) / "elsewhere.h5"
    shape = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(4)]
    other = keras.Sequential(shape)
    other.set_weights([np.random.default_rng(2).normal(size=each.shape) for each in other.weights])
    save(other, path)
    return str(path)


def lengths(norm: str, delta: np.ndarray) -> np.ndarray:
    order = {"linf": np.inf, "l2": 2, "l1": 1, "l0": 0}[norm]
    return np.linalg.norm(delta.astype("float64").reshape(len(delta), -1), ord=order, axis=1)


@pytest.mark.parametrize(("name", "norm"), PAIRS)
def test_the_budget_holds(name, norm, small, images) -> None:
    x, y = images
    found = np.asarray(build(name)(small, x, y, ball=balls.get(norm, RADII[norm])))
    ulp = np.spacing(np.float32(1))
    slack = {"linf": 1, "l2": 8, "l1": 64, "l0": 0}[norm] * ulp
    assert found.dtype == np.float32 and found.shape == x.shape
    assert found.min() >= 0 and found.max() <= 1
    assert (lengths(norm, found - x) <= RADII[norm] + slack).all()


@pytest.mark.parametrize(("name", "norm"), PAIRS)
def test_it_moves_and_never_for_the_worse(name, norm, small, images) -> None:
    x, y = images
    attack = build(name)
    # What looks for the smallest success gives nothing where that is too far away.
    found = attack.run(small, x, y, ball=balls.get(norm, RADII[norm] * (20 if attack.minimal else 1)))
    before, after = small.predict(x), small.predict(np.asarray(found.x))
    loss = attacks.Goal(ops.convert_to_tensor(y)).loss
    old, new = np.asarray(loss(attack.judged_by, before)), np.asarray(loss(attack.judged_by, after))
    moved = (np.asarray(found.x) != x).reshape(len(x), -1).any(axis=1)
    assert moved.any()
    assert np.allclose(found.logits, after, atol=1e-5)
    if attack.targeted:
        assert (after.argmax(1) != y)[np.asarray(found.reached)].all()
        return
    assert ((after.argmax(1) != y) | (new >= old - 1e-6)).all()
    assert np.array_equal(np.asarray(found.reached), after.argmax(1) != y)


@pytest.mark.parametrize(("name", "norm"), PAIRS)
def test_a_radius_of_nothing_is_the_identity(name, norm, small, images) -> None:
    x, y = images
    assert np.array_equal(np.asarray(build(name)(small, x, y, ball=balls.get(norm, 0.0))), x)


@pytest.mark.parametrize("name", GRAPHS)
def test_a_seed_repeats_and_another_does_not(name, small, images) -> None:
    x, y = images
    attack, ball = build(name), threat(name)
    first, again = attack(small, x, y, ball=ball, seed=5), attack(small, x, y, ball=ball, seed=5)
    assert np.array_equal(np.asarray(first), np.asarray(again))
    if not attack.minimal and name != "spatial" and getattr(attack, "start", "uniform") != "none":
        assert not np.array_equal(np.asarray(first), np.asarray(attack(small, x, y, ball=ball, seed=6)))


@pytest.mark.parametrize("name", GRAPHS)
def test_radii_that_are_all_the_same_are_one_radius(name, small, images) -> None:
    """To the last bit, through what a user calls."""
    x, y = images
    attack = build(name)
    ball = threat(name, 20 if attack.minimal else 1)
    how = {"norm": ball.norm, "seed": 5, "batch_size": len(x)}
    one = tn.attack(small, x, y, attack, eps=float(ball.eps), **how)
    each = tn.attack(small, x, y, attack, eps=np.full(x[0].shape, ball.eps), **how)
    assert (one != x).any() and np.array_equal(one, each)


@pytest.mark.parametrize("name", GRAPHS)
def test_an_example_does_not_depend_on_its_batch(name, small, images) -> None:
    x, y = images
    attack, ball = build(name), threat(name)
    # The size of the other tests, so that the graph is theirs.
    whole = attack_all(attack, small, x, y, ball=ball, seed=3, batch_size=len(x))
    order = np.random.default_rng(0).permutation(len(x))
    # Other sizes are the base class's business, and cost another graph.
    size = 5 if name in SOME else len(x)
    parts = attack_all(attack, small, x[order], y[order], ball=ball, seed=3, index=order, batch_size=size)
    assert np.array_equal(whole.reached[order], parts.reached)
    # Kernels for other batch sizes round otherwise; where a slope is near 0 its sign may turn for that pixel.
    assert np.mean(np.abs(whole.x[order] - parts.x) > 1e-5) < 0.01


@pytest.mark.parametrize("name", EACH)
def test_json_round_trip(name) -> None:
    attack = family.build(name)
    data = json.loads(json.dumps(attack.to_dict()))
    assert data["name"] == name
    assert Attack.from_dict(data) == attack
    assert hash(attack) == hash(Attack.from_dict(data))
    assert dataclasses.is_dataclass(attack) and attack.__dataclass_params__.frozen


@pytest.mark.parametrize("name", EACH)
def test_it_prints_as_the_spec_that_builds_it(name) -> None:
    assert str(family.build(name)) == name
    changed = family.build(name, {"target": "next", "loss": "margin"})
    assert "target=next" in str(changed) and family.build(str(changed)) == changed


@pytest.mark.parametrize("name", EACH)
def test_numbers_strings_and_booleans_only(name) -> None:
    assert all(isinstance(value, (bool, int, float, str)) for value in dataclasses.asdict(family.build(name)).values())


@pytest.mark.parametrize("name", EACH)
def test_every_setting_is_described(name) -> None:
    described = "".join(cls.__doc__ or "" for cls in family.factory(name).__mro__)
    for field in dataclasses.fields(family.factory(name)):
        assert f"{field.name}:" in described, f"{name} says nothing about {field.name}"


@pytest.mark.parametrize(("name", "policy"), POLICIES)
def test_targets(name, policy, small, images) -> None:
    x, y = images
    attack = build(name, target=policy) if "fgsm" not in name else family.build(f"{name}:target={policy}")
    found = attack.run(small, x, y, ball=threat(name, 6))
    answers = small.predict(np.asarray(found.x)).argmax(axis=1)
    reached = np.asarray(found.reached)
    assert (answers[reached] != y[reached]).all()
    if policy == "2":
        assert (answers[reached & (y != 2)] == 2).all()
    if policy == "next":
        assert (answers[reached] == (y[reached] + 1) % 4).all()


@pytest.mark.parametrize("name", [each for each in OF_BASE if each.values[0] in ("pgd", "fab", "square", "worst-of")])
def test_every_class_in_turn_is_a_way_to_any_wrong_answer(name, small, images) -> None:
    x, y = images
    attack, ball = dataclasses.replace(build(name), target="each"), threat(name, 2)
    whole, parts = attack.run(small, x, y, ball=ball), attack_all(attack, small, x, y, ball=ball)
    if attack.family != "ensemble":
        assert attack.attempts(4) == 3 * dataclasses.replace(attack, target="top1").attempts(4)
    assert np.array_equal(np.asarray(whole.reached), parts.reached) and parts.reached.any()
    assert np.array_equal(parts.reached, small.predict(parts.x).argmax(axis=1) != y)


@pytest.mark.parametrize("name", OF_BASE)
def test_given_targets_come_first(name, small, images) -> None:
    x, y = images
    wanted = (y + 3) % 4
    found = build(name).run(small, x, y, ball=threat(name, 6), target=wanted)
    answers = small.predict(np.asarray(found.x)).argmax(axis=1)
    assert np.array_equal(np.asarray(found.reached), answers == wanted)


@pytest.mark.parametrize(("name", "loss"), LOSSES)
def test_every_loss_works(name, loss, small, images) -> None:
    x, y = images
    found = build(name, loss=loss).run(small, x, y, ball=threat(name, 2))
    assert np.isfinite(np.asarray(found.x)).all() and np.asarray(found.reached).any()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wild(Attack):
    """A search that keeps no promise: NaN, infinities, and steps far out of the ball."""

    def search(self, model, x, goal, *, ball, key):
        wild = ops.where(ops.arange(8) < 2, float("nan"), ops.where(ops.arange(8) < 4, float("inf"), 1e9))
        return SearchResult(x * 0 + ops.reshape(wild, (1, 8, 1, 1)))


@pytest.mark.parametrize("norm", sorted(RADII))
def test_the_base_class_keeps_the_promise_for_a_wild_search(norm, small, images) -> None:
    x, y = images
    found = np.asarray(Wild()(small, x, y, ball=balls.get(norm, RADII[norm])))
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1
    assert (lengths(norm, found - x) <= RADII[norm] + 1e-5).all()


def test_a_third_party_attack_is_an_attack() -> None:
    assert isinstance(attacks.build("tests.attacks.test_contract:Wild"), Wild)
    assert Wild().to_dict()["name"] == "tests.attacks.test_contract:Wild"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("pgdd", "Unknown attack 'pgdd'. Did you mean 'pgd'?"),
        ("pgd:stepss=3", "Did you mean 'steps'?"),
        ("pgd:steps=0", "Expected steps from 1 to 1,000,000; got 0."),
        ("pgd:steps=-1", "Expected steps from 1 to 1,000,000; got -1."),
        ("pgd:step_size=0", "Expected step_size > 0"),
        ("pgd:step_size=nan", "Expected step_size > 0"),
        ("pgd:step=-1", "Expected step >= 0"),
        ("pgd:restarts=0", "Expected restarts from 1"),
        ("bim:restarts=3", "Expected a random start"),
        # Another default keeps the range.
        ("madry:steps=0", "Expected steps from 1 to 1,000,000; got 0."),
        ("pgd:loss=dlrr", "Did you mean 'dlr'?"),
        ("pgd:start=uniforms", "Did you mean 'uniform'?"),
        ("pgd:keep=first", "Unknown keep 'first'"),
        (
            "a3:target=foo",
            "Expected as target a class number, least_likely, next, random, runner_up, each, or topK for the K "
            "likeliest wrong classes, such as top9, or none for any wrong answer; got 'foo'.",
        ),
        ("pgd:target=eahc", "got 'eahc'. Did you mean 'each'?"),
        ("pgd:target=top", "such as top9, or none for any wrong answer; got 'top'."),
        ("mim:momentum=-1", "Expected momentum >= 0"),
        ("pgd:steps=99999999999999999999", "from 1 to 1,000,000"),
        ("os.path:join", "Expected a class derived from Attack at 'os.path:join'"),
        ("turtlenet.attacks:attacks", "Expected a class derived from Attack"),
        ("noise:draws=0", "Expected draws from 1"),
        ("apgd:steps=0", "Expected steps from 1"),
        ("apgd:rho=0", "Expected rho in (0, 1]"),
        ("apgd:loss=dlrr", "Did you mean 'dlr'?"),
        ("fab:eta=0.9", "Expected eta >= 1"),
        ("fab:start=randm", "Did you mean 'random'?"),
        ("autoattack:version=pls", "Did you mean 'plus'?"),
        ("autoattack:queries=0", "Expected queries from 1"),
        ("square:queries=0", "Expected queries from 1"),
        ("square:p_init=1.5", "Expected p_init in (0, 1]"),
        ("noise:kind=gauss", "Did you mean 'gaussian'?"),
        *((f"{name}:queries=0", "Expected queries from 1 to 1,000,000; got 0.") for name in sorted(BY_QUERIES)),
        ("spsa:queries=100", "Expected queries >= 130 for one step of 128 samples; got 100."),
        ("spsa:samples=7", "Expected an even number of samples"),
        ("spsa:delta=0", "Expected delta > 0"),
        ("nes:momentum=1", "Expected momentum in [0, 1)"),
        ("nes:step=-1", "Expected step >= 0"),
        ("nes:loss=marginn", "Did you mean 'margin'?"),
        ("zoo:searches=0", "Expected searches from 1"),
        ("zoo:coordinates=0", "Expected coordinates from 1"),
        ("zoo:constant=-1", "Expected constant > 0"),
        ("zoo:confidence=-1", "Expected confidence >= 0"),
        ("zoo:queries=300", "Expected queries >= 771 for an iteration of 128 coordinates in each of 3 searches"),
        ("simba:basis=dtc", "Did you mean 'dct'?"),
        ("simba:step=nan", "Expected step > 0"),
        ("simba:frequencies=2", "Expected frequencies in (0, 1], a share of them"),
        ("simba:queries=1", "Expected queries >= 2"),
        ("one-pixel:pixels=0", "Expected pixels from 1 to 100; got 0."),
        ("one-pixel:population=3", "Expected population from 4"),
        ("one-pixel:factor=3", "Expected factor in (0, 2]"),
        ("one-pixel:queries=500", "Expected queries >= 800 for two generations of 400; got 500."),
        ("local-search:chosen=200", "Expected chosen <= candidates"),
        ("local-search:reach=0", "Expected reach from 1"),
        ("local-search:factor=0", "Expected factor in (0, 2]"),
        ("single-pixel:queries=1", "Expected queries >= 2"),
        ("boundary:starts=0", "Expected starts from 1"),
        ("boundary:adaptation=1", "Expected adaptation > 1"),
        ("boundary:source_step=0", "Expected source_step > 0"),
        ("hopskipjump:evaluations=5", "Expected evaluations from 10"),
        ("hopskipjump:most=50", "Expected most >= evaluations; got 50 and 100."),
        ("hopskipjump:gamma=0", "Expected gamma > 0"),
        ("geoda:iterations=0", "Expected iterations from 1"),
        ("geoda:shrink=2", "Expected shrink in (0, 1]"),
        ("sign-opt:evaluations=5", "Expected evaluations from 10"),
        ("sign-opt:turn=0", "Expected turn > 0"),
        ("rambo:shrink=1", "Expected shrink > 1; got 1.0."),
        ("rambo:evaluations=5", "Expected evaluations from 10"),
        ("surfree:widest=90", "Expected widest in (0, 90)"),
        ("surfree:angles=0", "Expected angles from 1"),
        ("additive-gaussian:draws=0", "Expected draws from 1"),
        ("salt-and-pepper:draws=2000", "Expected draws <= queries; got 2000 and 1000."),
        ("noise:deviation=0", "Expected deviation > 0"),
        ("deepfool:overshoot=-1", "Expected overshoot >= 0; got -1.0."),
        ("deepfool:candidates=1", "Expected candidates >= 2"),
        ("deepfool:steps=0", "Expected steps from 1 to 1,000,000; got 0."),
        ("cw:confidence=-1", "Expected confidence >= 0"),
        ("cw:c=0", "Expected c > 0; got 0.0."),
        ("cw:step_size=nan", "Expected step_size > 0"),
        ("cw:searches=0", "Expected searches from 1"),
        ("cw:form=tan", "Did you mean 'tanh'?"),
        ("cw-linf:shrink=1", "Expected shrink in (0, 1); got 1.0."),
        ("cw-linf:form=tan", "Did you mean 'tanh'?"),
        ("cw-l0:largest_c=0", "Expected largest_c >= c"),
        ("cw-l0:growth=1", "Expected growth > 1; got 1.0."),
        ("jsma:theta=0", "Expected theta from -1 to 1 and not 0"),
        ("jsma:gamma=2", "Expected gamma in (0, 1]"),
        ("jsma:output=logit", "Did you mean 'logits'?"),
        ("ead:beta=-1", "Expected beta >= 0"),
        ("ead:rule=l2", "Unknown rule 'l2'"),
        ("ddn:gamma=1", "Expected gamma in (0, 1)"),
        ("ddn:levels=1", "Expected levels from 2"),
        ("fmn:gamma=0", "Expected gamma in (0, 1)"),
        ("pgd:start=odi,odi_steps=0", "Expected odi_steps from 1"),
        ("spatial:angle=200", "Expected angle from 0 to 180, in degrees; got 200.0."),
        ("spatial:shift=-1", "Expected shift from 0 to 1"),
        ("spatial:way=grit", "Did you mean 'grid'?"),
        ("spatial:draws=0", "Expected draws from 1"),
        ("spatial:shifts=1000", "Expected a grid of at most 1,000,000"),
        ("advgan:samples=0", "Expected samples from 1"),
        ("advgan:steps=-1", "Expected steps from 0"),
        ("advgan:step_size=0", "Expected step_size > 0"),
        ("mixed:weights=(1;2;3)", "Expected 2 weights above 0 with ';' between them; got '1;2;3'."),
        ("mixed:weights=(1;0)", "Expected 2 weights above 0"),
        ("mixed:drawn=exmaple", "Did you mean 'example'?"),
        ("lbfgs:memory=0", "Expected memory from 1 to 100; got 0."),
        ("sigma-zero:sigma=0", "Expected sigma > 0; got 0.0."),
        ("sigma-zero:threshold=2", "Expected threshold from 0 to 1; got 2.0."),
        ("pdpgd:steps=1", "Expected steps from 2"),
        ("pdpgd:memory=1", "Expected memory in [0, 1)"),
        ("alma:growth=1", "Expected growth > 1; got 1.0."),
        ("alma:check_steps=0", "Expected check_steps from 1"),
        ("super-deepfool:candidates=1", "Expected candidates >= 2"),
        ("brendel-bethge:momentum=1", "Expected momentum in [0, 1)"),
        ("brendel-bethge:radius=0", "Expected radius > 0"),
        ("trust-region:radius=0", "Expected radius > 0"),
        ("trust-region:growth=0.5", "Expected growth >= 1; got 0.5."),
        ("a3:label=upp", "Did you mean 'up'?"),
        ("a3:start_steps=-1", "Expected start_steps from 0"),
        ("malt:candidates=0", "Expected candidates >= 1"),
        ("adam-pgd:step_size=0", "Expected step_size > 0"),
        ("adam-pgd:loss=marginn", "Did you mean 'margin'?"),
    ],
)
def test_bad_settings(spec, words) -> None:
    with pytest.raises((SpecError, SettingError)) as caught:
        attacks.build(spec)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_what_cannot_work_is_refused_before_any_work(small, linear, images) -> None:
    x, y = images
    with pytest.raises(SettingError, match="Expected one of the norms linf, l2, l1"):
        attacks.build("pgd")(small, x, y, ball=balls.get("l0", 3))
    with pytest.raises(ModelError, match="Expected at least 4 classes"):
        attacks.build("pgd:loss=dlr,target=next")(linear, x[:, :6, 0, 0], y, ball=balls.get("linf", 0.1))
    with pytest.raises(SettingError, match="Expected a target class from 0 to 3"):
        attacks.build("fgsm:target=4")(small, x, y, ball=balls.get("linf", 0.1))


def test_registering_is_being_tested() -> None:
    assert isinstance(family, Registry) and len(NAMES) >= 7
    assert {"noise", "fgsm", "rfgsm", "bim", "pgd", "mim", "madry"} <= set(NAMES)


def test_chains_of_bases_are_short() -> None:
    def length(kind: type) -> int:
        return 1 + max(length(base) if base.__module__.startswith("turtlenet") else 0 for base in kind.__bases__)

    assert {name: length(family.factory(name)) for name in NAMES if length(family.factory(name)) > 3} == {}


def test_few_calls_lie_between_a_user_and_the_gradient(monkeypatch) -> None:
    depths, differentiate = [], seam.input_gradient

    def counting(fn, x):
        calls = [call.filename for call in traceback.extract_stack()]
        depths.append(sum(filename.startswith(str(PACKAGE)) for filename in calls))
        return differentiate(fn, x)

    monkeypatch.setattr(seam, "input_gradient", counting)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    tn.attack(model, np.full((8, 4), 0.5, "float32"), np.zeros(8, "int32"), "pgd:steps=2")
    assert 0 < max(depths) <= 19


@pytest.mark.parametrize("name", EACH)
def test_a_round_is_one_round(name) -> None:
    fields = {field.name for field in dataclasses.fields(family.factory(name))}
    several = {"restarts": 3} if name != "restarts" and "restarts" in fields else {}
    attack = family.build(name, several | ({"start": "uniform"} if several and "start_size" in fields else {}))
    for norm in attack.norms:
        for part, _ in attack.under(norm).rounds(10):
            assert [again for again, _ in part.rounds(10)] == [part]
