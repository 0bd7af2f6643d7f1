"""The text for a package index; all else is in setup.cfg."""

import re
from pathlib import Path

from setuptools import setup

NOTE = """
The pages, examples and models that are named here are files of the repository; the source distribution has the pages
and the examples too, in `docs/` and `examples/`. `pip install turtlenet` and `turtlenet --help` need neither.
"""


def for_an_index(readme: str) -> str:
    """The README where no checkout is: without pictures and links whose targets lie in the repository, and says so."""
    picture = r"!\[[^\]]*\]\((?!https?://)[^)]*\)\n*"
    link = r"\[([^\]]*)\]\((?!https?://|#)[^)]*\)"
    return re.sub(link, r"\1", re.sub(picture, "", readme)) + NOTE


if __name__ == "__main__":
    setup(long_description=for_an_index((Path(__file__).parent / "README.md").read_text("utf-8")))
