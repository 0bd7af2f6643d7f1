"""The losses of paper 003, eq. 7 to 10, against values worked out by hand, and their signs."""

import math

import numpy as np
import pytest
from keras import ops

from turtlenet.attacks import Goal
from turtlenet.errors import SpecError
from turtlenet.gan.losses import GAN_LOSSES, adversarial, gan_loss, hinge

LOGITS = np.array([[2.0, 0.0, -1.0], [0.0, 1.0, 3.0]], "float32")
Y = np.array([0, 2], "int32")


def of(name: str, **settings) -> np.ndarray:
    target = settings.pop("target", None)
    return np.asarray(
        adversarial(name, Goal(ops.convert_to_tensor(Y), target), ops.convert_to_tensor(LOGITS), **settings)
    )


def test_cross_entropy_away_from_a_label_and_towards_a_target() -> None:
    first = math.log(math.exp(2) / (math.exp(2) + 1 + math.exp(-1)))
    assert of("cross_entropy")[0] == pytest.approx(first, abs=1e-6)
    towards = math.log((math.exp(2) + 1 + math.exp(-1)) / 1)
    wanted = ops.convert_to_tensor(np.array([1, 1], "int32"))
    assert of("cross_entropy", target=wanted)[0] == pytest.approx(towards, abs=1e-6)


def test_the_margin_is_content_at_its_confidence() -> None:
    # The label's logit minus the best other, no lower than -kappa.
    assert of("margin").tolist() == [2.0, 2.0]
    assert of("margin", kappa=5.0).tolist() == [2.0, 2.0]
    beaten = np.asarray(adversarial("margin", Goal(ops.convert_to_tensor(1 + 0 * Y)), ops.convert_to_tensor(LOGITS)))
    assert beaten.tolist() == [0.0, 0.0]
    sure = np.asarray(
        adversarial("margin", Goal(ops.convert_to_tensor(1 + 0 * Y)), ops.convert_to_tensor(LOGITS), kappa=1.5)
    )
    assert sure.tolist() == [-1.5, -1.5]
    wanted = ops.convert_to_tensor(np.array([2, 1], "int32"))
    assert of("margin", target=wanted).tolist() == [3.0, 2.0]


def test_gan_losses_by_hand() -> None:
    real, moved = np.array([1.2, -0.4], "float32"), np.array([-0.7, 2.0], "float32")
    d_real, d_moved = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-moved))
    log = gan_loss("log")
    # Eq. 7: the discriminator climbs log D(x) + log(1 - D(x + G(x))), the generator descends its last term.
    assert np.allclose(log.discriminator(real, moved), -(np.log(d_real) + np.log(1 - d_moved)), atol=1e-6)
    assert np.allclose(log.generator(moved), np.log(1 - d_moved), atol=1e-6)
    assert np.allclose(gan_loss("non-saturating").generator(moved), -np.log(d_moved), atol=1e-6)
    squares = gan_loss("least-squares")
    assert np.allclose(squares.discriminator(real, moved), (real - 1) ** 2 + moved**2)
    assert np.allclose(squares.generator(moved), (moved - 1) ** 2)


@pytest.mark.parametrize("name", sorted(GAN_LOSSES))
def test_each_side_wants_the_opposite(name) -> None:
    """Where the discriminator is more easily deceived, the generator's loss falls; no loss is ever infinite."""
    sure, deceived = np.array([-90.0], "float32"), np.array([0.5], "float32")
    loss = gan_loss(name)
    assert np.asarray(loss.generator(deceived)) < np.asarray(loss.generator(sure))
    real = np.array([1.0], "float32")
    assert (
        np.asarray(loss.discriminator(real, deceived)) > np.asarray(loss.discriminator(real, 0 * deceived - 0.2)) - 1
    )
    for value in (loss.generator(sure), loss.discriminator(-sure, sure), loss.discriminator(sure, -sure)):
        assert np.isfinite(np.asarray(value)).all()


def test_the_hinge_by_hand() -> None:
    delta = np.zeros((2, 2, 2, 1), "float32")
    delta[0, 0, 0], delta[0, 1, 1], delta[1, 0, 1] = -0.5, 0.2, 0.1
    assert np.allclose(hinge("linf", delta, 0.3), [0.2, 0.0])
    assert np.allclose(hinge("l2", delta, 0.3), [math.sqrt(0.29) - 0.3, 0.0], atol=1e-6)


def test_an_unknown_loss_is_one_line() -> None:
    with pytest.raises(SpecError, match="Did you mean 'least-squares'"):
        gan_loss("least-square")
