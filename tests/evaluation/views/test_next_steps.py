"""For each doubt the next command: it can be typed, it fits the threat, and no file puts words into it."""

import shlex
from dataclasses import replace

import pytest

from tests.evaluation.views.test_views import attack, html, markdown, natural, report
from turtlenet import attacks
from turtlenet.cli import evaluate as evaluate_command
from turtlenet.cli import train as train_command
from turtlenet.evaluation.views import next_steps
from turtlenet.reports.base import Doubt
from turtlenet.settings import suites

ASKED = {"data": "mnist-sample", "limit": 1000}
CODES = sorted({*next_steps._CHOICES, *next_steps._MISFITS, "masked-by-defence"} - {"few"} | {"few-images"})


def doubted(code="weak-attacks", finding="Found.", advice="Do.", **values):
    return report(doubts=(Doubt(code=code, finding=finding, advice=advice),), **values)


def typed(text: str) -> list[str]:
    return shlex.split(text.replace("\\\n", ""))


def parsed(words: list[str], command) -> dict:
    assert words[0] == "turtlenet"
    return command.make_context(words[1], words[2:]).params


@pytest.mark.parametrize("norm", ["linf", "l2", "l1", "l0"])
@pytest.mark.parametrize("code", CODES)
def test_every_doubt_has_a_command_that_can_be_typed(code, norm):
    threat = {**report().threat, "norm": norm, "eps": 2.0, "access": "white-box"}
    plain = (attack("noise", "random"), attack("fmn" if norm == "l0" else "fgsm", "one-step"))
    one = doubted(code, threat=threat, asked=ASKED, attacks=plain, data={**report().data, "split": "all"})
    (found,) = next_steps.code_for([one], one.doubts[0])
    words = typed(found.text)
    if words[1] == "inspect":
        assert code in next_steps._MISFITS and words[2:] == ["models/hardened.h5"]
        return
    if words[1] == "train":
        given = parsed(words, train_command.command)
        assert code == "masked-by-defence" and given["model"] == "models/hardened.h5" and given["norm"] == norm
        return
    given = parsed(words, evaluate_command.command)
    assert given["models"] == ("models/hardened.h5",) and given["data"] == "mnist-sample"
    assert str(given["report"]) == f"hardened-{code}-report"
    named = [*given["attacks"], *(suites.find(given["suite"]).attacks if given["suite"] else [])]
    assert named and all(norm in attacks.build(spec).under(norm).norms for spec in named)


def test_what_is_run_next_in_l0_is_more_than_was_run():
    threat = {**report().threat, "norm": "l0", "eps": 2.0, "access": "white-box"}
    one = doubted("upper-bound", threat=threat, asked=ASKED, attacks=(attack("fmn", "iterative"),))
    given = parsed(typed(next_steps.code_for([one], one.doubts[0])[0].text), evaluate_command.command)
    assert given["attacks"] == ("fmn", "sigma-zero")


def test_the_command_changes_what_is_doubted_alone():
    one = doubted("weak-attacks", asked=ASKED)
    before = parsed(typed(html([one]).partition("To run it again:")[2].partition("<pre>")[2].partition("</pre>")[0]),
                    evaluate_command.command)  # fmt: skip
    after = parsed(typed(next_steps.code_for([one], one.doubts[0])[0].text), evaluate_command.command)
    assert {name for name in after if after[name] != before[name]} == {"attacks", "report"}
    assert after["attacks"] == (*before["attacks"], "pgd:steps=40,restarts=5")


def test_what_no_more_data_can_answer_has_no_command():
    one = doubted("few-images", asked={"data": "mnist-sample", "limit": 5000})
    assert next_steps.code_for([one], one.doubts[0]) == []
    unknown = doubted("something-new")
    assert next_steps.code_for([unknown], unknown.doubts[0]) == []


def test_what_was_in_memory_has_a_call():
    one = doubted("labels", model={"name": "model", "path": None}, asked={"data": None, "limit": None})
    one = replace(one, doubts=(Doubt(code="predicted-labels", finding="", advice=""),))
    (found,) = next_steps.code_for([one], one.doubts[0])
    assert found.language == "python" and "    labels='true',\n" in found.text
    compile(found.text, "call", "eval")


def test_a_file_puts_no_words_into_a_command():
    evil = {"bounds": "0,1; rm -rf /", "eps`rm`": "1", "--out x": "y"}
    doubts = (Doubt(code="pixels-on-one-side; rm -rf ~", finding="", advice="", options=evil),)
    one = report(doubts=doubts, asked=ASKED)
    (found,) = next_steps.code_for([one], doubts[0])
    words = typed(found.text)
    assert words[words.index("--bounds") + 1] == "0,1; rm -rf /"
    assert "--out x" not in found.text and "`" not in found.text
    assert words[-1] == "hardened-pixels-on-one-side-rm--rf-report"


def test_models_with_the_same_doubt_share_a_command():
    rows = natural().attacks
    pair = [replace(natural(), asked=ASKED), report(attacks=rows, asked=ASKED)]
    (found,) = next_steps.code_for(pair, pair[0].doubts[0])
    given = parsed(typed(found.text), evaluate_command.command)
    assert given["models"] == ("models/natural.h5", "models/hardened.h5") and found.title == next_steps.TITLE
    page = html(pair)
    assert page.count("(few-images)") == 1 and "every model: Only 12 images." in page
    other = [pair[0], replace(pair[1], seed=3)]
    assert [each.title for each in next_steps.code_for(other, pair[0].doubts[0])] == [
        "Run next, for natural.h5:",
        "Run next, for hardened.h5:",
    ]


def test_the_same_doubt_with_other_figures_is_told_once():
    pair = [doubted(finding="It leaves 0.1."), replace(doubted(finding="It leaves 0.2."), model={"name": "b.h5"})]
    for text in (html(pair), markdown(pair)):
        assert text.count("weak-attacks)") + text.count("`weak-attacks`") == 1
        assert "It leaves 0.1." in text and "It leaves 0.2." in text


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_a_quick_look_without_doubts_says_which_evaluation_to_publish(norm):
    threat = {**report().threat, "norm": norm, "eps": 0.3, "access": "white-box"}
    quick = {"doubts": (), "asked": ASKED, "threat": threat}
    suite = "standard-l1" if norm == "l1" else "standard"
    one = report(attacks=(attack("fgsm", "one-step"), attack("pgd", "iterative")), **quick)
    assert f"run --suite {suite}." in markdown([one])
    (found,) = next_steps.code_to_publish(one)
    given = parsed(typed(found.text), evaluate_command.command)
    assert given["suite"] == suite and given["attacks"] == () and given["norm"] == norm
    assert str(given["report"]) == "hardened-standard-report"
    assert all("--report hardened-standard-report" in view([one]) for view in (markdown, html))
    # What was run, what no such suite is for, and a model that is broken anyway.
    square = (attack("pgd", "iterative"), attack("square", "query"))
    for other in (
        report(attacks=square, **quick),
        report(**{**quick, "threat": {**threat, "norm": "l0"}}),
        report(robust_accuracy=0.01, **quick),
        report(beside="who trained it", **quick),
    ):
        assert "A number to publish" not in markdown([other])
