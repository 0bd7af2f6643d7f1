"""Model cards that Hugging Face's own library reads, and the badge of a report."""

import xml.etree.ElementTree as ElementTree

import keras
import numpy as np
import pytest
import yaml

import turtlenet as tn
from turtlenet.reports.badge import badge, color_of
from turtlenet.workflows.card import write_card


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model's file."""
    made = tmp_path_factory.mktemp("card")
    net = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(4)])
    recipe = {"objective": {"name": "madry", "attack": {"steps": 3}}, "defences": [], "epochs": 2}
    source = {"name": "before|after.h5", "sha256": "ab" * 32}
    tn.save_model(net, made / "hard.h5", provenance={"source": source, "recipe": recipe})
    return made


@pytest.fixture(scope="module")
def report(folder):
    x = np.random.default_rng(0).uniform(size=(20, 8, 8, 1)).astype("float32")
    return tn.evaluate(
        folder / "hard.h5", (x, np.arange(20) % 4), attacks=["fgsm"], eps=8 / 255, curve=0, tell=lambda line: None
    )


def test_a_card_tells_what_was_measured(folder, report, tmp_path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    path = write_card(folder / "hard.h5", tmp_path, report, validation={"robust_accuracy": 0.25})
    assert path == tmp_path / "README.md"
    card = hub.ModelCard.load(path)
    assert (card.data.library_name, card.data.pipeline_tag) == ("keras", "image-classification")
    clean, robust = card.data.eval_results
    assert (clean.metric_type, robust.metric_name) == (
        "accuracy",
        "Robust accuracy (Linf eps 0.0313725 in [0, 1], 1 attacks)",
    )
    assert (clean.metric_value, robust.metric_value) == (report.clean_accuracy, report.robust_accuracy)
    assert robust.dataset_name.endswith("20 examples")
    assert "hardened from `before\\|after.h5`" in card.text and "| objective.attack.steps | 3 |" in card.text
    assert "Threat: Linf eps 0.0313725" in card.text and "(robust accuracy 0.250)" in card.text
    assert all(each.finding.split(":")[0][:20] in card.text.replace("\\", "") for each in report.doubts)


def test_a_card_says_what_was_not_measured(folder, tmp_path) -> None:
    path = write_card(folder / "hard.h5")
    assert path == folder / "hard-card.md"
    text = path.read_text("utf-8")
    assert "Not measured on test data yet: `turtlenet evaluate hard.h5`." in text and "import turtlenet" not in text
    head = yaml.safe_load(text.split("---\n")[1])
    assert "model-index" not in head and "turtlenet" in head["tags"]


def test_somebody_elses_page_is_left_alone(folder, report, tmp_path) -> None:
    (tmp_path / "README.md").write_text("# Mine\n")
    assert write_card(folder / "hard.h5", tmp_path, report) == tmp_path / "hard-card.md"
    assert (tmp_path / "README.md").read_text() == "# Mine\n"
    (tmp_path / "README.md").unlink()
    assert write_card(folder / "hard.h5", tmp_path, report) == write_card(folder / "hard.h5", tmp_path, report)


def test_a_file_that_tells_nothing_has_a_card_too(tmp_path) -> None:
    net = keras.Sequential([keras.Input((30,)), keras.layers.Dense(2)])
    net.save(tmp_path / "plain.h5")
    text = write_card(tmp_path / "plain.h5").read_text("utf-8")
    assert "The file does not say how." in text and "pipeline_tag: tabular-classification" in text


def test_the_badge_of_a_report(report) -> None:
    root = ElementTree.fromstring(report.files()["badge.svg"])
    assert root.get("aria-label").startswith("robust accuracy: ") and "at linf eps 0.0314" in root.get("aria-label")
    # There are reasons to doubt twenty images.
    assert color_of(0.0, doubted=True).encode() in report.files()["badge.svg"]


def test_a_badge_is_whole() -> None:
    root = ElementTree.fromstring(badge("a & b", "<50 %>", color_of(0.6, doubted=False)))
    assert root.get("aria-label") == "a & b: <50 %>"
    colors = [color_of(share, doubted=False) for share in (0.0, 0.2, 0.3, 0.5, 1.0)]
    assert [colors.index(color) for color in colors] == [0, 0, 2, 3, 3]
