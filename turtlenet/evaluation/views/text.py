"""What is said of a report, in the words that all views share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from turtlenet.input_kind import InputKind, kind_named
from turtlenet.radius import size_words
from turtlenet.reports.format import MISSING, clean, count, fraction, percent, within

if TYPE_CHECKING:
    from turtlenet.evaluation.results.records import AttackRow, PartRow
    from turtlenet.evaluation.results.report import Report

CLEAN = "clean"
ROBUST = "every attack"
CAVEAT = "This proves nothing: the robust accuracy is an upper bound, and an attack that was not tried may lower it."
WITHOUT_GRADIENT = "attacks without a gradient"
PUBLISH = "A number to publish stands on AutoAttack, which often leaves some points less: run --suite {suite}."
IN_MEMORY = "What was in memory has no command. To run it again from Python, with the same model and data at hand:"
_BLIND = {"query", "decision", "transfer"}


def robust(report: Report) -> str:
    """The accuracy under every attack with its interval; `-` where no attack was run."""
    return fraction(report.robust_accuracy, report.robust_accuracy_interval) if report.attacks else MISSING


def kind(report: Report) -> InputKind:
    """What an input is, and the words for it."""
    return kind_named(report.data.get("kind"))


def inputs(report: Report) -> str:
    """How many inputs the report speaks of, as `1,000 images`."""
    total, words = report.data.get("count"), kind(report)
    return f"{count(total)} {words.example if total == 1 else words.examples}"


def class_name(report: Report, label: int) -> str:
    """A class by its name, or by its number where it has none."""
    known = report.data.get("classes")
    return clean(known[label]) if isinstance(known, list) and 0 <= label < len(known) else str(label)


def has_labels(report: Report) -> bool:
    """Whether several labels may be true of an input at once."""
    return any(row.positive is not None for row in report.per_part)


def parts_title(report: Report) -> str:
    """The heading over the parts of the answers."""
    return "Per label" if has_labels(report) else "Per part of the answer"


def cascade(report: Report) -> str:
    """What a cascade is."""
    return (
        f"A cascade: each attack met only the {kind(report).examples} left by those before it; its accuracy counts "
        "them all."
    )


def size(report: Report) -> str:
    """`166,406 parameters`, and what the layers compute in where that is not float32."""
    precision = clean(report.model.get("precision") or "float32")
    narrow = "" if precision == "float32" else f" in {precision}"
    return f"{count(report.model.get('parameters'))} parameters{narrow}"


def shields(report: Report) -> str:
    """The defences of a model and what an attacker differentiates in each; `-` where there is none."""
    found = report.model.get("defences")
    pairs = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    words = [f"{each.get('defence')} (attacked through: {each.get('adaptive')})" for each in pairs]
    return clean(", ".join(dict.fromkeys(words)))


def threat(report: Report) -> str:
    """What an attacker may do, as `Linf eps 0.3 in [0, 1] (76.5 gray levels of 255, 30 % of the range)`."""
    facts = report.threat
    eps = facts.get("eps")
    line = f"{str(facts.get('norm', '')).capitalize()} eps {eps:g}" if eps is not None else "unknown threat"
    if isinstance(facts.get("features"), dict):
        return clean(f"{line}, {_by_feature(facts)}")
    bounds = facts.get("bounds")
    line = f"{line} in [{bounds[0]:g}, {bounds[1]:g}]" if bounds else line
    words = [size_words(str(facts.get("norm")), facts.get("eps_share"), facts.get("eps_gray_levels"), kind(report))]
    words += [str(facts.get("eps_from") or "given").removeprefix("given")]
    more = "; ".join(filter(None, words))
    return clean(f"{line} ({more})" if more else line)


def _numbers(value: Any) -> list[float]:
    """All numbers in lists of lists."""
    if isinstance(value, list | tuple):
        return [number for each in value for number in _numbers(each)]
    return [value] if isinstance(value, int | float) else []


def _by_feature(facts: dict[str, Any]) -> str:
    """How far the features may move where each has a radius, bounds or rules of its own."""
    told = facts["features"]
    radii = _numbers(told.get("eps"))
    unit = str(facts.get("unit") or "each feature's own eps")
    span = f"{min(radii):g}" + (f" to {max(radii):g}" if max(radii) > min(radii) else "") if radii else ""
    within = unit if unit == "input units" else f"units of {unit}"
    words = [f"in {within} ({span}; {facts.get('eps_from')})"] if radii else []
    words.append(f"bounds by feature ({facts.get('bounds_from')})")
    rules = [str(each.get("name")) for each in told.get("constraints") or () if isinstance(each, dict)]
    words += [f"rules {', '.join(dict.fromkeys(rules))}"] if rules else []
    return ", ".join(words)


def names(reports: Sequence[Report]) -> list[str]:
    """A printable name for each model, told apart by a number where two are called the same."""
    plain = [clean(report.model.get("name") or "model") for report in reports]
    counts: Counter[str] = Counter()
    titles = []
    for name in plain:
        counts[name] += 1
        titles.append(f"{name} ({counts[name]})" if counts[name] > 1 else name)
    return titles


def sums(report: Report) -> list[tuple[Sequence[AttackRow], str, float, Sequence[float]]]:
    """The attacks that the threat allows, then those beside.

    Returns:
        The attacks of each group; what all so far are called together, and the accuracy under them with its interval.
    """
    allowed = [row for row in report.attacks if row.counted]
    beside = [row for row in report.attacks if not row.counted]
    found: list[tuple[Sequence[AttackRow], str, float, Sequence[float]]] = [
        (allowed, robust_title(report), report.robust_accuracy, report.robust_accuracy_interval)
    ]
    if report.beside_accuracy is not None and report.beside_accuracy_interval is not None:
        title = f"{ROBUST}, {clean(report.beside)} too"
        found.append((beside, title, report.beside_accuracy, report.beside_accuracy_interval))
    return found


def robust_title(report: Report) -> str:
    """What the attacks are called together that the robust accuracy counts."""
    return f"{ROBUST} in the {clean(report.threat.get('access'))}" if report.beside else ROBUST


def part_rows(report: Report, counted: bool) -> list[PartRow]:
    """The parts of an evaluation that broke more than its attacks: those that the threat allows, or the others."""
    return [row for row in report.parts if row.more and row.counted == counted]


def also(report: Report) -> str:
    """What the parts of the evaluation broke beside its attacks, in one sentence; empty for nothing."""
    rows = [row for row in report.parts if row.more]
    if not rows:
        return ""
    title = sums(report)[-1][1] if not rows[0].counted else robust_title(report)
    each = [
        f"the {clean(row.name)} ({clean(row.attack)}) broke {count(row.more)} more "
        f"{kind(report).example if row.more == 1 else kind(report).examples} of {count(row.tried)} tried"
        for row in rows
    ]
    return f"Counted in “{title}” too: {', '.join(each)}."


def part(report: Report) -> str:
    """Which part of the data was scored, such as `(all of it)`; empty where it is not known or the name says it."""
    words = report.data.get("part")
    # The name of a part of its own says it already.
    said = {"test part": " test", "training part": " train"}.get(str(words), "\n")
    facts = [] if not words or str(report.data.get("name")).endswith(said) else [str(words)]
    facts += ["seen in training"] if report.data.get("seen_in_training") else []
    return clean(f"({', '.join(facts)})") if facts else ""


def own_balls(report: Report) -> str:
    """Which attacks moved in other balls than the threat's, and what that means; empty for none."""
    others = [row for row in report.attacks if row.norm and row.eps is not None]
    if not others:
        return ""
    # The same attack by another attacker has the same ball.
    each = dict.fromkeys(
        f"{clean(row.spec or row.name)} ({row.norm.capitalize()} up to {row.eps:g})" for row in others
    )
    return f"In a ball of its own, counted in “{ROBUST}” only where it kept within the threat: {', '.join(each)}."


