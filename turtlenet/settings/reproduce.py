"""Settings of `turtlenet reproduce`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from turtlenet.ranges import count
from turtlenet.settings import text
from turtlenet.settings.base import Settings, setting


@dataclass(frozen=True, kw_only=True)
class ReproduceSettings(Settings):
    """Which rows of the papers are measured, and on what."""

    GROUP = "Data"

    rows: Sequence[str] = setting(
        (),
        "Rows, by name or pattern, commas between them; may be given several times. All without it.",
        many=True,
        group="Options",
    )
    data: str | None = setting(
        None,
        "Digits of 28x28, a name or a path: mnist, or with --quick the embedded mnist-sample.",
    )
    fashion: str | None = setting(None, "Fashion-MNIST: fashion_mnist, or with --quick no such rows.")
    cifar: str | None = setting(None, "CIFAR-10: cifar10, or with --quick no such rows.")
    train_images: int | None = count(
        None, low=1, help="The first so many training images only; all, or 512 with --quick."
    )
    limit: int | None = setting(
        None,
        "At most the first so many test images; 0 for what each figure asks for, or 32 with --quick.",
        read=text.most,
    )
    epochs: int | None = count(None, low=1, help="In place of the paper's; 1 with --quick.", group="Schedule")
    quick: bool = setting(
        False,
        "A trial in minutes: small nets, one epoch, few images and steps. Its figures say nothing of a paper.",
        group="Schedule",
    )
    seed: int = count(0, help="Repeats every draw.", group="Computing")
    tell: Callable[[str], None] = setting(print, "Is given what happens, a line each.", flag=None)
