"""What CI servers read: JUnit XML and SARIF, against their published schemas, for plain reports and for wild ones."""

import dataclasses

import jsonschema
import pytest
from lxml import etree

from tests.evaluation.views.test_views import HOSTILE, attack, report
from tests.schemas import check_junit, check_sarif
from turtlenet.evaluation.certified import CONTRADICTION
from turtlenet.evaluation.views.junit import junit
from turtlenet.evaluation.views.sarif import sarif
from turtlenet.reports.base import Doubt

DOUBTS = (
    Doubt(code="zero-gradients", finding="Gradients are zero.", advice="Attack otherwise."),
    Doubt(code="few-examples", finding="12 images.", advice="Take more."),
)
WILD = f"{HOSTILE}\x00\ufffe\ud800 ]]> &"


@pytest.fixture
def plain():
    return report(doubts=DOUBTS)


def test_the_schemas_refuse_what_is_none(plain):
    with pytest.raises(jsonschema.ValidationError):
        check_sarif(sarif([plain]).replace(b'"warning"', b'"warned"', 1))
    with pytest.raises(etree.DocumentInvalid):
        check_junit(junit([plain]).replace(b"<properties>", b"<propertys>").replace(b"</properties>", b"</propertys>"))


def test_a_gate_fails_the_tests_below_it(plain):
    root = check_junit(junit([plain], gate=0.87))
    cases = root.findall("testsuite/testcase")
    assert [case.get("name") for case in cases] == [
        "robust accuracy",
        *(f"attack {number}: {row.title}" for number, row in enumerate(plain.attacks, 1)),
    ]
    failed = {case.get("name") for case in cases if case.find("failure") is not None}
    below = {f"attack {number}: {row.title}" for number, row in enumerate(plain.attacks, 1) if row.accuracy < 0.87}
    assert failed == {"robust accuracy"} | below and below
    assert root.get("failures") == str(len(failed)) and root.get("tests") == str(len(cases))
    assert "expected an accuracy of at least 0.87; got 0.861" in {each.get("message") for each in root.iter("failure")}
    assert "zero-gradients: Gradients are zero. -> Attack otherwise." in cases[0].findtext("system-out")


def test_without_a_gate_nothing_fails(plain):
    assert check_junit(junit([plain])).get("failures") == "0"
    assert check_junit(junit([plain], gate=0.861)).get("failures") == "0"


def test_attacks_that_do_not_count_cannot_fail(plain):
    beside = [attack("deepfool", accuracy=0.0, norm="l2", eps=8.0), attack("fgsm", accuracy=0.0, counted=False)]
    other = dataclasses.replace(plain, attacks=tuple(beside), robust_accuracy=0.9)
    assert check_junit(junit([other], gate=0.5)).get("failures") == "0"


def test_sarif_has_a_result_for_the_gate_and_for_each_doubt(plain, tmp_path):
    log = check_sarif(sarif([plain], gate=0.9, root=tmp_path))
    run = log["runs"][0]
    assert [(each["ruleId"], each["level"]) for each in run["results"]] == [
        ("robust-accuracy", "error"),
        ("zero-gradients", "warning"),
        ("few-examples", "warning"),
    ]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[each["ruleIndex"]]["id"] == each["ruleId"] for each in run["results"])
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "models/hardened.h5"
    assert check_sarif(sarif([plain], gate=0.861))["runs"][0]["results"][0]["ruleId"] == "zero-gradients"


def test_a_broken_certificate_is_an_error(plain):
    alarm = dataclasses.replace(plain, doubts=(Doubt(code=CONTRADICTION, finding="Broken.", advice="Tell us."),))
    assert check_sarif(sarif([alarm]))["runs"][0]["results"][0]["level"] == "error"


def test_the_same_finding_has_the_same_fingerprint_from_run_to_run(plain):
    def marks(one):
        return [each["partialFingerprints"] for each in check_sarif(sarif([one], 0.9))["runs"][0]["results"]]

    assert marks(plain) == marks(dataclasses.replace(plain, robust_accuracy=0.2, seed=3))
    assert marks(plain) != marks(report(name="other.h5", doubts=DOUBTS))


def test_a_model_elsewhere_and_one_in_memory_have_a_place(plain, tmp_path):
    far = dataclasses.replace(plain, model={**plain.model, "path": "/far a/way%.h5"})
    here = dataclasses.replace(plain, model={**plain.model, "path": None})
    log = check_sarif(sarif([far, here], gate=0.9, root=tmp_path))
    places = [each["locations"][0] for each in log["runs"][0]["results"]]
    assert places[0]["physicalLocation"]["artifactLocation"]["uri"] == "file:///far%20a/way%25.h5"
    assert places[-1] == {"logicalLocations": [{"name": "hardened.h5 (2)", "kind": "module"}]}


@pytest.mark.parametrize("gate", [None, 0.9])
def test_wild_names_do_no_harm(gate):
    wild = report(name=WILD, attacks=(attack(WILD),), doubts=(Doubt(code="few-examples", finding=WILD, advice=WILD),))
    root = check_junit(junit([wild, wild], gate))
    assert len(root.findall("testsuite")) == 2
    assert check_sarif(sarif([wild, wild], gate))["runs"][0]["results"]


def test_nothing_attacked_is_a_file_too():
    bare = report(attacks=(), doubts=())
    assert check_junit(junit([bare], 0.5)).get("tests") == "1"
    assert check_sarif(sarif([bare], 0.5))["runs"][0]["results"] == []
