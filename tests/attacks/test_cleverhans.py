"""Our attacks beside those of cleverhans, on the same model from the same start."""

import keras
import numpy as np
import pytest

from turtlenet import attacks, balls, random
from turtlenet.classifier import Classifier

# Its attacks for JAX import a module that JAX no longer has.
pytestmark = pytest.mark.tensorflow

EPS = 0.1


@pytest.fixture(scope="module")
def peers():
    """cleverhans' attacks for TensorFlow 2."""
    pytest.importorskip("cleverhans")
    from cleverhans.tf2.attacks import fast_gradient_method, momentum_iterative_method, projected_gradient_descent

    return {
        "fgsm": fast_gradient_method,
        "pgd": projected_gradient_descent,
        "mim": momentum_iterative_method,
    }


@pytest.fixture(scope="module")
def soft(demo):
    """The demo's model with a tenth of its logits.

    Where float32 probabilities are 1, cleverhans' cross-entropy has lost its slope and ours has not: the mathematics
    is the same only where they are not.
    """
    return Classifier(keras.Model(demo.model.inputs, demo.model.outputs[0] * 0.1))


@pytest.fixture(scope="module")
def batch(digits):
    """Digits and true labels."""
    x, y = digits.test.batch(slice(0, 32))
    return x, y


def ours(spec, soft, batch, norm="linf", eps=EPS, bounds=(0.0, 1.0)):
    x, y = batch
    ball = balls.get(norm, eps, bounds)
    key = random.keys(0, np.arange(len(x)))
    return np.asarray(attacks.build(spec).craft(soft, x, y, ball=ball, key=key))


@pytest.mark.parametrize(("norm", "order", "eps"), [("linf", np.inf, EPS), ("l2", 2, 1.5)])
def test_fgsm(norm, order, eps, soft, batch, peers) -> None:
    x, y = batch
    theirs = peers["fgsm"].fast_gradient_method(soft.model, x, eps, order, clip_min=0.0, clip_max=1.0, y=y)
    assert np.allclose(ours("fgsm:keep=last", soft, batch, norm, eps), theirs, atol=1e-5)


@pytest.mark.parametrize(("norm", "order", "eps"), [("linf", np.inf, EPS), ("l2", 2, 1.5)])
def test_bim(norm, order, eps, soft, batch, peers) -> None:
    x, y = batch
    theirs = peers["pgd"].projected_gradient_descent(
        soft.model, x, eps, eps / 8, 10, order, clip_min=0.0, clip_max=1.0, y=y, rand_init=False, sanity_checks=False
    )
    mine = ours(f"bim:steps=10,step={eps / 8},keep=last", soft, batch, norm, eps)
    assert _agree(mine, theirs)


def test_pgd_from_the_same_start(soft, batch, peers, monkeypatch) -> None:
    x, y = batch
    attack = attacks.build(f"pgd:steps=10,step={EPS / 8},keep=last")
    key = random.keys(0, np.arange(len(x)))
    start = balls.get("linf", EPS).sample(x, key)
    # cleverhans draws its start here; given ours, the rest must be the same walk.
    monkeypatch.setattr(peers["pgd"], "random_lp_vector", lambda *args, **settings: start - x)
    theirs = peers["pgd"].projected_gradient_descent(
        soft.model, x, EPS, EPS / 8, 10, np.inf, clip_min=0.0, clip_max=1.0, y=y, rand_init=True, sanity_checks=False
    )
    mine = np.asarray(attack.craft(soft, x, y, ball=balls.get("linf", EPS), key=key))
    assert _agree(mine, theirs)


def test_targeted_pgd(soft, batch, peers) -> None:
    x, y = batch
    target = (y + 1) % 10
    theirs = peers["pgd"].projected_gradient_descent(
        soft.model,
        x,
        EPS,
        EPS / 8,
        10,
        np.inf,
        clip_min=0.0,
        clip_max=1.0,
        y=target,
        targeted=True,
        rand_init=False,
        sanity_checks=False,
    )
    assert _agree(ours(f"bim:steps=10,step={EPS / 8},keep=last,target=next", soft, batch), theirs)


@pytest.mark.parametrize(("norm", "order", "eps"), [("linf", np.inf, EPS), ("l2", 2, 1.5)])
def test_mim(norm, order, eps, soft, batch, peers) -> None:
    x, y = batch
    # cleverhans clips to the bounds after the ball here, and before it in PGD; far from the bounds both are the same.
    low, high = (0.0, 1.0) if norm == "linf" else (-9.0, 9.0)
    theirs = peers["mim"].momentum_iterative_method(
        soft.model, x, eps, eps / 8, 10, order, clip_min=low, clip_max=high, y=y, sanity_checks=False
    )
    mine = ours(f"mim:steps=10,step={eps / 8},keep=last", soft, batch, norm, eps, (low, high))
    assert _agree(mine, theirs)


def _agree(mine: np.ndarray, theirs) -> bool:
    """Equal to 1e-5, but for single pixels whose slope is so near 0 that rounding turns its sign."""
    apart = np.abs(mine - np.asarray(theirs)) > 1e-5
    return bool(apart.mean() < 2e-3)
