"""The columns of the tables of a report of robustness; one more is a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from turtlenet.evaluation.views import text
from turtlenet.input_kind import InputKind
from turtlenet.reports.blocks import Column, View
from turtlenet.reports.format import clean, clip, count, fraction, number

if TYPE_CHECKING:
    from turtlenet.evaluation.results.report import Report


def _short(row: Any) -> str:
    return row.short if hasattr(row, "short") else clip(f"+ {row.name}" if hasattr(row, "tried") else row.title, 36)


def _attacked(row: Any) -> Any:
    return getattr(row, "examples", getattr(row, "tried", ""))


_SECONDS = "{:,.1f}".format


def _a(kind: InputKind) -> str:
    return f"{'an' if kind.example[0] in 'aeiou' else 'a'} {kind.example}"


def attack_columns(kind: InputKind) -> tuple[Column, ...]:
    """What is said of each attack on a kind of inputs."""
    inputs = kind.examples
    return (
        Column("", _short, views=View.TERMINAL),
        Column("attack", "title", note="kind", views=View.FILES),
        Column(
            "accuracy [95 % interval]",
            ("accuracy", "accuracy_interval"),
            fraction,
            f"Share of all {inputs} still classified correctly; in a cascade, after this attack and all before it. "
            f"The brackets hold 95 % of what a new draw of as many {inputs} would be expected to show. “every attack” "
            f"counts {_a(kind)} only if all attacks failed on it, and all else that was run within the threat (the "
            "lines that begin with +: what is left after them too). Of a model that draws random numbers it is the "
            "expected accuracy in one fresh draw.",
        ),
        Column(
            "success",
            "success_rate",
            fraction,
            f"Share of the attacked {inputs} on which the attack reached its goal.",
        ),
        Column("seconds", "seconds", _SECONDS, views=View.TERMINAL),
        Column(
            "attacked",
            _attacked,
            count,
            f"{inputs.capitalize()} still classified correctly before: of all {inputs}, or in a cascade of those that "
            "the attacks before left.",
            views=View.FILES,
        ),
        Column(
            "loss",
            "loss",
            number,
            "Mean cross-entropy at the examples found. A strong attack drives it up even where the prediction holds.",
            views=View.FILES,
        ),
        Column("gradients", "gradients", count, f"Input gradients computed, over all {inputs}."),
        Column(
            "queries", "queries", count, f"Forward passes without a gradient, over all {inputs}.", views=View.FILES
        ),
        Column("seconds", "seconds", _SECONDS, "Wall-clock time of the attack.", views=View.FILES),
    )


_LOOKS = "How alike the two images look: "
_LOOK_COLUMNS = (
    Column("PSNR, dB", "psnr_mean", number, f"{_LOOKS}peak signal-to-noise ratio, where more is closer."),
    Column("SSIM", "ssim_mean", number, f"{_LOOKS}structural similarity, where 1 is identical."),
)


def change_columns(kind: InputKind) -> tuple[Column, ...]:
    """What is said of the changes that each attack made to a kind of inputs."""
    return (
        Column("attack", "title"),
        Column(
            "Linf mean",
            "linf_mean",
            number,
            f"Largest change of a {kind.value}, over the successes, in input units.",
        ),
        Column("Linf max", "linf_max", number, "The largest of those, which shows that the budget held."),
        Column("L2 mean", "l2_mean", number, "Euclidean length of the change."),
        Column("L2 max", "l2_max", number, "The largest of those."),
        Column("L1 mean", "l1_mean", number, "Sum of all changes."),
        Column("L0 mean", "l0_mean", number, f"Number of {'values' if kind.pictured else kind.values} changed."),
        *(_LOOK_COLUMNS if kind.pictured else ()),
        Column(
            "smallest, median",
            "minimum_median",
            number,
            "Of attacks that look for the smallest change: its median length in the attack's norm, over the "
            f"{kind.examples} that were right before; none where half of them held.",
        ),
        Column("queries, median", "queries_median", number, "Forward passes without a gradient that a success took."),
    )


def class_columns(report: Report) -> tuple[Column, ...]:
    """What is said of each class."""
    return (
        Column("class", lambda row: text.class_name(report, row.label)),
        Column(text.kind(report).examples, "count", count),
        Column("clean", "clean_accuracy", fraction),
        Column("robust [95 % interval]", ("robust_accuracy", "robust_accuracy_interval"), fraction),
    )


def unit_columns(kind: InputKind) -> tuple[Column, ...]:
    """What is said of each part of the attacks that were run in adaptive order."""
    return (
        Column("part", "name"),
        Column("tried", "tried", count, f"{kind.examples.capitalize()} that it was run on."),
        Column("broke", "broke", count),
        Column("spared", "skipped", count, f"{kind.examples.capitalize()} that withstood without it."),
        Column("gradients", "gradients", count),
        Column("queries", "queries", count),
    )


def part_columns(report: Report) -> tuple[Column, ...]:
    """What is said of each part of the answers."""
    labels = text.has_labels(report)
    inputs = text.kind(report).examples
    alone = ": attacks on a label alone (--task multi-label:label=K) may leave less" if labels else ""
    positive = (Column("true in", "positive", count, f"{inputs.capitalize()} of which the label is true."),)
    return (
        Column("label" if labels else "answer", lambda row: clean(row.name), width=40),
        Column(inputs, "count", count),
        *(positive if labels else ()),
        Column("clean [95 % interval]", ("clean_accuracy", "clean_accuracy_interval"), fraction),
        Column(
            "robust [95 % interval]",
            ("robust_accuracy", "robust_accuracy_interval"),
            fraction,
            "Share in which it holds before and after every attack of the table (what other parts of the evaluation "
            "broke besides is not told apart by part). Attacks break an answer by whichever part is the easiest, and "
            f"leave alone what is wrong already, so this is an upper bound{alone}.",
        ),
    )


def curve_columns(kind: InputKind) -> tuple[Column, ...]:
    """What is said of each radius of the curve."""
    return (
        Column("eps", "eps", "{:g}".format),
        Column("accuracy [95 % interval]", ("accuracy", "accuracy_interval"), fraction),
        Column(kind.examples, "examples", count),
    )
