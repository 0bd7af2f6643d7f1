"""Which Keras wrote a file, as far as the file tells."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class KerasVersion:
    """The writer of a file.

    Attributes:
        version: The Keras version as numbers, such as (2, 2, 4); (1, 0, 0) or (2, 0, 0) where the file names none and
            its description shows only the era.
        backend: `tensorflow`, `theano`, `cntk`, `jax`, ...; None where the file does not say.
        told: Whether the file itself named the version.
    """

    version: tuple[int, int, int]
    backend: str | None = None
    told: bool = True

    @property
    def major(self) -> int:
        """The generation: 1, 2 or 3."""
        return self.version[0]

    @classmethod
    def of(cls, version: str | None, backend: str | None, *, otherwise: int) -> "KerasVersion":
        """Reads a version as Keras writes it (`2.2.4-tf`); `otherwise` is the generation to assume without one."""
        found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version or "")
        if not found:
            return cls((otherwise, 0, 0), backend, told=False)
        return cls((int(found[1]), int(found[2]), int(found[3] or 0)), backend)

    def __str__(self) -> str:
        number = ".".join(str(part) for part in self.version) if self.told else f"{self.major}.x"
        return f"Keras {number}" + (f" on {self.backend}" if self.backend else "")