def surrogates(report: Report) -> str:
    """The models that an attacker crafted on, and how many clean images each answers right; `-` for none."""
    listed = report.threat.get("surrogates")
    known = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    each = [
        f"{one.get('name')} {percent(one.get('clean_accuracy') or 0.0)} clean ({one.get('path')})" for one in known
    ]
    how = f"; trained with {report.threat.get('surrogate_training')}" if each else ""
    return clean(", ".join(each) + how)


def attack_rows(reports: Sequence[Report]) -> list[tuple[str, tuple[AttackRow | None, ...]]]:
    """The attacks of all reports in the order they were first met, each with its row in every report."""
    rows = [_numbered(report.attacks) for report in reports]
    keys = dict.fromkeys(key for own in rows for key in own)
    return [(key[0], tuple(own.get(key) for own in rows)) for key in keys]


def on_average(report: Report) -> str:
    """Over what the accuracy of a random model is a mean; empty for others."""
    return ", on average over fresh draws of the model" if report.chance else ""


def verdict(report: Report) -> str:
    """The finding in one sentence, with its interval."""
    before = f"before any attack {percent(report.clean_accuracy)}"
    if not report.attacks:
        return f"No attack was run on these {inputs(report)}, so nothing is known of robustness; {before}."
    if report.beside and report.beside_accuracy is not None and report.beside_accuracy_interval is not None:
        return (
            f"Under every attack of the {clean(report.threat.get('access'))} tried, {percent(report.robust_accuracy)} "
            f"(95 % interval {within(report.robust_accuracy_interval)}) of {inputs(report)} are still classified "
            f"correctly; of one {clean(report.beside)}, {percent(report.beside_accuracy)} "
            f"({within(report.beside_accuracy_interval)}); {before}."
        )
    if all(row.norm for row in report.attacks) and not any(row.tried for row in report.parts):
        return f"No attack was run within the threat, so nothing is known of robustness to it; {before}."
    where = " within the threat" if own_balls(report) else ""
    return (
        f"Under every attack tried{where}, {percent(report.robust_accuracy)} (95 % interval "
        f"{within(report.robust_accuracy_interval)}) of {inputs(report)} are still classified correctly"
        f"{on_average(report)}; {before}."
    )


