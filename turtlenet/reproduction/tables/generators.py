"""Tables of generators (paper 003)."""

from turtlenet.reproduction.tables.found import ABSENT, Found, grid

_HARDENED = ("turtlenet-hardened", "hardened", "quantized")


def accuracies(found: Found) -> str:
    """Accuracy under each attack, and the success of the generators."""
    head = ["model", "clean", "FGSM", "PGD, first 1,000", "`paper`", "`strong`", "`strong`, 10 samples"]
    head += ["`strong`, 2 steps on the model", "AutoAttack, first 1,000"]
    head += ["success, published", "success, `paper`", "success, `strong`"]
    head += ["ms an image, its pass", "with the model's answers"]
    names = ("clean", "fgsm", "pgd", "paper", "strong", "strong-samples", "strong-steps", "standard")
    lines = []
    for row in found.plans("advgan").values():
        asked = {cell.name for cell in row.cells}
        cells = [found.text(row.place, name) if name in asked else "" for name in names]
        theirs = row.published.get("success")
        shares = [found.success(row.place, name) for name in ("paper", "strong")]
        costs = [found.cell(row.place, name).get("milliseconds") for name in ("forward", "strong")]
        times = [ABSENT if cost is None else f"{cost:.2f}" for cost in costs]
        lines.append([row.title, *cells, "" if theirs is None else f"{100 * theirs:.1f}", *shares, *times])
    return grid(head, lines)


def transfers(found: Found) -> str:
    """What generators leave of hardened models that they never saw, beside the models' own."""
    rows, makers = found.plans("advgan"), (*_HARDENED, "a")
    head = ["attacked", *(f"generator of the {rows[maker].title}" for maker in makers)]
    lines = []
    for name in _HARDENED:
        cells = ["strong" if maker == name else f"from-{maker}" for maker in makers]
        texts = [found.text(rows[name].place, cell) for cell in cells]
        marked = [f"*{text}*" if cell == "strong" else text for cell, text in zip(cells, texts, strict=True)]
        lines.append([rows[name].title, *marked])
    return grid(head, lines)
