"""What there is to choose from, by families: what is registered, and settings in files. No framework is needed."""

from turtlenet import catalog
from turtlenet.settings import recipes, suites

__all__ = ["FAMILIES", "described"]

_FILES = {"recipes": recipes, "suites": suites}
FAMILIES = tuple(sorted((*catalog.FAMILIES, *_FILES)))


def described(family: str) -> dict[str, str]:
    """The names of one of `FAMILIES`, and what each is in one line."""
    if family not in _FILES:
        return catalog.described(family)
    shelf = _FILES[family]
    return {name: shelf.find(name).title for name in shelf.names()}
