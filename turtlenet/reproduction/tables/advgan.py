"""The table of generators."""

from collections.abc import Mapping
from typing import Any, Protocol

from turtlenet.reproduction.kinds import generators as advgan

__all__ = ["generators", "share", "transfers"]

_TITLES = {
    "a": "model A",
    "b": "model B",
    "c": "model C",
    "turtlenet": "turtleNet net",
    "turtlenet-hardened": "turtleNet net, trained on PGD-12",
    "hardened": "small net, trained on PGD-7",
    "quantized": "`mnist-quantized.h5`",
    "cifar10": "small CIFAR-10 net, eps 8/255",
}
# The success that the AdvGAN paper states; quoted, not checked at the source.
_PUBLISHED = {"a": "97.9", "b": "97.1", "c": "98.3"}
_ABSENT = "·"


class SearchResult(Protocol):
    """The rows of a folder."""

    def cell(self, row: str, name: str) -> Mapping[str, Any]:
        """A figure with what belongs to it; empty if it was not measured."""

    def text(self, row: str, name: str, part: str = "", flip: bool = False) -> str:
        """It in percent, with its interval."""


def generators(found: SearchResult) -> str:
    """Accuracy under each attack, and the success of the generators."""
    head = ["model", "clean", "FGSM", "PGD, first 1,000", "`paper`", "`strong`", "`strong`, 10 samples"]
    head += ["`strong`, 2 steps on the model", "AutoAttack, first 1,000"]
    head += [
        "success, published",
        "success, `paper`",
        "success, `strong`",
        "ms an image, its pass",
        "with the model's answers",
    ]
    lines = [head, ["---", *["--:"] * (len(head) - 1)]]
    for row in advgan.ROWS:
        at = f"advgan/{row}"
        cells = [found.text(at, name) for name in ("clean", "fgsm", "pgd", "paper", "strong", "strong-samples")]
        cells += [found.text(at, name) for name in ("strong-steps", "standard")]
        shares = [share(found, at, name) for name in ("paper", "strong")]
        costs = [found.cell(at, name).get("milliseconds") for name in ("forward", "strong")]
        times = [_ABSENT if cost is None else f"{cost:.2f}" for cost in costs]
        lines.append([_TITLES[row], *cells, _PUBLISHED.get(row, ""), *shares, *times])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def transfers(found: SearchResult) -> str:
    """What generators leave of hardened models that they never saw, beside the models' own."""
    makers = (*advgan.HARDENED, "a")
    head = ["attacked", *(f"generator of the {_TITLES[maker]}" for maker in makers)]
    lines = [head, ["---", *["--:"] * len(makers)]]
    for row in advgan.HARDENED:
        names = ["strong" if maker == row else f"from-{maker}" for maker in makers]
        cells = [found.text(f"advgan/{row}", name) for name in names]
        marked = [f"*{cell}*" if name == "strong" else cell for name, cell in zip(names, cells, strict=True)]
        lines.append([_TITLES[row], *marked])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def share(found: SearchResult, row: str, name: str) -> str:
    """The success of a generator in percent, or a dot."""
    value = found.cell(row, name).get("success")
    return _ABSENT if value is None else f"{100 * value:.1f}"
