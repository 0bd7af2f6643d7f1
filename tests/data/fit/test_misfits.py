"""Data, bounds and radii that do not belong to a model are said so, before and after an attack; right ones are not."""

import keras
import numpy as np
import pytest

import turtlenet as tn
from turtlenet import balls, data
from turtlenet.classifier import Classifier
from turtlenet.data import prepare
from turtlenet.data.fit.fit import Fit, fit_of
from turtlenet.data.fit.misfits import misfits
from turtlenet.errors import DataError
from turtlenet.evaluation.doubts import find_misfits

RNG = np.random.default_rng(0)
BALL = balls.get("linf", 0.1)
SPAN = data.from_arrays(np.float32([[0, 1]]), [0]).span()


def codes(labels, predictions, *, classes=4, ball=BALL, shape=(8, 8, 1), span=SPAN) -> dict[str, str]:
    fit = Fit(np.array(labels), np.array(predictions), classes, span, ball, shape)
    return {doubt.code: f"{doubt.finding} {doubt.advice}" for doubt in find_misfits(fit)}


def span(x, bounds=(0.0, 1.0)) -> dict[str, str]:
    x = np.asarray(x)
    found = data.from_arrays(x, np.zeros(len(x), int), bounds=bounds).span()
    return codes([0, 1], [0, 1], span=found, ball=balls.get("linf", 0.1 * (bounds[1] - bounds[0]), bounds))


LABELS = np.arange(200) % 4


def test_a_model_that_fits_raises_nothing() -> None:
    assert codes(LABELS, LABELS) == {}
    assert codes(LABELS, np.where(np.arange(200) < 120, LABELS, (LABELS + 1) % 4)) == {}


@pytest.mark.parametrize(
    ("labels", "predictions", "words"),
    [
        (LABELS, RNG.integers(0, 4, 200), "always answering class 0, which gives 0.250."),
        (LABELS, np.full(200, 3), "is no better than always answering class 0, which gives 0.250. The model answers "),
        ([0] * 96 + [1] * 4, [0] * 100, "answers class 0 to all of them."),
        (
            [0] * 90 + [1] * 10,
            [0] * 85 + [1] * 10 + [0] * 5,
            "Clean accuracy 0.900 [0.826, 0.945] on 100 images is no ",
        ),
        ([2] * 50, [1] * 40 + [2] * 10, "guessing one of 4 classes, which gives 0.250."),
        ([0, 1, 1, 0] * 3, [0, 1, 0, 1] * 3, "is no better than always answering class 0, which gives 0.500."),
    ],
)
def test_no_better_than_guessing(labels, predictions, words) -> None:
    assert words in codes(labels, predictions)["no-better-than-guessing"]


@pytest.mark.parametrize(
    ("labels", "predictions"),
    [([2] * 50, [2] * 48 + [1] * 2), ([0], [0]), ([0, 1], [0, 1]), ([0] * 10 + [1], [0] * 10 + [1])],
)
def test_what_is_no_guess(labels, predictions) -> None:
    assert "no-better-than-guessing" not in codes(labels, predictions)


@pytest.mark.parametrize(
    ("predictions", "words"),
    [
        ((LABELS + 3) % 4, "(shifted by -1) 1.000 of 200 images would be right instead of 0.000."),
        ((LABELS + 1) % 4, "(shifted by 1) 1.000 of 200 images would be right instead of 0.000."),
        (np.array([0, 3, 2, 1])[LABELS], "(1 as 3, 3 as 1) 1.000 of 200 images would be right instead of 0.500."),
    ],
)
def test_labels_in_another_order(predictions, words) -> None:
    assert words in codes(LABELS, predictions)["labels-in-another-order"]


def first_of(labels, limit) -> Fit:
    x = np.zeros((len(labels), 8, 8, 1), "float32")
    x[:, 0, 0] = 1.0
    model = Classifier(keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(4)]))
    return fit_of(model, data.from_arrays(x, labels, num_classes=4).take(limit), BALL)


def test_the_first_of_data_that_lie_by_class_leave_classes_out() -> None:
    by_class = np.repeat(np.arange(4), 50)
    found = {doubt.code: f"{doubt.finding} {doubt.advice}" for doubt in find_misfits(first_of(by_class, 60))}
    assert "Of the 4 classes of the data the first 60 images have 2: " in found["classes-left-out"]
    assert "--limit 0" in found["classes-left-out"]


