"""Augmentations: what each does to an image, whose draws they take, and where a training step makes them."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from turtlenet import attacks, balls, random
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError, SpecError
from turtlenet.training import GaussianAugmentation, Natural, Trainer
from turtlenet.training.data.augmentation import Augmentation, Crop, Cutout, Flip, Shift, augmentations, build

COUNT, SIDE = 40, 8
X = np.random.default_rng(0).uniform(0.1, 1.0, (COUNT, SIDE, SIDE, 3)).astype("float32")
KEY = random.keys(3, np.arange(COUNT))


def made(augmentation, x=X, key=KEY) -> np.ndarray:
    return np.asarray(augmentation(x, key=key, low=0.0))


def shifted(image: np.ndarray, down: int, right: int, mode: str = "constant") -> np.ndarray:
    """One image moved by NumPy, from the image padded on all sides."""
    padded = np.pad(image, ((SIDE - 1, SIDE - 1), (SIDE - 1, SIDE - 1), (0, 0)), mode=mode)
    return padded[SIDE - 1 - down :, SIDE - 1 - right :][:SIDE, :SIDE]


@pytest.mark.parametrize(
    ("augmentation", "mode"),
    [(Shift(pixels=2), "constant"), (Crop(padding=2), "constant"), (Crop(padding=2, reflect=True), "reflect")],
)
def test_images_move_by_whole_pixels(augmentation, mode) -> None:
    ways = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
    drawn = set()
    for image, moved in zip(X, made(augmentation), strict=True):
        fit = [way for way in ways if np.array_equal(moved, shifted(image, *way, mode))]
        assert len(fit) == 1
        drawn |= set(fit)
    assert len(drawn) > 12 and {-2, 2} <= {down for down, _ in drawn}


@pytest.mark.parametrize(
    ("mode", "axes"), [("horizontal", {(1,)}), ("vertical", {(0,)}), ("both", {(0,), (1,), (0, 1)})]
)
def test_every_other_image_is_mirrored(mode, axes) -> None:
    drawn = []
    for image, flipped in zip(X, made(Flip(mode=mode)), strict=True):
        fit = [way for way in ((), *axes) if np.array_equal(flipped, np.flip(image, way))]
        assert len(fit) == 1
        drawn += fit
    assert set(drawn) == {(), *axes} and 4 <= drawn.count(()) <= COUNT - 10


def test_cutout_covers_a_square_around_a_pixel() -> None:
    centers = set()
    for image, cut in zip(X, made(Cutout(size=3, fill=0.05)), strict=True):
        covered = (cut == np.float32(0.05)).all(axis=-1)
        rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
        assert covered.sum() == len(rows) * len(columns) and {len(rows), len(columns)} <= {2, 3}
        assert np.array_equal(cut[~covered], image[~covered])
        centers.add((rows[0], columns[0]))
    assert len(centers) > 20


def test_noise_is_gaussian_and_unclipped() -> None:
    noise = (made(GaussianAugmentation(sigma=0.5)) - X) / 0.5
    assert stats.kstest(noise.ravel(), "norm").pvalue > 1e-3 and made(GaussianAugmentation(sigma=0.5)).max() > 1.2
    with pytest.raises(SettingError, match="Expected sigma > 0, in input units; got 0"):
        build(["gaussian:sigma=0"])


@pytest.mark.parametrize("name", augmentations.names())
def test_draws_belong_to_the_example(name) -> None:
    (whole, *_), order = build([name], X.shape[1:]), np.random.default_rng(1).permutation(COUNT)[:15]
    part = made(whole, X[order], np.asarray(KEY)[order])
    assert np.array_equal(part, made(whole)[order]) and not np.array_equal(part, X[order])


def test_other_layouts_of_an_image_are_changed_alike() -> None:
    gray = X[..., :1]
    expected = made(Shift(), gray)
    for shape in ((SIDE, SIDE), (SIDE * SIDE,), (1, SIDE, SIDE)):
        x = np.transpose(gray, (0, 3, 1, 2)) if len(shape) == 3 else gray.reshape(COUNT, *shape)
        assert np.array_equal(made(Shift(), x).reshape(-1), expected.reshape(-1))


def test_sets_are_their_parts() -> None:
    assert build(["cifar", "cutout:size=5"]) == (Crop(padding=4), Flip(), Cutout(size=5))
    assert build(["mnist"]) == (Shift(pixels=2),)
    assert [str(each) for each in build(["cifar", "crop:padding=4,reflect=true"])] == [
        "crop",
        "flip",
        "crop:reflect=True",
    ]
    assert build([str(Shift(pixels=3, fill=0.5))]) == (Shift(pixels=3, fill=0.5),)


@dataclass(frozen=True, kw_only=True)
class Named(Augmentation):
    """Of another package: it has a text of its own."""

    names: str = ""

    def change(self, images, *, key, low):
        return images


def test_a_spec_reads_back_whatever_a_setting_is() -> None:
    assert build([str(Named(names="one,two"))]) == (Named(names="one,two"),)


@pytest.mark.parametrize(
    ("shape", "parts"),
    [
        ((28, 28, 1), "shift"),
        ((784,), "shift"),
        ((1, 8, 8), "shift:pixels=1"),
        ((32, 32, 3), "crop flip"),
        ((3, 224, 224), "crop:padding=28 flip"),
        ((20,), ""),
        ((4, 8, 8, 3), ""),
    ],
)
def test_auto_suits_the_images(shape, parts) -> None:
    assert " ".join(map(str, build(["auto"], shape))) == parts


def test_a_step_trains_on_augmented_images_and_validation_does_not(small: Classifier) -> None:
    x = X[..., :1]
    y = np.zeros(COUNT, "int32")
    goal = Natural(attack=attacks.build("fgsm"), ball=balls.get("linf", 0.1))
    seen = []

    class Seeing(Trainer):
        def _descend(self, x, y, weight, key, step, mass):
            seen.append((np.asarray(x), np.asarray(key)))
            return super()._descend(x, y, weight, key, step, mass)

    trainer = Seeing(small, goal, seed=5, augment=build(["shift:pixels=2", "flip"]))
    trainer.compile(optimizer="sgd", run_eagerly=True, jit_compile=False)
    values = small.model.get_weights()
    try:
        trainer.train_on_batch(x, y)
        trainer.train_on_batch(x, y)
        trainer.test_on_batch(x, y)
    finally:
        small.model.set_weights(values)
    assert len(seen) == 2 and not np.array_equal(seen[0][0], seen[1][0])
    expected = x
    for number, each in enumerate(build(["shift:pixels=2", "flip"])):
        key = random.fold_in(seen[1][1], 0xA0600 + number)
        expected = np.asarray(each(expected, key=key, low=0.0))
    assert np.array_equal(seen[1][0], expected)


@pytest.mark.parametrize(
    ("spec", "shape", "words"),
    [
        ("crop", (6,), "Expected a model of images for augment crop; got one of inputs of shape 6."),
        ("shift:pixels=8", (8, 8, 1), "Expected augment shift:pixels=8 to fit images with a side of 8"),
        ("cutout:fill=2", (8, 8, 1), "Expected fill within [0, 1] for augment cutout:fill=2.0; got 2.0."),
    ],
)
def test_what_does_not_fit_the_images_is_refused(spec, shape, words) -> None:
    with pytest.raises(SettingError) as caught:
        build([spec])[0].check(shape, (0.0, 1.0))
    assert words in str(caught.value)


def test_a_table_is_refused_before_training(linear: Classifier) -> None:
    goal = Natural(attack=attacks.build("fgsm"), ball=balls.get("linf", 0.1))
    with pytest.raises(SettingError, match="Expected a model of images for augment flip"):
        Trainer(linear, goal, augment=build(["flip"]))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("shift:pixels=0", "Expected pixels >= 1; got 0."),
        ("flip:mode=sideways", "Unknown mode 'sideways' of flip."),
        ("cropp", "Unknown augmentation 'cropp'. Did you mean 'crop'?"),
        ("crop:pixels=4", "Unknown setting 'pixels' of augmentation 'crop'."),
    ],
)
def test_bad_specs(spec, words) -> None:
    with pytest.raises((SettingError, SpecError)) as caught:
        build([spec])
    assert words in str(caught.value)
