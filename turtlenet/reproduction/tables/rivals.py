"""The table of rivals: published, known, and ours."""

from turtlenet.reproduction.paper import RowPlan
from turtlenet.reproduction.tables.found import ABSENT, Found, grid

RADII = ("0.1", "0.3")


def rivals(found: Found) -> str:
    """Each rival with what was published and what is left under who knows of it, at two radii."""
    head = ["rival", "in turtlenet", "published", "known adaptive", "clean"]
    for eps in RADII:
        head += [f"naive, {eps}", f"transfer, {eps}", f"adaptive, {eps}"]
    head += ["images", "doubts of the report"]
    lines = []
    for row in found.plans("rivals").values():
        asked = {cell.name for cell in row.cells}
        figures = [found.text(row.place, "clean")]
        for eps in RADII:
            figures += [_worse(found, row, [f"fgsm-naive-{eps}", f"pgd-naive-{eps}"])]
            moved = [name for name in (f"fgsm-transfer-{eps}", f"pgd-transfer-{eps}") if name in asked]
            figures += [_worse(found, row, moved) if moved else "", found.text(row.place, f"adaptive-{eps}")]
        count = found.cell(row.place, "clean").get("n", "")
        doubts = dict.fromkeys(
            doubt for eps in RADII for doubt in found.cell(row.place, f"adaptive-{eps}").get("doubts", ())
        )
        told = row.published
        words = [row.about.get("spec", ""), told.get("words", ""), told.get("known", "")]
        lines.append([row.title, *words, *figures, f"{count:,}" if count else "", ", ".join(doubts)])
    return grid(head, lines, names=4)


def _worse(found: Found, row: RowPlan, names: list[str]) -> str:
    """The lower of some figures, with the attack that left it."""
    known = [name for name in names if found.cell(row.place, name)]
    if not known:
        return ABSENT
    least = min(known, key=lambda name: found.cell(row.place, name)["accuracy"])
    return f"{found.text(row.place, least)} ({least.partition('-')[0].upper()})"
