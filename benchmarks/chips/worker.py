"""The process of one contestant: `python -m benchmarks.chips.worker NAME` answers each line of JSON with one.

{"do": "prepare", "workload": {...}}, {"do": "run"} (seconds of one timing) and {"do": "release"}; before that it says
unasked what it runs on. Whatever goes wrong is an answer with `error`.
"""

import json
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

from benchmarks.chips.contestant import Contestant, contestant
from benchmarks.chips.workload import Workload
from benchmarks.timing import timed

__all__ = ["main"]

_FULL = ("out of memory", "resource_exhausted", "cannot allocate", "can't allocate")


def main() -> None:
    """Serves until its input ends."""
    # What libraries print must not end up among the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    made: list[Contestant] = []

    def begin() -> dict[str, Any]:
        made.append(contestant(sys.argv[1]))
        return made[0].about()

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        if asked["do"] == "prepare":
            return made[0].prepare(Workload(**asked["workload"]))
        if asked["do"] == "run":
            return {"seconds": timed(made[0].run)[0]}
        return {"free": made[0].release()}

    print(_safely(begin), file=answers)
    for line in sys.stdin:
        print(_safely(lambda line=line: answer(json.loads(line))), file=answers)


def _safely(act: Callable[[], dict[str, Any]]) -> str:
    try:
        return json.dumps(act())
    except Exception as error:  # Whatever breaks in a library is a row of the table, and no reason to end.
        text = f"{type(error).__name__}: {error}"
        full = isinstance(error, MemoryError) or any(words in text.lower() for words in _FULL)
        return json.dumps({"error": text.strip().splitlines()[0][:300], "memory": full})


if __name__ == "__main__":
    main()
