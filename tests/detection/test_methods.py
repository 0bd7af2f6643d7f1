"""What every registered detector keeps that looks at something else than the uncertainty alone."""

import dataclasses
import json

import keras
import numpy as np
import pytest

import turtlenet as tn
from tests.detection.conftest import prototypes
from turtlenet import balls, data, models
from turtlenet.detection import Detector, FittedDetector, Setting, detectors
from turtlenet.detection.base import Lesson
from turtlenet.errors import DataError, ModelError, SettingError, SpecError
from turtlenet.reports.statistics import interval

SPECS = {
    "convolution-statistics": "convolution-statistics:components=4",
    "kernel-density": "kernel-density:width=0.5",
    "magnet-divergence": "magnet-divergence:steps=20",
    "magnet-error": "magnet-error:steps=150,rate=0.03,noise=0.05",
    "pca": "pca:last=10",
    "squeezing": "squeezing:bits=2,median=3,search=3,strength=20",
    "subnetwork": "subnetwork:adversary=dynamic,rounds=2,steps=30,width=4",
    "together": "together:parts=(squeezing:bits=2;pca:last=10;kernel-density:width=0.5)",
}
NAMES = [name for name in detectors.names() if not detectors.factory(name).by_uncertainty()]
BALL = balls.get("linf", 0.15)


def net(seed: int = 12, side: int = 8, name: str = "small_convolutions") -> keras.Model:
    """A convolution and a dense layer, with weights that are the same on every backend."""
    layers = [
        keras.Input((side, side, 1)),
        keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="conv"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(name="flat"),
        keras.layers.Dense(12, activation="relu", name="hidden"),
        keras.layers.Dense(4, name="logits"),
    ]
    model, draw = keras.Sequential(layers, name=name), np.random.default_rng(seed)
    arrays = [draw.normal(0, 1.4 / np.sqrt(max(np.prod(each.shape[:-1]), 1)), each.shape) for each in model.weights]
    # The brightness as a whole tells nothing.
    arrays[0] = 8 * (arrays[0] - arrays[0].mean(axis=(0, 1)))
    model.set_weights(arrays)
    return model


@pytest.fixture(scope="module")
def judge():
    return models.classifier(net(), head="logits")


@pytest.fixture(scope="module")
def lesson(judge) -> Lesson:
    """Smooth images as the clean side, the same under noise of the radius as the adversarial one."""
    clean = prototypes(120, 1)
    noise = np.random.default_rng(5).choice([-0.15, 0.15], size=clean.shape)
    adversarial = np.clip(clean + noise, 0, 1).astype("float32")
    labels = judge.predict(clean).argmax(axis=1).astype("int32")
    return Lesson(classifier=judge, victim=judge, clean=clean, labels=labels, adversarial=adversarial, ball=BALL)


def statistics(made: Detector, judge, x: np.ndarray, batch_size: int = 64) -> np.ndarray:
    labels = np.zeros(len(x), "int32")
    examples = data.Examples(x, labels, num_classes=4)
    setting = Setting(classifier=judge, examples=examples, ball=BALL, detector=made, batch_size=batch_size)
    return setting.clean().values


@pytest.fixture(scope="module")
def fitted(judge, lesson) -> dict[str, Detector]:
    """Each of them, having learned from some images and been fitted on others."""
    found = {}
    for name in NAMES:
        made = Detector.build(SPECS.get(name, name)).learn(lesson)
        fresh = prototypes(120, 2)
        noisy = np.clip(fresh + np.random.default_rng(6).choice([-0.15, 0.15], size=fresh.shape), 0, 1)
        found[name] = made.fit(statistics(made, judge, fresh), statistics(made, judge, noisy.astype("float32")))
    return found


def test_every_one_of_them_is_here() -> None:
    assert set(SPECS) <= set(NAMES)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name == "convolution-statistics" else name for name in NAMES],
)
def test_it_sees_noise_better_than_chance(name, fitted, judge, lesson) -> None:
    made = fitted[name]
    clean, noisy = (made.score(statistics(made, judge, side)) for side in (prototypes(60, 3), lesson.adversarial[:60]))
    assert clean.shape == (60,) and clean.dtype == np.float64
    assert clean.min() >= 0 and noisy.max() <= 1
    # The answers of a net that has learned nothing say little: what looks at them sees little.
    assert noisy.mean() > clean.mean() - 0.02
    if name in ("convolution-statistics", "magnet-error", "pca", "subnetwork"):
        assert noisy.mean() > clean.mean() + 0.2


@pytest.mark.parametrize("name", NAMES)
def test_false_alarms_on_held_out_images_are_as_many_as_promised(name, fitted, judge) -> None:
    """The cut is set on images that it did not learn from; on other ones 5 % lies within the interval."""
    made = fitted[name]
    cut = np.quantile(made.score(statistics(made, judge, prototypes(400, 8))), 0.95, method="higher")
    alarms = int((made.score(statistics(made, judge, prototypes(400, 9))) > cut).sum())
    low, high = interval(alarms, 400)
    # The cut itself is uncertain as well: twice the interval of one side.
    assert low - 0.02 <= 0.05 <= high + 0.02


