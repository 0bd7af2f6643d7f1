"""The process that opens damaged files: `python -m tests.fuzz.worker FOLDER` makes genuine ones, then obeys lines."""

import json
import sys
import traceback
import warnings
from pathlib import Path

from tests.fuzz.doors import DOORS, make
from turtlenet.errors import TurtlenetError

__all__ = ["opened"]


def opened(name, path):
    """What went wrong that must not; empty where a file was opened, or refused in one line."""
    for door in DOORS[name]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                door(path)
        except TurtlenetError as error:
            if not str(error).isprintable() or len(str(error)) > 2000:
                return f"no line: {str(error)[:300]!r}"
        except BaseException as error:
            where = [f"{Path(each.filename).name}:{each.lineno}" for each in traceback.extract_tb(error.__traceback__)]
            return f"{type(error).__name__}: {str(error)[:200]} at {' '.join(where[-4:])}"
    return ""


def _main():
    answers, sys.stdout = sys.stdout, sys.stderr
    make(Path(sys.argv[1]))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        name, path = json.loads(line)
        print(json.dumps(opened(name, Path(path))), file=answers, flush=True)


if __name__ == "__main__":
    _main()
