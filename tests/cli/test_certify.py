"""`turtlenet certify`: the folder, the bar, and the one line on bad input."""

import json

import pytest

import turtlenet as tn
from tests.cli.conftest import listing


@pytest.fixture
def good(shelf):
    return ("certify", shelf / "good.h5", "--data", shelf / "data.npz", "--method", "ibp", "--attack", "fgsm")


def test_the_result_lies_in_a_folder_and_resumes(good, cli, away):
    result = cli(*good, "--eps", "0.01", "--limit", "24")
    assert (result.code, result.err) == (0, "")
    folder = "good-certificate"
    names = {f"certificate.{ending}" for ending in ("json", "md", "html", "csv", "sha256")}
    assert set(listing(away)) == {folder} | {f"{folder}/{name}" for name in names}
    found = tn.Certificate.from_json((away / folder / "certificate.json").read_text())
    assert result.out == f"{found}\n\ncertificate: {folder}/certificate.html\n"
    assert found.certified_accuracy <= found.attacked_accuracy <= found.clean_accuracy
    assert f"{found.certified_accuracy:.3f} certified <= true <= {found.attacked_accuracy:.3f} attacked" in result.out
    assert len(found.verdicts["verdict"]) == 24 == found.data["count"]
    assert found.verdicts["verdict"].count("certified") == round(found.certified_accuracy * 24)
    assert cli(*good, "--eps", "0.01", "--limit", "24", "--resume").code == 0
    again = json.loads((away / folder / "certificate.json").read_text())
    assert again["verdicts"] == found.to_dict()["verdicts"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--eps", "1.5"), "Expected eps <= 1, the widest that the bounds 0 and 1 allow; got 1.5."),
        (("--exact", "0"), "Expected exact > 0; got 0.0."),
        (("--method", "crwn"), "Unknown method 'crwn'. Did you mean 'crown'?"),
        (("--attack", "pgd", "--attack", "fgsm"), "Expected --attack once; got it 2 times."),
        (("--norm", "l0", "--eps", "3", "--attack", "none"), "Expected a norm of linf, l2, l1 to certify; got l0."),
        (
            ("--method", "exact", "--norm", "l2", "--exact", "5", "--eps", "0.1"),
            "Expected norm linf for method=exact; got l2.",
        ),
    ],
)
def test_bad_input_is_one_line(good, cli, away, options, said):
    result = cli(*(good[:-2] if "--attack" in options else good), *options)
    assert (result.code, result.out) == (2, "")
    assert result.err.strip().endswith(said)
    assert len(result.err.strip().splitlines()) == 1
    assert not listing(away)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("--sigma", "0.25", "--n", "10", "--n0", "100"),
            "Expected --method smoothing for --sigma, --n0, --n; got --method ibp: leave them out.",
        ),
        (("--alpha", "0.5"), "Expected --method smoothing for --alpha; got --method ibp: leave it out."),
        (("--bound", "cohen"), "Expected --method smoothing for --bound; got --method ibp: leave it out."),
        (("--exact", "5"), "Expected --method exact for --exact; got --method ibp: leave it out."),
        (
            ("--method", "smoothing", "--norm", "l2"),
            "Expected a method other than smoothing for --attack; got --method smoothing: leave it out.",
        ),
    ],
)
def test_settings_of_another_method_are_refused(good, cli, away, options, said):
    result = cli(*good, *options)
    assert (result.code, result.out, result.err) == (2, "", f"turtlenet: {said}\n")
