"""Model cards in the format of Hugging Face: Markdown behind a block of YAML."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from turtlenet.evaluation.results.report import Report
from turtlenet.evaluation.views.text import threat
from turtlenet.input_kind import InputKind
from turtlenet.reports.markdown import plain

MARK = "<!-- Written by turtlenet from the model's file and its report. -->"
_TASKS = {"image": "image-classification", "table": "tabular-classification"}
_TAGS = ("keras", "turtlenet", "adversarial-robustness", "adversarial-training")


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a card says of a hardened model.

    Attributes:
        file: Name of the model's file.
        sha256: Of that file.
        parameters: How many numbers it holds.
        shape: Of an input, without the batch.
        outputs: What it answers, in words.
        kind: What an input is.
        source: The file that was hardened: `name` and `sha256`.
        recipe: How: see `turtlenet.training.Run.recipe`.
        custom: Whether the file loads after `import turtlenet` alone.
        validation: Accuracies on the held-out images that chose the epoch.
        report: What was measured on test images; None where nobody did.
    """

    file: str
    sha256: str
    parameters: int
    shape: tuple[int, ...]
    outputs: str
    kind: InputKind
    source: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    custom: bool = False
    validation: Mapping[str, float] = field(default_factory=dict)
    report: Report | None = None

    def __str__(self) -> str:
        head = yaml.safe_dump(self.metadata(), sort_keys=False, allow_unicode=True, width=100)
        stem = self.file.rpartition(".")[0] or self.file
        parts = [f"---\n{head}---", MARK, f"# {plain(stem)}", *self._text()]
        return "\n\n".join(parts) + "\n"

    def metadata(self) -> dict[str, Any]:
        """The block of YAML as plain data."""
        task = _TASKS.get(self.kind.name)
        data: dict[str, Any] = {"library_name": "keras", "tags": list(_TAGS), "metrics": ["accuracy"]}
        data |= {"pipeline_tag": task} if task else {}
        if self.report is None:
            return data
        report = self.report
        name = str(report.data.get("name") or "data")
        found = threat(report).partition(" (")[0]
        values = (
            ("Clean accuracy", report.clean_accuracy),
            (f"Robust accuracy ({found}, {len(report.attacks)} attacks)", report.robust_accuracy),
        )
        result = {
            "task": {"type": task or "other", "name": self.outputs},
            "dataset": {"type": name, "name": f"{name}, {report.data['count']:,} examples"},
            "metrics": [{"type": "accuracy", "name": words, "value": round(value, 4)} for words, value in values],
        }
        return {**data, "model-index": [{"name": self.file, "results": [result]}]}

    def _text(self) -> Iterator[str]:
        source = f" from `{plain(self.source['name'])}`" if self.source.get("name") else ""
        yield f"A Keras model, hardened{source} against adversarial examples."
        sides = "x".join(map(str, self.shape))
        facts = {"inputs": sides, "outputs": self.outputs, "parameters": f"{self.parameters:,}", "sha256": self.sha256}
        facts |= {"hardened from (sha256)": self.source["sha256"]} if self.source.get("sha256") else {}
        yield _table(("", ""), facts.items())
        yield "## Use"
        loading = "import turtlenet  # knows the layers of its defences\n" if self.custom else ""
        yield f'```python\nimport keras\n{loading}\nmodel = keras.saving.load_model("{self.file}")\n```'
        yield "## Training"
        yield _table(("setting", "value"), _flat(self.recipe)) if self.recipe else "The file does not say how."
        if self.validation:
            found = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in self.validation.items())
            yield f"The kept epoch was the best on held-out training data ({found}), so these numbers flatter."
        yield "## Robustness"
        yield from self._results()

    def _results(self) -> Iterator[str]:
        report = self.report
        if report is None:
            yield f"Not measured on test data yet: `turtlenet evaluate {self.file}`."
            return
        data = plain(report.data.get("description") or report.data.get("name"))
        yield f"{data}. Threat: {plain(threat(report))}; {report.threat['access']}; seed {report.seed}."
        rows = [("clean", report.clean_accuracy, report.clean_accuracy_interval)]
        rows += [(row.title, row.accuracy, row.accuracy_interval) for row in report.attacks]
        rows += [("**every attack**", report.robust_accuracy, report.robust_accuracy_interval)]
        yield _table(
            ("attack", "accuracy", "95 % interval"),
            [(name if name.startswith("**") else plain(name), f"{value:.3f}", f"[{low:.3f}, {high:.3f}]")
             for name, value, (low, high) in rows],
        )  # fmt: skip
        if report.doubts:
            yield "Reasons to doubt these numbers:"
            yield "\n".join(f"- {plain(each.finding)} {plain(each.advice)}" for each in report.doubts)
        yield "Other norms, larger radii and changes that are no small perturbations were not tested."


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        elif value not in (None, [], ()):
            yield plain(f"{before}{name}"), plain(value)