def change(reports: Sequence[Report]) -> str:
    """The robust accuracy of every model in one line, from the first to the last."""
    pairs = zip(names(reports), reports, strict=True)
    return " → ".join(f"{name} {percent(one.robust_accuracy) if one.attacks else MISSING}" for name, one in pairs)


def checks(report: Report) -> tuple[list[str], list[str]]:
    """Which doubts could have been found, by the names of `FIT_CHECKS` and `CHECKS` in
    `turtlenet.evaluation.doubts`.

    Returns:
        The checks that ran, and those that what was run left no room for.
    """
    # With it come data and frameworks, which a leaderboard does without.
    from turtlenet.data.fit.doubts import FIT_CHECKS

    families = {row.kind for row in report.attacks}
    whole, attacked = report.mode == "table", bool(report.attacks)
    many, guided = families & {"iterative", "ensemble"}, families - _BLIND - {"random"}
    # In a cascade what comes last has looked at what the others left; AutoAttack ends so, too.
    blind = bool(families & _BLIND) if whole else attacked and report.attacks[-1].kind in _BLIND
    autoattack = any(row.name == "autoattack" for row in report.attacks)
    possible = {
        **dict.fromkeys(FIT_CHECKS if "eps_share" in report.threat else (), True),
        "zero gradients": attacked,
        "a flat loss": attacked,
        "saturated outputs": attacked,
        "random outputs": attacked,
        "one step against many": whole and "one-step" in families and bool(many),
        "noise against attacks": whole and "random" in families and bool(many or "one-step" in families),
        WITHOUT_GRADIENT: autoattack or (blind and bool(guided)),
        "convergence": attacked and (report.robust_accuracy > 0 or any(row.more for row in report.parts)),
        "luck of a draw": attacked,
        **({"successes that rules took back": attacked} if _ruled(report) else {}),
        "accuracy at the widest ball": bool(report.curve),
        "accuracy rising with eps": len(report.curve) > 1,
        "strength of the attacks": attacked,
        "losses and restarts": bool(many),
        "gradients of defences": attacked,
        "levels of a quantizer": attacked,
        "labels": attacked,
        "number of examples": attacked,
    }
    return [name for name, ran in possible.items() if ran], [name for name, ran in possible.items() if not ran]


def _ruled(report: Report) -> bool:
    """Whether the features have rules."""
    told = report.threat.get("features")
    return bool(isinstance(told, dict) and told.get("constraints"))


def _numbered(attacks: Sequence[AttackRow]) -> dict[tuple[str, int], AttackRow]:
    counts: Counter[str] = Counter()
    rows = {}
    for row in attacks:
        title = row.title
        rows[title, counts[title]] = row
        counts[title] += 1
    return rows
