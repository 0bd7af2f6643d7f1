"""How much to measure."""

from dataclasses import dataclass

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """What the command line asked for.

    Attributes:
        quick: Whether fewer sizes, images and steps will do.
        turns: Turns of the contestants, each of which gives one ratio.
        images: Images of `robust-accuracy`.
    """

    quick: bool = False
    turns: int = 5
    images: int = 10_000

    @property
    def training_images(self) -> int:
        """Images that a victim sees before it is attacked."""
        return 2_000 if self.quick else 10_000
