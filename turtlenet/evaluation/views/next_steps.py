"""What to run next for each doubt: the evaluation that was made, with the options changed that the doubt is about.

A doubt's advice says what to do in words. Here the same stands as a command, with the model, the data and all other
options of this report in it, or as a call from Python where the model or the data were in memory only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from turtlenet.attacks import attacks
from turtlenet.evaluation.certified import CONTRADICTION
from turtlenet.evaluation.doubts.evidence import NEXT_TO_NOTHING
from turtlenet.evaluation.views.again import call, command, line, options_of
from turtlenet.reports.base import Doubt
from turtlenet.reports.blocks import Code
from turtlenet.reports.format import clean

if TYPE_CHECKING:
    from turtlenet.evaluation.results.report import Report

TITLE = "Run next:"
IN_PYTHON = "Run next, in Python, with the same model and data at hand:"
_MANY = 1000
_REPEATED = ("bounds", "eps")
"""The options that a doubt may tell by itself."""
_STANDARD = {"linf": "standard", "l2": "standard", "l1": "standard-l1"}
"""The suite of AutoAttack for each norm that it has."""

Changes = Mapping[str, Any]


def changes_of(report: Report, doubt: Doubt) -> Changes | None:
    """The options of `turtlenet evaluate` that a doubt asks to change.

    Returns:
        By their names without `--`; None takes an option away. None where no other evaluation answers the doubt.
    """
    # What a report's file says is told again, but only as the value of an option that there is.
    told = {name: str(doubt.options[name]) for name in _REPEATED if name in (doubt.options or {})}
    if told:
        return told
    choose = _CHOICES.get("few" if doubt.code.startswith("few-") else doubt.code)
    return choose(report) if choose else None


def code_for(reports: Sequence[Report], doubt: Doubt) -> list[Code]:
    """The command for a doubt that several models of a comparison share, one for all whose options are the same.

    Args:
        reports: Those that have the doubt.
        doubt: What is doubted.
    """
    return _trained(reports, doubt) if doubt.code == "masked-by-defence" else _evaluated(reports, doubt)


def suite_to_publish(report: Report) -> str | None:
    """The suite that a published number stands on, where it may lower this one.

    None where there is none for the norm, the features, the task or the attacker, or where next to nothing is left.
    """
    fits = _is_single(report) and not report.beside and not isinstance(report.threat.get("features"), dict)
    return (
        _STANDARD.get(str(report.threat.get("norm"))) if fits and report.robust_accuracy >= NEXT_TO_NOTHING else None
    )


def code_to_publish(report: Report) -> list[Code]:
    """The command that evaluates again by that suite, or the call from Python."""
    changes = _suite(report)
    if text := command(report, {**changes, "report": f"{_stem(str(report.model.get('path')))}-standard-report"}):
        return [_code(TITLE, text)]
    again = call(report, changes)
    return [_code(IN_PYTHON, again, "python")] if again else []


def _evaluated(reports: Sequence[Report], doubt: Doubt) -> list[Code]:
    groups: dict[str, list[tuple[Report, Changes]]] = {}
    found = []
    for report in reports:
        changes = changes_of(report, doubt)
        if changes is None:
            found += _inspected(report, doubt)
        elif command(report, changes) is None:
            found += [_code(IN_PYTHON, text, "python") for text in [call(report, changes)] if text]
        else:
            options = {**options_of(report), **changes}
            groups.setdefault(json.dumps(options, default=str), []).append((report, options))
    # One model several times: at several radii, each with a report of its own.
    swept = len({report.model.get("path") for report in reports}) < len(groups)
    how = {"alone": len(groups) == 1, "swept": swept}
    return [*(_command(group, doubt, **how) for group in groups.values()), *found]


def _command(group: Sequence[tuple[Report, Changes]], doubt: Doubt, *, alone: bool, swept: bool) -> Code:
    paths = [str(report.model["path"]) for report, _ in group]
    options = {**group[0][1], "report": f"{_stem(paths[0])}-{_stem(doubt.code)}-report"}
    names = ", ".join(clean(report.model.get("name")) for report, _ in group)
    if swept:
        eps = group[0][0].threat["eps"]
        names, options["report"] = f"{names} at eps {eps:g}", f"{options['report']}-eps-{eps:g}"
    return _code(TITLE if alone else f"Run next, for {names}:", line("evaluate", paths, options))


def _inspected(report: Report, doubt: Doubt) -> list[Code]:
    """Where the data may not fit the model: what the model's file says of what it takes."""
    path = report.model.get("path")
    return [_code(TITLE, line("inspect", [str(path)], {}))] if path and doubt.code in _MISFITS else []


def _trained(reports: Sequence[Report], doubt: Doubt) -> list[Code]:
    """The defended model, trained against attacks on itself."""
    found = []
    for report in reports:
        if command(report) is None:
            continue
        kept, path = options_of(report), str(report.model["path"])
        names = ("norm", "eps", "bounds", "features", "movable", "constraint", "head", "data", "seed", "label", "drop")
        options = {"attack": "pgd", **{name: kept[name] for name in names if name in kept}}
        stem = str(Path(path).with_name(f"{_stem(path)}-hardened"))
        options |= {"out": f"{stem}.h5", "report": f"{stem}-report"}
        found.append(_code(TITLE, line("train", [path], options)))
    return found


