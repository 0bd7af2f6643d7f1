"""Suites are found by name and path, and every one that ships can be built."""

import json

import pytest

from turtlenet import attacks, models
from turtlenet.attacks import Attack
from turtlenet.attacks.threat import threat_for
from turtlenet.errors import SpecError
from turtlenet.settings import suites


@pytest.fixture(scope="module")
def blank():
    """Ten classes of images, as the papers' models have."""
    return models.classifier(models.build("lenet"))


@pytest.mark.parametrize("name", suites.names())
def test_every_shipped_suite_is_sound(name, blank) -> None:
    suite = suites.find(name)
    assert suite.title and suite.source
    made = [attacks.build(spec) for spec in suite.attacks]
    # Each can be run beside the others, and written into a report.
    threat_for(blank, made, suite.norm or "linf", suite.eps)
    for attack in made:
        assert Attack.from_dict(json.loads(json.dumps(attack.to_dict(), allow_nan=False))) == attack


@pytest.mark.parametrize(("suite", "norm"), [("standard", "linf"), ("standard", "l2"), ("standard-l1", "l1")])
@pytest.mark.parametrize("num_classes", [2, 3, 10])
def test_standard_is_autoattack_in_rows(suite, norm, num_classes) -> None:
    def searched(given):
        rounds = [pair for attack in given for pair in attack.under(norm).rounds(num_classes)]
        return [(str(part).partition(":")[0].partition("-")[0], part.judged_by, count) for part, count in rounds]

    rows = [attacks.build(spec) for spec in suites.find(suite).attacks]
    assert searched(rows) == searched([attacks.build("autoattack")])


def test_the_shipped_names() -> None:
    assert {"quick", "gano-2019"} <= set(suites.names())


def test_a_users_own_folder_comes_first(tmp_path, monkeypatch) -> None:
    (tmp_path / "attacks").mkdir()
    (tmp_path / "attacks" / "quick.toml").write_text('attacks = ["fgsm"]\neps = 0.5\n')
    (tmp_path / "attacks" / "mine.toml").write_text('attacks = ["pgd:steps=2", "fgsm"]\n')
    monkeypatch.chdir(tmp_path)
    assert suites.find("quick") == suites.Suite(attacks=("fgsm",), eps=0.5)
    assert "mine" in suites.names() and "gano-2019" in suites.names()
    assert suites.expand(["noise", "attacks/mine.toml"]) == ["noise", "pgd:steps=2", "fgsm"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("attacks = [", "Expected TOML"),
        ("eps = 0,03 # of 1", "Did you mean '0.03'?"),
        ("atacks = ['fgsm']", "Did you mean 'attacks'?"),
        ("eps = 0.3", "Expected `attacks ="),
        ("attacks = 'fgsm'", "Expected `attacks ="),
        ("attacks = []", "Expected `attacks ="),
        ("attacks = ['fgsm']\neps = 'big'", "Expected eps in input units"),
        ("attacks = ['fgsm']\nnorm = 3", "Expected a string for 'norm'"),
    ],
)
def test_bad_suites(text, words, tmp_path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        suites.find(str(path))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_no_such_suite(tmp_path) -> None:
    with pytest.raises(SpecError, match="Did you mean 'quick'"):
        suites.find("quik")
    with pytest.raises(SpecError, match="Expected a suite at"):
        suites.find(str(tmp_path / "none.toml"))
