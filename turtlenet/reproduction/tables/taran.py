"""Tables of paper 004, whose figures are errors."""

from turtlenet.reproduction.tables.found import Found, grid, percent

FGSM_EPS = (0.1, 0.15, 0.2, 0.25, 0.3)
OWN_EPS, SQUARE_EPS = (0.1, 0.2, 0.3), (0.1, 0.3)
_ATTACKERS = {
    "signs": "nobody: random signs",
    "classical": "none, on the classical net: the paper's",
    "own-key-1": "own key 1",
    "own-key-2": "own key 2",
    "mean": "mean of own keys",
    "key": "with the key",
}


def transfers(found: Found) -> str:
    """What is made on the classical net and given to both."""
    head = ["data", "net", "original, paper", "original, ours", "FGSM, paper"]
    head += [f"FGSM {eps:g}" for eps in FGSM_EPS] + ["C&W, paper", "C&W, ours"]
    lines = []
    for row in found.plans("taran").values():
        (clean, hit), carlini = row.published["error"], row.published["cw_error"][1]
        names = ["clean", *(f"fgsm-classical-{eps:g}" for eps in FGSM_EPS), "cw-classical"]
        first, *moved, last = [found.text(row.place, name, flip=True) for name in names]
        data, _, net = row.name.partition("/")
        lines.append([data, net, percent(clean), first, percent(hit), *moved, percent(carlini), last])
    return grid(head, lines, names=2)


def attackers(found: Found) -> str:
    """What other attackers leave of the permuted net."""
    head = ["data", "attacker", *(f"FGSM {eps:g}" for eps in OWN_EPS), "C&W", "C&W, sure"]
    head += ["PGD 0.3", *(f"square {eps:g}" for eps in SQUARE_EPS)]
    lines = []
    for row in found.plans("taran").values():
        if row.key:
            lines += _of_row(found, row.place)
    return grid(head, lines, names=2)


def _of_row(found: Found, place: str) -> list[list[str]]:
    def error(name: str) -> str:
        return found.text(place, name, flip=True)

    data, lines = place.split("/")[1], []
    for who, title in _ATTACKERS.items():
        tried = [error(f"fgsm-{who}-{eps:g}") for eps in OWN_EPS]
        tried += ["" if who.startswith("own") or who == "signs" else error(f"cw-{who}")]
        sure = error(f"cw-sure-{who}") if who in ("classical", "mean") else ""
        strong = error("pgd-key-0.3") if who == "key" else ""
        lines.append([data, title, *tried, sure, strong, *("" for _ in SQUARE_EPS)])
    asked = [error(f"square-{eps:g}") for eps in SQUARE_EPS]
    lines.insert(-1, [data, "questions", *("" for _ in OWN_EPS), "", "", "", *asked])
    return lines