@pytest.mark.parametrize(
    ("labels", "limit"),
    [
        (np.repeat(np.arange(4), 50), None),
        (np.repeat(np.arange(4), 50), 160),
        (np.repeat([0, 2], 50), None),
        (np.repeat(np.arange(4), 50), 5),
        (np.random.default_rng(0).permutation(np.repeat(np.arange(4), [99, 99, 1, 1])), 60),
    ],
)
def test_no_class_is_left_out_of_all_data_nor_of_data_in_random_order(labels, limit) -> None:
    assert first_of(labels, limit).first_classes is None


def test_an_order_is_not_made_up_of_chance() -> None:
    for seed in range(20):
        answers = np.random.default_rng(seed).integers(0, 4, 40)
        assert "labels-in-another-order" not in codes(LABELS[:40], answers)


@pytest.mark.parametrize(
    ("x", "bounds", "code", "words"),
    [
        (
            np.linspace(0, 1, 8).reshape(2, 2, 2),
            (0.0, 255.0),
            "pixels-fill-a-sliver",
            "All pixels lie within [0, 1] of [0, 255]: they fill 0.39 % of the range. Pass --bounds 0,1 if the model "
            "takes them so; else scale the data to the bounds, times 255.",
        ),
        (
            np.linspace(0, 1 / 255, 8).reshape(2, 2, 2),
            (0.0, 1.0),
            "pixels-fill-a-sliver",
            "0.39 % of the range. Scale the",
        ),
        (np.eye(4, dtype="uint8").reshape(2, 2, 4), (0.0, 255.0), "pixels-fill-a-sliver", "[0, 1] of [0, 255]"),
        (
            np.linspace(0, 16, 8).astype("uint8").reshape(2, 2, 2),
            (0.0, 1.0),
            "integers-far-below-their-peak",
            "All uint8 pixels lie within 0 to 16; scaled by their peak of 255 they fill only [0, 0.06275] of [0, 1]. "
            "Unless the images are that dark, give floats scaled as in training, or --bounds 0,16 if",
        ),
        (
            np.array([[[0, 4095], [1, 2]]], np.uint16),
            (0.0, 1.0),
            "integers-far-below-their-peak",
            "All uint16 pixels lie within 0 to 4095; scaled by their peak of 65,535",
        ),
        (np.linspace(0, 1, 8).reshape(2, 4), (-1.0, 1.0), "pixels-on-one-side", "[0, 1] of [-1, 1]: none is below 0."),
    ],
)
def test_pixels_that_do_not_fill_the_bounds(x, bounds, code, words) -> None:
    assert words in span(x, bounds)[code]


@pytest.mark.parametrize(
    ("x", "bounds"),
    [
        (np.linspace(0, 0.9, 8).reshape(2, 4), (0.0, 1.0)),
        (np.linspace(-1, 1, 8).reshape(2, 4), (-1.0, 1.0)),
        (np.arange(256, dtype="uint8").reshape(1, 16, 16), (0.0, 1.0)),
        (np.arange(256, dtype="uint8").reshape(1, 16, 16), (-1.0, 1.0)),
        (np.eye(4, dtype="int64"), (0.0, 1.0)),
    ],
)
def test_pixels_that_fill_the_bounds(x, bounds) -> None:
    assert span(x, bounds) == {}


@pytest.mark.parametrize(
    ("norm", "eps", "bounds", "shape", "code"),
    [
        ("linf", 8 / 255, (0.0, 255.0), (8, 8, 1), "tiny-radius"),
        ("linf", 0.5 / 255, (0.0, 1.0), (8, 8, 1), "tiny-radius"),
        ("linf", 0.0005, (0.0, 1.0), (6,), "tiny-radius"),
        ("linf", 0.0, (0.0, 1.0), (6,), "tiny-radius"),
        ("l2", 0.5, (0.0, 255.0), (32, 32, 3), "tiny-radius"),
        ("l2", 2.0, (0.0, 255.0), (28, 28, 1), "tiny-radius"),
        ("l1", 12.0, (0.0, 255.0), (32, 32, 3), "tiny-radius"),
        ("l0", 0.3, (0.0, 1.0), (8, 8, 1), "tiny-radius"),
        ("linf", 8.0, (0.0, 1.0), (8, 8, 1), "vast-radius"),
        ("linf", 0.5, (0.0, 1.0), (8, 8, 1), "vast-radius"),
        ("linf", 1 / 255, (0.0, 1.0), (8, 8, 1), ""),
        ("linf", 8.0, (0.0, 255.0), (8, 8, 1), ""),
        ("linf", 0.3, (0.0, 1.0), (28, 28, 1), ""),
        ("linf", 0.0015, (0.0, 1.0), (6,), ""),
        ("l2", 0.5, (0.0, 1.0), (224, 224, 3), ""),
        ("l2", 2.0, (0.0, 1.0), (28, 28, 1), ""),
        ("l1", 12.0, (0.0, 1.0), (32, 32, 3), ""),
        ("l0", 20.0, (0.0, 1.0), (28, 28, 1), ""),
    ],
)
def test_radii_that_are_nothing_or_everything(norm, eps, bounds, shape, code) -> None:
    found = codes(LABELS, LABELS, ball=balls.get(norm, eps, bounds), shape=shape)
    assert set(found) == ({code} if code else set())


