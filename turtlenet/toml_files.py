"""Settings in TOML files, which are found by path or by name.

A name is looked for in the working directory first, then among the files that came with the package.
"""

import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from turtlenet.errors import SpecError, did_you_mean

__all__ = ["Shelf"]


@dataclass(frozen=True)
class Shelf:
    """Where the files of one kind lie.

    Args:
        kind: What a file is called in messages: `suite`.
        folder: Their folder in a checkout and in the working directory: `attacks`.
        package: Its copy in an installed package: `suites`.
    """

    kind: str
    folder: str
    package: str

    def names(self) -> list[str]:
        """The files that can be given by name."""
        return sorted(self._places())

    def read(self, name: str) -> tuple[Path, dict[str, Any]]:
        """Reads a file by its path, which ends in `.toml`, or its name.

        Raises:
            SpecError: No such file, or one that is not TOML.
        """
        path = Path(name)
        if path.suffix != ".toml":
            places = self._places()
            if name not in places:
                raise SpecError(f"Unknown {self.kind} {name!r}.{did_you_mean(name, places)}")
            path = places[name]
        try:
            return path, tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise SpecError(f"Expected a {self.kind} at {path}; got: {error.strerror}.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SpecError(f"Expected TOML in {path}; got: {error}.") from None

    def _places(self) -> dict[str, Path]:
        """Every file by its name; the working directory's come first."""
        folders = [Path(self.folder), self._packaged()]
        return {file.stem: file for folder in reversed(folders) for file in sorted(folder.glob("*.toml"))}

    def _packaged(self) -> Path:
        """The folder of a checkout, or its copy in an installed package."""
        installed = Path(str(resources.files("turtlenet"))) / self.package
        return installed if installed.is_dir() else Path(__file__).parents[1] / self.folder
