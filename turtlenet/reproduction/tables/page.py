"""Makes docs/papers.md of the rows and of page.md: `python -m turtlenet.reproduction.tables.page`."""

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from turtlenet.files import write_whole
from turtlenet.reproduction import guan, qusecnets, taran
from turtlenet.reproduction.kinds import generators as advgan
from turtlenet.reproduction.kinds import readings
from turtlenet.reproduction.published import GUAN, GUAN_UNCERTAINTY, QUSECNETS, TARAN, TARAN_CW
from turtlenet.reproduction.tables import advgan as gan_table
from turtlenet.reproduction.tables import suites as suite_table
from turtlenet.reproduction.workshop import RESULTS

__all__ = ["PAGE", "main", "render"]

PAGE = Path(__file__).parents[3] / "docs" / "papers.md"
_ABSENT = "·"
Rows = Mapping[str, Mapping[str, Any]]


def render(results: Path = RESULTS) -> str:
    """The page, from a folder of rows; what was not measured is a dot."""
    here = jinja2.FileSystemLoader(Path(__file__).parents[3] / "benchmarks" / "papers")
    rules = jinja2.Environment(loader=here, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # noqa: S701
    found = _Found(results)
    return rules.get_template("page.md").render(
        value=found.value,
        error=found.error,
        length=lambda row, name: f"{found.cell(row, name)['median']:.1f}" if found.cell(row, name) else _ABSENT,
        eot=guan.EOT,
        random_eot=guan.RANDOM_EOT,
        cw=taran.CW,
        square=taran.SQUARE,
        qusecnets_at_03=_qusecnets_at_03(found),
        qusecnets_fgsm=_over_eps(found, "fgsm", qusecnets.FGSM_EPS),
        qusecnets_pgd=_over_eps(found, "pgd", qusecnets.PGD_EPS),
        readings=_readings(found),
        guan_fgsm=_guan(found, "fgsm"),
        guan_pgd=_guan(found, "pgd"),
        guan_jsma=_guan(found, "jsma"),
        guan_uncertainty=_guan_uncertainty(found),
        taran=_taran(found),
        gan_epochs=advgan.EPOCHS,
        success=lambda row, name: gan_table.share(found, row, name),
        generators=gan_table.generators(found),
        transfers=gan_table.transfers(found),
        taran_grey=_taran_grey(found),
        figure_6=suite_table.gano(found),
        suite=lambda kind: suite_table.longer(found, kind),
    )


class _Found:
    """All rows of a folder, by paper, row and figure."""

    def __init__(self, folder: Path):
        self.rows = {
            str(path.relative_to(folder).with_suffix("")): json.loads(path.read_text("utf-8"))["cells"]
            for path in sorted(folder.rglob("*.json"))
        }

    def cell(self, row: str, name: str) -> Mapping[str, Any]:
        return self.rows.get(row, {}).get(name, {})

    def text(self, row: str, name: str, part: str = "", flip: bool = False) -> str:
        """`85.3 [84.6, 86.0]`, in percent; `flip` tells the error instead."""
        cell = self.cell(row, name)
        cell = cell.get(part, {}) if part else cell
        if not cell:
            return _ABSENT
        if "interval" not in cell:
            return f"{100 * cell['accuracy']:.1f}"
        numbers = [cell["accuracy"], *cell["interval"]]
        if flip:
            numbers = [1 - numbers[0], 1 - numbers[2], 1 - numbers[1]]
        middle, low, high = (f"{100 * number:.1f}" for number in numbers)
        return f"{middle} [{low}, {high}]"

    def number(self, row: str, name: str, part: str) -> str:
        """`1.2e-03`, of a figure that is no share."""
        value = self.cell(row, name).get(part)
        return _ABSENT if value is None else f"{value:.1e}"

    def error(self, row: str, name: str) -> str:
        """`14.7`, in percent, for a sentence."""
        return self.text(row, name, flip=True).partition(" ")[0]

    def value(self, row: str, name: str, part: str = "") -> str:
        """`85.3`, for a sentence."""
        return self.text(row, name, part).partition(" ")[0]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], names: int = 1) -> str:
    rule = ["---"] * names + ["--:"] * (len(head) - names)
    lines = ["| " + " | ".join(line) + " |" for line in (head, *rows)]
    return "\n".join([lines[0], "|" + "|".join(rule) + "|", *lines[1:]])


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}".removesuffix("0")


def _titled(row: str) -> str:
    how, defence = row.split("-", 1)
    name = "none" if defence == "none" else f"{defence[:2].upper()}, n = {defence[3:]}"
    return f"{name}, trained on FGSM" if how == "adversarial" else name


def _measured(found: _Found) -> list[str]:
    order = [f"{how}-{name}" for how in qusecnets.OBJECTIVES for name in qusecnets.DEFENCES]
    return [row for row in order if f"qusecnets/{row}" in found.rows]


def _qusecnets_at_03(found: _Found) -> str:
    head = ["defence", "clean", "FGSM, paper", "FGSM, predicted labels", "FGSM, naive", "FGSM, adaptive"]
    head += ["PGD, naive", "PGD, adaptive"]
    lines = []
    for row in _measured(found):
        at = f"qusecnets/{row}"
        # Where nothing masks a slope, the two gradients are one.
        naive = "naive" if "-cq-" in row else "adaptive"
        cells = ["clean", f"fgsm-{naive}-predicted-0.3", f"fgsm-{naive}-0.3", "fgsm-adaptive-0.3"]
        clean, *rest = [found.text(at, name) for name in [*cells, f"pgd-{naive}-0.3", "pgd-adaptive-0.3"]]
        lines.append([_titled(row), clean, _percent(QUSECNETS.get(row)), *rest])
    return _table(head, lines)