def test_a_radius_in_the_wrong_unit_is_told_with_the_right_one() -> None:
    said = codes(LABELS, LABELS, ball=balls.get("linf", 8 / 255, (0, 255)))["tiny-radius"]
    assert "eps 0.0313725 in linf on pixels in [0, 255] is 0.0314 gray levels of 255, 0.0123 % of the range." in said
    assert "if it was meant for pixels in [0, 1], pass 8; 8px means gray levels of 255" in said


def of_mean(shape: tuple[int, ...], scale: float, center: float) -> Classifier:
    """Two classes by whether an image is brighter than `center`, given what was scaled."""
    model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(2)])
    column = np.full((int(np.prod(shape)), 1), scale, "float32")
    bias = np.float32([center * scale * len(column), -center * scale * len(column)])
    model.layers[-1].set_weights([np.hstack([-column, column]), bias])
    return Classifier(model, bounds=(0, 1))


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    y = np.arange(60, dtype="int32") % 2
    return (RNG.uniform(0, 0.5, (60, 4, 4, 1)) + 0.5 * y[:, None, None, None]).astype("float32"), y


@pytest.mark.parametrize(
    ("center", "how"),
    [(0.5, ""), (127.5, "within [0, 255]"), (0.0, "within [-1, 1], or standardised")],
)
def test_the_reading_that_the_model_was_trained_on_is_found(pictures, center, how) -> None:
    examples = data.from_arrays(*pictures)
    found = fit_of(of_mean((4, 4, 1), 1.0, center), examples, BALL).reading
    if not how:
        assert found is None
        return
    assert how in found.how and found.accuracy > 0.9 and found.clean == 0.5
    assert "--bounds" in found.mend


def test_lines_before_a_long_run_say_what_the_report_says(pictures) -> None:
    x, y = pictures
    victim = of_mean((4, 4, 1), 1.0, 127.5)
    lines = misfits(victim, data.from_arrays(x, y), BALL)
    assert [line[:20] for line in lines] == ["! Clean accuracy 0.5", "! With the pixels wi"]
    told: list[str] = []
    report = tn.evaluate(victim.model, pictures, attacks=["noise"], eps="8px", curve=0, tell=told.append)
    assert told == lines
    assert {"no-better-than-guessing", "another-reading-fits"} <= {doubt.code for doubt in report.doubts}
    assert report.threat["eps"] == pytest.approx(8 / 255) and report.threat["eps_from"] == "given"
    assert report.threat["eps_gray_levels"] == 8
    assert "(8 gray levels of 255, 3.14 % of the range)" in " ".join(str(report).split())
    assert misfits(of_mean((4, 4, 1), 1.0, 0.5), data.from_arrays(x, y), BALL) == []


def test_training_says_so_before_it_starts(pictures) -> None:
    told: list[str] = []
    model = of_mean((4, 4, 1), 1.0, 127.5).model
    tn.train(model, pictures, attack="fgsm", eps="3%", epochs=1, validation=0, tell=told.append)
    assert told[1].startswith("threat: linf, eps 0.03, pixels in [0, 1] (7.65 gray levels of 255, 3 % of the range)")
    assert told[2].startswith("! Clean accuracy 0.500 [0.377, 0.623] on 60 images is no better than always answering")


def test_the_sample_stands_in_only_for_a_model_of_its_digits(demo) -> None:
    assert prepare.load_data(None, demo).name == "mnist-sample"
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    other = Classifier(model)
    for load in (lambda: prepare.load_data(None, other), lambda: prepare.load_for(None, [other, other])):
        with pytest.raises(DataError, match=r"Expected --data NAME\|PATH: the embedded mnist-sample stands in"):
            load()
    assert prepare.load_data("mnist-sample", other).name == "mnist-sample"
    # Of models side by side one must know the digits, and layers in front of a model are new to it.
    assert len(prepare.load_for(None, [other, demo])) == 2
    assert prepare.load_data(None, other, judge=demo).name == "mnist-sample"