@pytest.mark.parametrize("name", NAMES)
def test_statistics_do_not_depend_on_the_batch(name, fitted, judge) -> None:
    made, x = fitted[name], prototypes(21, 4)
    whole, parts = (statistics(made, judge, x, batch_size) for batch_size in (64, 8))
    np.testing.assert_allclose(whole, parts, rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(statistics(made, judge, x[::-1])[::-1], whole, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_lesson_gives_the_same_detector(name, judge, lesson) -> None:
    spec = SPECS.get(name, name).replace("dynamic,rounds=2", "static").replace("steps=150", "steps=5")
    one, other = (Detector.build(spec).learn(lesson) for _ in range(2))
    assert one == other and hash(one) == hash(other)


@pytest.mark.parametrize("name", NAMES)
def test_json_round_trip(name, fitted) -> None:
    made = fitted[name]
    kept = json.loads(json.dumps(made.to_dict()))
    assert kept["name"] == name and Detector.from_dict(kept) == made
    assert dataclasses.is_dataclass(made) and made.__dataclass_params__.frozen


@pytest.mark.parametrize("name", NAMES)
def test_each_log_odds_have_the_whole_as_their_largest(name, fitted, judge) -> None:
    values = statistics(fitted[name], judge, prototypes(9, 4))
    each = keras.ops.convert_to_numpy(fitted[name].each_log_odds(values))
    assert each.shape == (9, {"squeezing": 3, "together": 4}.get(name, 1))
    np.testing.assert_allclose(each.max(axis=1), keras.ops.convert_to_numpy(fitted[name].log_odds(values)), rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_no_spec_names_what_is_learned(name) -> None:
    with pytest.raises(SpecError, match="Unknown setting 'slope'"):
        Detector.build(f"{name}:slope=2")


@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        ("squeezing:bits=9", SettingError, "Expected bits from 0 to 8; got 9."),
        ("squeezing:bits=0,median=0", SettingError, "Expected bits, median or search above 0, to squeeze with"),
        ("squeezing:search=4", SettingError, "Expected an odd search, which has a middle; got 4."),
        ("squeezing:strength=0", SettingError, "Expected strength > 0, in gray levels of 256; got 0.0."),
        ("kernel-density:width=0", SettingError, "Expected width > 0"),
        ("kernel-density:most=0", SettingError, "Expected most >= 1; got 0."),
        ("magnet-divergence:temperature=0", SettingError, "Expected temperature > 0; got 0.0."),
        ("magnet-error:p=3", SettingError, "Expected p from 1 to 2; got 3."),
        ("magnet-error:noise=2", SettingError, "Expected noise from 0 to 1"),
        ("pca:last=1", SettingError, "Expected last >= 2; got 1."),
        ("convolution-statistics:keep=2", SettingError, "Expected keep from 0 to 1; got 2.0."),
        ("subnetwork:adversary=dynamical", SpecError, "Unknown adversary 'dynamical'. Did you mean 'dynamic'?"),
        (
            "together:parts=squeezing",
            SpecError,
            "Expected at least two detectors with `;` between them; got 'squeezing'.",
        ),
        ("together:parts=(squeezing;pcb)", SpecError, "Unknown detector 'pcb'. Did you mean 'pca'?"),
        ("together:parts=(pca;together)", SpecError, "Expected detectors that are not several themselves"),
        ("squeezin", SpecError, "Did you mean 'squeezing'?"),
    ],
)
def test_bad_settings(spec, kind, words) -> None:
    with pytest.raises(kind) as caught:
        Detector.build(spec)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        (
            "kernel-density:layer=hiden",
            ModelError,
            "Unknown layer 'hiden' of small_convolutions_logits. Did you mean 'hidden'?",
        ),
        (
            "subnetwork:layer=nothing",
            ModelError,
            "Unknown layer 'nothing' of small_convolutions_logits. Known: conv, flat",
        ),
        ("convolution-statistics:layers=hidden", ModelError, "Expected a layer of shape (height, width, channels)"),
        ("squeezing:median=9", SettingError, "Expected a window of at most 8 pixels for squeezing; got 9."),
        ("together:parts=(logistic;pca)", ModelError, "Expected a model that draws random numbers"),
    ],
)
def test_a_model_that_it_cannot_look_at(spec, kind, words, judge) -> None:
    with pytest.raises(kind) as caught:
        Detector.build(spec).check(judge)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_table() -> None:
    table = models.classifier(keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)]), head="logits")
    with pytest.raises(
        ModelError, match=r"Expected images \(height, width, channels\) for squeezing; got rows of shape"
    ):
        Detector.build("squeezing").check(table)
    with pytest.raises(ModelError, match="Expected a model with convolutions of images"):
        Detector.build("convolution-statistics").check(table)
    for spec in ("magnet-error", "magnet-divergence", "pca", "kernel-density", "subnetwork"):
        Detector.build(spec).check(table)


