"""Tables of paper 001."""

from functools import partial

from turtlenet.reproduction.tables.found import Found, grid, percent


def _accuracies(found: Found, attack: str) -> str:
    head = ["topology", "dropout", "answer", "clean, paper", "clean, ours", f"{attack.upper()}, paper"]
    head += [f"{attack.upper()}, naive", f"{attack.upper()}, adaptive"]
    lines = []
    for row in found.plans("guan").values():
        for number, part in enumerate("sm"):
            theirs = [percent(row.published[what][number]) for what in ("clean", attack)]
            ours = [found.text(row.place, name, part) for name in ("clean", f"{attack}-naive", f"{attack}-adaptive")]
            who = [row.title, f"{row.net['dropout']:g}"] if part == "s" else ["", ""]
            lines.append([*who, part.upper(), theirs[0], ours[0], theirs[1], *ours[1:]])
    return grid(head, lines, names=3)


fgsm, pgd, jsma = (partial(_accuracies, attack=attack) for attack in ("fgsm", "pgd", "jsma"))


def detection(found: Found) -> str:
    """Uncertainty, and how well it tells clean images from attacked ones (Tables 3 and 4)."""
    head = ["topology", "inputs", "mu, paper", "mu, ours", "told apart, paper", "told apart, ours", "AUC"]
    head += ["wrong and not seen"]
    lines = []
    for row in found.plans("guan").values():
        at, theirs = row.place, row.published
        mean = found.number(at, "uncertainty-fgsm", "mu_clean")
        title = f"{row.title}, {row.net['dropout']:g}"
        lines.append([title, "clean", f"{theirs['mu']['clean']:.1e}", mean, "", "", "", ""])
        for attack in ("fgsm", "jsma", "pgd"):
            name = f"uncertainty-{attack}"
            ours = [found.text(at, name, part) for part in ("detected", "auc", "slipped")]
            paper = [f"{theirs['mu'][attack]:.1e}", percent(theirs["detected"][attack])]
            mean = found.number(at, name, "mu_attacked")
            lines.append(["", attack.upper(), paper[0], mean, paper[1], *ours])
        slipped = found.text(at, "undetected", "slipped")
        told = found.value(at, "undetected", "detected")
        lines.append(["", "`undetected`", "", found.number(at, "undetected", "mu_attacked"), "", told, "", slipped])
    return grid(head, lines, names=2)
