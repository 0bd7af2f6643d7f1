"""The tables of rivals: published, known, and ours."""

from functools import partial

from turtlenet.reproduction.paper import RowPlan
from turtlenet.reproduction.tables.found import ABSENT, Found, grid

__all__ = ["on_cifar", "on_mnist"]

_ADAPTIVE = "adaptive-"


def _rivals(found: Found, paper: str) -> str:
    """Each rival with what was published and what is left under who knows of it, at each radius of its figures."""
    plans = found.plans(paper)
    names = dict.fromkeys(cell.name for row in plans.values() for cell in row.cells)
    radii = [name.removeprefix(_ADAPTIVE) for name in names if name.startswith(_ADAPTIVE)]
    moved = any(name.startswith(("fgsm-transfer-", "pgd-transfer-")) for name in names)
    head = ["rival", "in turtlenet", "published", "known adaptive", "clean"]
    for eps in radii:
        head += [f"naive, {eps}", *([f"transfer, {eps}"] if moved else []), f"adaptive, {eps}"]
    head += ["images", "doubts of the report"]
    lines = []
    for row in plans.values():
        asked = {cell.name for cell in row.cells}
        figures = [found.text(row.place, "clean")]
        for eps in radii:
            figures += [_worse(found, row, [f"fgsm-naive-{eps}", f"pgd-naive-{eps}"])]
            transfers = [name for name in (f"fgsm-transfer-{eps}", f"pgd-transfer-{eps}") if name in asked]
            figures += [_worse(found, row, transfers) if transfers else ""] if moved else []
            figures += [found.text(row.place, f"{_ADAPTIVE}{eps}")]
        count = found.cell(row.place, "clean").get("n", "")
        doubts = dict.fromkeys(
            doubt for eps in radii for doubt in found.cell(row.place, f"{_ADAPTIVE}{eps}").get("doubts", ())
        )
        told = row.published
        words = [row.about.get("spec", ""), told.get("words", ""), told.get("known", "")]
        lines.append([row.title, *words, *figures, f"{count:,}" if count else "", ", ".join(doubts)])
    return grid(head, lines, names=4)


on_mnist = partial(_rivals, paper="rivals")
on_cifar = partial(_rivals, paper="rivals-cifar")


def _worse(found: Found, row: RowPlan, names: list[str]) -> str:
    """The lower of some figures, with the attack that left it."""
    known = [name for name in names if found.cell(row.place, name)]
    if not known:
        return ABSENT
    least = min(known, key=lambda name: found.cell(row.place, name)["accuracy"])
    return f"{found.text(row.place, least)} ({least.partition('-')[0].upper()})"