def _over_eps(found: _Found, kind: str, radii: Sequence[float]) -> str:
    head = ["defence", "gradient", *(f"{eps:g}" for eps in radii)]
    lines = []
    for row in _measured(found):
        at = f"qusecnets/{row}"
        for gradient in ("naive", "adaptive"):
            values = [found.value(at, f"{kind}-{gradient}-{eps:g}") for eps in radii]
            if set(values) != {_ABSENT}:
                lines.append([_titled(row), gradient, *values])
    return _table(head, lines, names=2)


def _readings(found: _Found) -> str:
    lines = []
    for row, measures in readings.groups().items():
        at = f"qusecnets/{row}"
        for name in measures:
            if not found.cell(at, name):
                continue
            still = found.cell(at, name).get("without_slope")
            lines.append([name, found.text(at, name), "" if still is None else f"{100 * still:.1f}"])
    return _table(["reading", "accuracy", "pixels without a slope"], lines)


def _guan(found: _Found, attack: str) -> str:
    head = ["topology", "dropout", "answer", "clean, paper", "clean, ours", f"{attack.upper()}, paper"]
    head += [f"{attack.upper()}, naive", f"{attack.upper()}, adaptive"]
    lines = []
    for row, published in GUAN.items():
        for number, part in enumerate("sm"):
            theirs, ours = [_percent(getattr(published, what)[number]) for what in ("clean", attack)], f"guan/{row}"
            mine = [found.text(ours, name, part) for name in ("clean", f"{attack}-naive", f"{attack}-adaptive")]
            who = [guan.ROWS[row].title, f"{guan.ROWS[row].dropout:g}"] if part == "s" else ["", ""]
            lines.append([*who, part.upper(), theirs[0], mine[0], theirs[1], *mine[1:]])
    return _table(head, lines, names=3)


def _guan_uncertainty(found: _Found) -> str:
    head = ["topology", "inputs", "mu, paper", "mu, ours", "told apart, paper", "told apart, ours", "AUC"]
    head += ["wrong and not seen"]
    lines = []
    for row, published in GUAN_UNCERTAINTY.items():
        at, title = f"guan/{row}", f"{guan.ROWS[row].title}, {guan.ROWS[row].dropout:g}"
        mean = found.number(at, "uncertainty-fgsm", "mu_clean")
        lines.append([title, "clean", f"{published.clean:.1e}", mean, "", "", "", ""])
        for attack in ("fgsm", "jsma", "pgd"):
            name = f"uncertainty-{attack}"
            theirs = [f"{getattr(published, attack):.1e}", _percent(getattr(published, f"{attack}_detected"))]
            ours = [found.text(at, name, part) for part in ("detected", "auc", "slipped")]
            mean = found.number(at, name, "mu_attacked")
            lines.append(["", attack.upper(), theirs[0], mean, theirs[1], *ours])
        slipped = found.text(at, "undetected", "slipped")
        told = found.value(at, "undetected", "detected")
        lines.append(["", "`undetected`", "", found.number(at, "undetected", "mu_attacked"), "", told, "", slipped])
    return _table(head, lines, names=2)


def _taran(found: _Found) -> str:
    head = ["data", "net", "original, paper", "original, ours", "FGSM, paper"]
    head += [f"FGSM {eps:g}" for eps in taran.FGSM_EPS] + ["C&W, paper", "C&W, ours"]
    lines = []
    for data, published in TARAN.items():
        for row, (clean, hit) in published.items():
            error = _error(found, f"taran/{data}/{row}")
            transferred = [error(f"fgsm-classical-{eps:g}") for eps in taran.FGSM_EPS]
            carlini = [_percent(TARAN_CW[data][row][1]), error("cw-classical")]
            lines.append([data, row, _percent(clean), error("clean"), _percent(hit), *transferred, *carlini])
    return _table(head, lines, names=2)


_ATTACKERS = {
    "signs": "nobody: random signs",
    "classical": "none, on the classical net: the paper's",
    "own-key-1": "own key 1",
    "own-key-2": "own key 2",
    "mean": "mean of own keys",
    "key": "with the key",
}


def _taran_grey(found: _Found) -> str:
    head = ["data", "attacker", *(f"FGSM {eps:g}" for eps in taran.OWN_EPS), "C&W", "C&W, sure"]
    head += ["PGD 0.3", *(f"square {eps:g}" for eps in taran.SQUARE_EPS)]
    lines = []
    for data in TARAN:
        error = _error(found, f"taran/{data}/permuted")
        for who, title in _ATTACKERS.items():
            tried = [error(f"fgsm-{who}-{eps:g}") for eps in taran.OWN_EPS]
            tried += ["" if who.startswith("own") or who == "signs" else error(f"cw-{who}")]
            sure = error(f"cw-sure-{who}") if who in ("classical", "mean") else ""
            strong = error("pgd-key-0.3") if who == "key" else ""
            lines.append([data, title, *tried, sure, strong, *("" for _ in taran.SQUARE_EPS)])
        asked = [error(f"square-{eps:g}") for eps in taran.SQUARE_EPS]
        lines.insert(-1, [data, "questions", *("" for _ in taran.OWN_EPS), "", "", "", *asked])
    return _table(head, lines, names=2)


def _error(found: _Found, row: str) -> Callable[[str], str]:
    return lambda name: found.text(row, name, flip=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    asked.add_argument("--out", type=Path, default=PAGE, metavar="FILE")
    given = asked.parse_args()
    text = render(given.results)
    write_whole(given.out, lambda file: file.write(text.encode()))


if __name__ == "__main__":
    main()