def _code(title: str, text: str, language: str = "sh") -> Code:
    """Folded, so that the doubts can be read one after the other."""
    return Code(title, text, language, folded=True)


def _stem(path: str) -> str:
    return re.sub(r"[^\w.-]+", "-", Path(path).stem).strip("-.") or "model"


def _with(*specs: str, **changes: Any) -> Callable[[Report], Changes]:
    """The same attacks and these; those that do not fit the threat or the task are left out."""

    def choose(report: Report) -> Changes:
        norm = str(report.threat.get("norm"))
        kept = [_in_norm(spec, norm) for spec in specs if "loss=" not in spec or _is_single(report)]
        kept = [spec for spec in kept if norm in attacks.build(spec).under(norm).norms]
        before = options_of(report)["attack"]
        added = [spec for spec in dict.fromkeys(kept) if spec not in before]
        # In a cascade the strong would only see what the weak left, and a doubt compares both.
        return {"attack": [*before, *added], **changes}

    return choose


def _in_norm(spec: str, norm: str) -> str:
    if norm != "l0" or not spec.startswith("pgd"):
        return spec
    return "sigma-zero" if "loss=margin" in spec else "fmn"


def _is_single(report: Report) -> bool:
    """Whether an input has one label of several: other tasks have losses of their own."""
    return bool(report.per_class)


def _more(report: Report) -> Changes | None:
    """More examples, where the data may have more than were taken."""
    total, limit = report.data.get("count") or 0, report.asked.get("limit")
    if report.asked and (limit is None or total < limit):
        return None
    return {"limit": max(_MANY, total)}


def _draws(report: Report) -> Changes:
    more = 2 * int(report.threat.get("draws") or report.asked.get("draws") or 10)
    return {"draws": more, **_with("autoattack:version=rand")(report)}


def _levels(report: Report) -> Changes:
    own = isinstance(report.threat.get("features"), dict)
    return _with("square:queries=2000" if own else "quantizer-pgd")(report)


def _suite(report: Report) -> Changes:
    norm = str(report.threat.get("norm"))
    if norm not in _STANDARD or isinstance(report.threat.get("features"), dict) or not _is_single(report):
        return _with("pgd:steps=200,restarts=10")(report)
    return {"attack": None, "mode": None, "suite": _STANDARD[norm]}


def _unseen(report: Report) -> Changes | None:
    """Arrays are one part: there is no other to take."""
    return {"split": "test"} if report.data.get("split") else None


def _unbounded(report: Report) -> Changes:
    return {"eps": None}


def _uncertified(report: Report) -> Changes:
    return {"certify": None}


_STRONG = "pgd:steps=100,restarts=10"
_MARGIN = "pgd:steps=100,restarts=10,loss=margin"
_QUERIES = "square:queries=5000"
_MISFITS = ("no-better-than-guessing", "labels-in-another-order", "another-reading-fits")
_CHOICES: dict[str, Callable[[Report], Changes | None]] = {
    CONTRADICTION: _uncertified,
    "few": _more,
    "classes-left-out": lambda report: {"limit": 0},
    "weak-attacks": _with("pgd:steps=40,restarts=5"),
    "no-attack-counts": _with("pgd:steps=40,restarts=5"),
    "upper-bound": _with(_STRONG, _MARGIN),
    "zero-gradients": _with("pgd:steps=40,restarts=5,loss=margin", _QUERIES),
    "flat-loss": _with("pgd:steps=40,restarts=10,loss=margin", _QUERIES),
    "saturated-outputs": _with("pgd:steps=40,restarts=5,loss=margin"),
    "one-step-beats-iterative": _with("pgd:steps=100,step_size=0.05,restarts=10", _MARGIN),
    "noise-beats-attack": _with(_STRONG, _QUERIES),
    "black-box-beats-white-box": _with(_STRONG, _MARGIN, _QUERIES, gradient="adaptive"),
    "transfer-beats-white-box": _with(_STRONG, _MARGIN),
    "accuracy-stays-up": _with("pgd:steps=200,step_size=0.1,restarts=5", _MARGIN, _QUERIES),
    "accuracy-rises-with-eps": _with(_STRONG),
    "not-converged": _suite,
    "random-outputs": _draws,
    "success-on-one-draw": _draws,
    "naive-gradient": lambda report: {"gradient": "adaptive"},
    "surrogate-gradient": _with(_MARGIN, _QUERIES, "hopskipjump"),
    "undone-by-rules": _with(_QUERIES),
    "levels-not-attacked": _levels,
    "predicted-labels": lambda report: {"labels": "true"},
    "seen-in-training": _unseen,
    "no-query-attack": _with("square:queries=2000"),
    "vast-radius": _unbounded,
}