@pytest.mark.parametrize("name", sorted({*NAMES} - {"squeezing"}))
def test_inputs_of_another_shape_than_it_learned_on(name, fitted) -> None:
    other = models.classifier(net(side=6), head="logits")
    if name in ("convolution-statistics", "kernel-density", "magnet-error", "magnet-divergence", "subnetwork"):
        fitted[name].check(other)  # Neither convolutions nor a dense layer behind them ask for sides.
    else:
        with pytest.raises(ModelError, match="that the detector learned on; got"):
            fitted[name].check(other)


@pytest.fixture(scope="module")
def measured() -> tuple[FittedDetector, tn.Detection, keras.Model, data.Data]:
    """Two detectors in one, fitted, attacked and reported."""
    model = net()
    teacher = models.classifier(model, head="logits")
    x = [prototypes(count, seed) for count, seed in ((120, 21), (40, 22))]
    train, test = (
        data.from_arrays(part, teacher.predict(part).argmax(axis=1), name=name, shape=(8, 8, 1), num_classes=4)
        for part, name in zip(x, ("train", "test"), strict=True)
    )
    parts = data.Data("smooth", train=train, test=test)
    how = {"eps": 0.15, "attacks": ["pgd:steps=5"]}
    made = tn.fit_detector(model, parts, detector="together:parts=(magnet-error:steps=20;pca:last=10)", **how)
    knowing = "undetected:steps=8,step_size=0.2"
    return made, tn.score_detector(model, made, parts, attacks=["pgd:steps=5"], adaptive=knowing), model, parts


@pytest.mark.slow
def test_a_fitted_file_scores_alike(measured, tmp_path) -> None:
    made, found, model, parts = measured
    made.save(tmp_path / "d.json")
    read = FittedDetector.load(tmp_path / "d.json")
    assert read.fitted == made.fitted and 0 < read.learned_on <= 60
    again = tn.score_detector(model, read, parts, attacks=["pgd:steps=5"], adaptive="")
    assert again.scores["0"] == found.scores["0"] and again.scores["clean"] == found.scores["clean"]


def test_detected_evaded_missed_and_resisted_are_all_images(measured) -> None:
    _, found, _, _ = measured
    for place, fate in enumerate(found.fates):
        parts = (fate.detected, fate.evaded, fate.missed, fate.resisted)
        assert sum(each.hits for each in parts) == fate.missed.count > 0
        assert fate.missed.hits == found.slipped_plain[place].hits
        assert fate.missed.hits + fate.evaded.hits == found.slipped_adaptive[place].hits
    for view in (
        str(found),
        *(text.decode() for name, text in found.files().items() if name.endswith((".md", ".html"))),
    ):
        assert "evaded" in view and "missed" in view and "together" in view
        assert "uncertainty" not in view.lower()


def test_damaged_files(measured, tmp_path) -> None:
    made, *_ = measured
    whole = json.loads(made.to_json())
    members = whole["detector"]["members"]
    for change, words in (
        ({"members": []}, "has not learned"),
        ({"members": [{**members[0], "autoencoder": []}, members[1]]}, "has not learned"),
        ({"members": [{**members[0], "autoencoder": ["2x2:AAAA"]}, members[1]]}, "of the detector"),
        ({"members": [{**members[0], "p": float("nan")}, members[1]]}, "not finite"),
        ({"members": [{**members[0], "p": "1"}, members[1]]}, "Expected p as int; got '1'."),
        ({"members": [{**members[0], "center": "x"}, members[1]]}, "Expected center as float; got 'x'."),
        ({"members": [{**members[0], "name": "os:system"}, members[1]]}, "Unknown detector 'os:system'"),
    ):
        (tmp_path / "d.json").write_text(json.dumps({**whole, "detector": {**whole["detector"], **change}}))
        with pytest.raises((DataError, SpecError)) as caught:
            FittedDetector.load(tmp_path / "d.json")
        assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_part_that_was_scored_alone_before(judge, lesson) -> None:
    """Its graph of statistics and answers is not taken for the one that tells how many statistics it has."""
    alone = Detector.build("squeezing:bits=2")
    examples = data.Examples(lesson.clean, lesson.labels, num_classes=4)
    setting = Setting(classifier=judge, examples=examples, ball=BALL, detector=alone)
    assert setting.clean().values.shape == (120, 2)
    both = Detector.build("together:parts=(squeezing:bits=2;squeezing:bits=3,median=0)")
    assert both.learn(dataclasses.replace(lesson, classifier=setting.judge)).widths == (2, 1)
