"""Tolerable noise worked out by hand, the rule for the levels, and the result's views."""

import base64
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image
from scipy.stats import norm

from turtlenet import backend, data, models, random
from turtlenet.classifier import Classifier
from turtlenet.defences import ConstantQuantization, defences
from turtlenet.errors import DataError, OutputError, SettingError, SpecError
from turtlenet.noise_tolerance import Tolerance, measure_tolerance
from turtlenet.noise_tolerance.levels import propose, quantizer
from turtlenet.noise_tolerance.measure import first_crossing
from turtlenet.noise_tolerance.noise import KINDS, noisy, under_noise
from turtlenet.noise_tolerance.pictures import plot
from turtlenet.reports import markdown, page
from turtlenet.reports.format import WIDTH

ABOUT = {"name": "threshold", "path": None, "sha256": "1"}
ORANGE = (0xD5, 0x5E, 0x00)
LIGHT_INK, DARK_INK = (0xE3, 0xE7, 0xEC), (0x24, 0x29, 0x2F)


def threshold(at: float, bounds: tuple[float, float] = (0.0, 1.0)) -> Classifier:
    """Class 1 above a value of the only pixel, class 0 below."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
    model.layers[-1].set_weights([np.array([[-1.0, 1.0]], "float32"), np.array([at, -at], "float32")])
    return Classifier(model, bounds=bounds)


def one_pixel(low: float, high: float, count: int = 200, **settings: Any) -> data.Examples:
    """As many images of one value, of class 0, as of the other, of class 1."""
    x = np.tile(np.array([[low], [high]], "float32"), (count // 2, 1))
    return data.from_arrays(x, np.arange(count) % 2, num_classes=2, **settings)


def measure(model: Classifier, examples: data.Examples, **settings: Any) -> Tolerance:
    return measure_tolerance(model, examples, **{"eps": 0.1, "about": ABOUT, "strengths": 8, **settings})


def timeless(result: Tolerance) -> dict[str, Any]:
    return replace(result, created="", seconds=0.0).to_dict()


@pytest.fixture(scope="module")
def result() -> Tolerance:
    return measure(threshold(0.5), one_pixel(0.2, 0.8))


@pytest.fixture(scope="module")
def fine() -> dict[str, float]:
    """The noise that 4,000 one-pixel images, each 0.3 from the threshold, bear for a loss of 5 %."""
    found = measure(threshold(0.5), one_pixel(0.2, 0.8, 4000), strengths=60, loss=0.05, batch_size=4000)
    return {curve.kind: curve.tolerable for curve in found.noises}


@pytest.mark.parametrize(
    ("kind", "expected", "within"),
    [
        # An image is lost where the noise passes 0.3 towards the threshold: (a - 0.3) / 2a = 0.05.
        ("uniform", 1 / 3, 0.015),
        # The tail beyond 0.3 holds 5 %.
        ("gaussian", 0.3 / norm.ppf(0.95), 0.01),
        # Of the pixels that are replaced, half become the other extreme.
        ("salt-and-pepper", 0.1, 0.02),
        # Nothing is lost up to 0.3, and half right after it; strengths are 10 % apart.
        ("sign", 0.3, 0.03),
    ],
)
def test_the_tolerable_noise_of_a_threshold(kind, expected, within, fine):
    assert fine[kind] == pytest.approx(expected, abs=within)


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_cut_off_at_the_bounds_and_no_sooner(kind):
    x = np.full((50, 40), 0.25, "float32")
    for strength in (0.2, 0.9):
        moved = np.asarray(noisy(kind, x, random.keys(0, np.arange(50)), strength, (-0.5, 0.5)))
        assert moved.min() >= -0.5 and moved.max() <= 0.5
        if strength == 0.9:
            assert (moved.min(), moved.max()) == (-0.5, 0.5)
        elif kind == "uniform":
            np.testing.assert_allclose([moved.min(), moved.mean(), moved.max()], [0.05, 0.25, 0.45], atol=0.01)
        elif kind == "sign":
            np.testing.assert_allclose(np.unique(moved), [0.05, 0.45], rtol=1e-5)
        elif kind == "salt-and-pepper":
            values, counts = np.unique(moved, return_counts=True)
            assert values.tolist() == [-0.5, 0.25, 0.5]
            np.testing.assert_allclose(counts / moved.size, [0.1, 0.8, 0.1], atol=0.02)


def test_each_kind_and_each_strength_has_draws_of_its_own():
    """At the threshold itself, an answer tells the sign of the noise."""
    grid = {"sign": (0.0, 0.1, 0.1), "uniform": (0.0, 0.1)}
    right = under_noise(threshold(0.5), one_pixel(0.5, 0.5, 400), grid, seed=0, batch_size=400)[:, 1:]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.mean(right[:, one] == right[:, other]) == pytest.approx(0.5, abs=0.1)


def test_strengths_are_in_the_units_of_the_input(result):
    wide = measure(threshold(127.5, (0.0, 255.0)), one_pixel(51, 204, bounds=(0.0, 255.0)), eps=25.5)
    for one, other in zip(result.noises, wide.noises, strict=True):
        unit = 1.0 if one.kind == "salt-and-pepper" else 255.0
        assert other.strengths == pytest.approx([unit * strength for strength in one.strengths])
        assert other.strengths[1] == pytest.approx(unit / 256) and other.strengths[-1] == unit
        assert other.tolerable == pytest.approx(unit * one.tolerable, rel=1e-5)
    assert [row.error for row in wide.levels] == pytest.approx([255 * row.error for row in result.levels])
    assert wide.proposal.most == result.proposal.most == 6


def test_accuracy_stands_beside_each_strength_with_its_interval(result):
    for curve in result.noises:
        assert len(curve.strengths) == len(curve.accuracies) == len(curve.intervals) == 9
        assert (curve.strengths[0], curve.accuracies[0]) == (0.0, result.clean_accuracy)
        assert all(low <= at <= high for at, (low, high) in zip(curve.accuracies, curve.intervals, strict=True))
    sign = next(curve for curve in result.noises if curve.kind == "sign")
    assert [at == 1.0 for at in sign.accuracies] == [strength < 0.3 for strength in sign.strengths]


def test_noise_that_never_hurts_is_tolerable_to_the_end():
    unmoved = measure(threshold(-5.0), data.from_arrays(np.full((8, 1), 0.5, "float32"), np.ones(8, int)))
    assert [(curve.tolerable, curve.unbroken) for curve in unmoved.noises] == [(1.0, True)] * 4
    assert unmoved.proposal.least == 2
    assert "1: 1.000 [0.676, 1.000]" in str(unmoved)


@pytest.mark.parametrize(
    ("accuracies", "floor", "expected"),
    [
        ([1.0, 1.0, 0.5, 0.0], 0.75, 1.5),
        # Rising again later changes nothing: the first crossing counts.
        ([1.0, 0.9, 1.0, 0.5], 0.95, 0.5),
        # Touching the floor is not falling below it.
        ([1.0, 0.95, 0.9, 0.9], 0.95, 1.0),
        ([1.0, 0.95, 1.0, 0.75], 0.95, 2.2),
        ([1.0, 0.9, 1.0, 0.5], 0.5, None),
    ],
)
def test_the_first_crossing(accuracies, floor, expected):
    found = first_crossing([0.0, 1.0, 2.0, 3.0], accuracies, floor)
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("tolerable", "eps", "full", "least", "most", "levels", "compatible"),
    [
        (0.25, 0.1, 1.0, 3, 6, 6, True),
        (0.26, 0.1, 1.0, 3, 6, 6, True),
        (0.24, 0.1, 1.0, 4, 6, 6, True),
        (0.5, 0.3, 1.0, 2, 2, 2, True),
        (0.1, 0.3, 1.0, 6, 2, 2, False),
        (0.1, 0.05, 1.0, 6, 11, 11, True),
        (25.5, 8.0, 255.0, 6, 16, 16, True),
        (0.3, 0.6, 1.0, 3, 1, 2, False),
        (0.0, 0.1, 1.0, None, 6, 6, False),
        (None, 0.1, 1.0, None, 6, 6, None),
        (1.0, 1e-6, 1.0, 2, 500_001, 256, True),
        (0.001, 1e-6, 1.0, 501, 500_001, 501, True),
    ],
)
def test_the_rule_for_the_levels(tolerable, eps, full, least, most, levels, compatible):
    found = propose(tolerable, eps, full)
    assert (found.least, found.most, found.levels, found.compatible) == (least, most, levels, compatible)
    assert f"take n = {levels}" in found.finding
    assert ("no n satisfies both" in found.finding) == (compatible is False)


@pytest.mark.parametrize("levels", [2, 3, 6])
def test_the_reasons_of_the_rule_hold_for_the_layer(levels):
    layer = ConstantQuantization(levels=levels, hard=True)
    pixels = np.linspace(0, 1, 1001, dtype="float32")[None]
    moved = np.abs(np.asarray(layer(pixels)) - pixels).max()
    assert moved == pytest.approx(0.5 / (levels - 1), abs=2e-3)
    spots = np.linspace(0, 1, levels, dtype="float32")[None]
    eps = 0.5 / (levels - 1)
    assert propose(None, eps, 1.0).most == levels
    for sign in (-1, 1):
        np.testing.assert_allclose(layer(np.clip(spots + sign * 0.99 * eps, 0, 1)), spots, atol=1e-6)
    assert np.abs(np.asarray(layer(np.clip(spots + 1.01 * eps, 0, 1))) - spots).max() > eps


@pytest.mark.parametrize("levels", [3, 6, 7, 16])
def test_the_spec_of_the_proposal_is_flat_at_a_level(levels):
    spot = 1 / (levels - 1)
    around = np.array([[spot - 0.004, spot + 0.004]], "float32")

    def slope(layer: Any) -> float:
        return float(np.diff(np.asarray(layer(around)))[0, 0]) / 0.008

    assert slope(defences.build(quantizer(levels))) < 0.15
    # Why sigmoids do not do for more levels.
    assert (slope(ConstantQuantization(levels=levels)) < 0.15) == (levels <= 6)


def test_quantizers_are_tried_without_training():
    found = measure(threshold(0.3), one_pixel(0.1, 0.4), eps=0.06)
    assert [(row.levels, row.accuracy) for row in found.levels] == [(2, 0.5), *((n, 1.0) for n in (3, 4, 5, 6, 9))]
    assert found.proposal.levels == 9
    # Half of the images are 0.1 from the threshold: (a - 0.1) / 4a = 0.01 gives a = 0.104, and 1 + 1 / 2a = 5.8.
    assert found.proposal.tolerable == pytest.approx(0.104, abs=0.005)
    assert found.proposal.least == 6
    assert [row.tolerable for row in found.levels] == [False, False, False, False, True, True]
    assert [row.absorbs for row in found.levels] == [True] * 6


def test_without_uniform_noise_one_bound_is_missing():
    found = measure(threshold(0.5), one_pixel(0.2, 0.8), kinds=["sign"])
    assert [curve.kind for curve in found.noises] == ["sign"]
    assert (found.proposal.least, found.proposal.compatible, found.proposal.levels) == (None, None, 6)
    assert {row.tolerable for row in found.levels} == {None}
    assert "Uniform noise was not measured" in str(found)


def test_a_seed_repeats(small, images):
    examples = data.from_arrays(*images, num_classes=4)
    first, again, other = (measure(small, examples, strengths=4, seed=seed) for seed in (3, 3, 4))
    assert timeless(first) == timeless(again)
    assert first.noises != other.noises and first.levels == other.levels


@pytest.mark.parametrize("batch_size", [5, 8, None])
def test_the_batch_size_changes_nothing(batch_size, small, images):
    examples = data.from_arrays(*images, num_classes=4)
    whole = measure(small, examples, strengths=5, batch_size=12)
    assert len({at for curve in whole.noises for at in curve.accuracies}) > 4
    assert timeless(measure(small, examples, strengths=5, batch_size=batch_size)) == timeless(whole)


def test_kinds_draw_for_themselves(small, images):
    examples = data.from_arrays(*images, num_classes=4)
    alone = measure(small, examples, kinds=["sign", "sign"]).noises
    assert alone == measure(small, examples, kinds=["uniform", "sign"]).noises[1:]


@pytest.mark.parametrize("count", [1, 12])
def test_two_processes_share_the_images(count, small, images, monkeypatch):
    examples = data.from_arrays(*images, num_classes=4).take(count)
    alone = measure(small, examples, strengths=4)
    now = [0]

    def run_as(number: int, work: Callable[[], Any]) -> Any:
        now[0] = number
        return work()

    def gather(work: Callable[[], Any]) -> list[Any]:
        return [run_as(number, work) for number in (0, 1)]

    monkeypatch.setattr(backend, "process", lambda: (now[0], 2))
    monkeypatch.setattr(backend, "gather", gather)
    assert timeless(measure(small, examples, strengths=4)) == timeless(alone)


def test_the_json_reads_back(result, tmp_path):
    files = result.save(tmp_path / "out")
    assert [file.name for file in files] == ["tolerance.json", "tolerance.md", "tolerance.png", "tolerance.sha256"]
    assert {file.name for file in (tmp_path / "out").iterdir()} == {file.name for file in files}
    assert Tolerance.from_json(files[0].read_text()) == result
    assert Tolerance.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    assert files[1].read_text() == markdown.render(result.document())
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Expected to write a report to"):
        result.save(tmp_path / "file")


def test_the_text_fits_a_terminal_whatever_the_model_is_called(result):
    odd = replace(result, model={**ABOUT, "name": "<b>|\x1b[31m" + 300 * "x"})
    text = str(odd)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert (
        "\x1b" not in text
        and "<b>" not in markdown.render(odd.document())
        and "\x1b" not in markdown.render(odd.document())
    )
    assert "&lt;b&gt;|" in page.render(odd.document())
    sign = next(line for line in str(result).splitlines() if "sign" in line)
    assert "0.2: 1.000" not in sign and "0.205: 1.000" in sign and "0.453: 0." in sign
    words = " ".join(str(result).split())
    assert "6 <-" in words and "5 <-" not in words and "take n = 6." in words
    assert "accuracy +0.000, within the tolerable loss" in words


def test_the_plot_is_a_picture_with_a_line_for_each_kind(result):
    def colors(found: Tolerance) -> set[Any]:
        with Image.open(io.BytesIO(plot(found).png)) as picture:
            assert picture.format == "PNG" and picture.width > picture.height > 400
            return {color for _, color in picture.convert("RGB").getcolors(1 << 20)}

    assert ORANGE in colors(result)
    # On a dark page words and lines are light, and there is no paper.
    shown = plot(result)
    with Image.open(io.BytesIO(base64.b64decode(shown.dark_uri.partition(",")[2]))) as picture:
        pixels = np.asarray(picture.convert("RGBA"))
    assert pixels[0, 0, 3] == 0 and shown.dark_uri in page.render(result.document())
    inks = {tuple(map(int, each[:3])) for each in pixels[pixels[..., 3] == 255]}
    assert LIGHT_INK in inks and DARK_INK not in inks
    assert ORANGE not in colors(replace(result, noises=result.noises[:1]))


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"kinds": ["unifrom"]}, SpecError, "Unknown kind of noise 'unifrom'. Did you mean 'uniform'?"),
        ({"kinds": []}, SettingError, f"Expected at least one kind of noise of {', '.join(KINDS)}; got none."),
        ({"strengths": 1}, SettingError, "Expected strengths >= 2, a number of strengths; got 1."),
        ({"loss": 0.0}, SettingError, "Expected loss within (0, 1), a share of all images; got 0."),
        ({"loss": 1.0}, SettingError, "Expected loss within (0, 1), a share of all images; got 1."),
        ({"loss": float("nan")}, SettingError, "Expected loss within (0, 1), a share of all images; got nan."),
        ({"eps": 0.0}, SettingError, "Expected eps > 0 to choose levels for; got 0."),
        ({"seed": -1}, SettingError, "Expected seed >= 0; got -1."),
    ],
)
def test_bad_input_is_refused_in_one_line(settings, kind, words):
    with pytest.raises(kind) as caught:
        measure(threshold(0.5), one_pixel(0.2, 0.8), **settings)
    assert str(caught.value) == words


def test_data_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="Expected labels of 2 classes; got 3 in arrays."):
        measure(threshold(0.5), data.from_arrays(np.zeros((3, 1), "float32"), np.arange(3)))


def test_levels_are_tried_on_the_draws_that_were_asked_for() -> None:
    """A quantizer that changes nothing loses nothing, however random the model is."""
    model = keras.Sequential([keras.Input((20,)), keras.layers.Dropout(0.5), keras.layers.Dense(2)])
    draw = np.random.default_rng(0)
    model.layers[-1].set_weights([draw.normal(size=(20, 2)), np.zeros(2)])
    noisy_model = models.wrap(model, ["mc-dropout"])
    x = np.round(255 * draw.uniform(size=(200, 20))).astype("float32") / 255
    y = Classifier(model).predict(x).argmax(axis=1)
    classifier = Classifier(noisy_model, draws=30)
    found = measure_tolerance(
        classifier, data.from_arrays(x, y, num_classes=2), about=ABOUT, eps=1 / 510, kinds=("uniform",), strengths=2
    )
    fine = [row for row in found.levels if row.levels == 256]
    assert abs(fine[0].accuracy - found.clean_accuracy) < 0.03
