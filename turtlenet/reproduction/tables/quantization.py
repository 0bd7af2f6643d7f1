"""Tables of papers 000 and 002."""

from collections.abc import Sequence
from typing import Any

from turtlenet.reproduction.tables.found import ABSENT, Found, grid, percent

FGSM_EPS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
PGD_EPS = (0.1, 0.2, 0.3, 0.4)


def at_03(found: Found) -> str:
    """All defences at eps 0.3, beside the papers' two numbers."""
    head = ["defence", "clean", "FGSM, paper", "FGSM, predicted labels", "FGSM, naive", "FGSM, adaptive"]
    head += ["PGD, naive", "PGD, adaptive"]
    lines = []
    for row in found.plans("qusecnets").values():
        # Where nothing masks a slope, the two gradients are one.
        naive = "naive" if "-cq-" in row.name else "adaptive"
        cells = ["clean", f"fgsm-{naive}-predicted-0.3", f"fgsm-{naive}-0.3", "fgsm-adaptive-0.3"]
        clean, *rest = [found.text(row.place, name) for name in [*cells, f"pgd-{naive}-0.3", "pgd-adaptive-0.3"]]
        lines.append([row.title, clean, percent(row.published.get("fgsm")), *rest])
    return grid(head, lines)


def fgsm(found: Found) -> str:
    """Accuracy under FGSM over eps."""
    return _over_eps(found, "fgsm", FGSM_EPS)


def pgd(found: Found) -> str:
    """Accuracy under PGD over eps."""
    return _over_eps(found, "pgd", PGD_EPS)


def readings(found: Found) -> str:
    """What 97.51 % may mean."""
    lines: list[list[str]] = []
    for row in found.plans("readings").values():
        for cell in row.cells:
            known = found.cell(row.place, cell.name)
            still = known.get("without_slope")
            slope = "" if still is None else f"{100 * still:.1f}"
            lines.append([cell.name, found.text(row.place, cell.name), slope])
    return grid(["reading", "accuracy", "pixels without a slope"], lines)


def _over_eps(found: Found, kind: str, radii: Sequence[float]) -> str:
    head: list[Any] = ["defence", "gradient", *(f"{eps:g}" for eps in radii)]
    lines = []
    for row in found.plans("qusecnets").values():
        asked = {cell.name for cell in row.cells}
        for gradient in ("naive", "adaptive"):
            names = [f"{kind}-{gradient}-{eps:g}" for eps in radii]
            if not asked & set(names):
                continue
            values = [found.value(row.place, name) for name in names]
            # What a row does not ask for is no gap.
            cells = [
                "" if value == ABSENT and name not in asked else value
                for name, value in zip(names, values, strict=True)
            ]
            lines.append([row.title, gradient, *cells])
    return grid(head, lines, names=2)
