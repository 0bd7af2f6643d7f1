"""The question people ask of all these libraries: how much accuracy is left after PGD with restarts?"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import turtlenet as tn
from benchmarks.options import Options
from benchmarks.peers import available
from benchmarks.tables import Row
from benchmarks.timing import interleave
from benchmarks.victims import EPS, STEP, STEPS, digits, undefended
from turtlenet import models

__all__ = ["TITLE", "measure"]

RESTARTS = 10
TITLE = f"robust accuracy of an undefended model, PGD-{STEPS} with {RESTARTS} restarts, Linf {EPS}"
BATCH = 256
FASTER, TOLERANCE = 5.0, 0.01
_SPEC = f"pgd:steps={STEPS},step={STEP},restarts={RESTARTS}"


def measure(options: Options, notes: list[str]) -> Iterator[Row]:
    """Asks every library for one number, on the same images."""
    model, called = undefended()
    victim = models.classifier(model)
    x, y = digits(options.images, "train")
    found, missing = available(victim.model)
    clean = float(
        np.mean([victim.predict(x[at : at + 500]).argmax(1) == y[at : at + 500] for at in range(0, len(x), 500)])
    )
    notes += missing
    notes.append(
        f"{called}, clean accuracy {clean:.4f}; {len(x):,} images of the sample's training part, batch {BATCH}."
    )
    notes.append(
        "ours: tn.evaluate in cascade mode, from model to finished report, which compiles its graphs anew each time."
    )
    notes.append(
        "art: num_random_init; foolbox: LinfPGD.repeat; cleverhans: a loop that keeps what any restart broke."
    )
    notes.append(
        "Each is called once on the first batch before it is timed; then the libraries take turns over all images."
    )
    answers: dict[str, float] = {}
    asked = {"turtlenet": lambda some: _ours(model, x[some], y[some])}
    for peer in found:
        asked[peer.name] = lambda some, peer=peer: float(
            peer.robust(x[some], y[some], restarts=RESTARTS, batch_size=BATCH).mean()
        )
    times = _turns(asked, answers, options.turns)
    for who in asked:
        cells = {
            "library": who,
            "images": len(x),
            "seconds": times.median(who),
            "times ours": times.ratio(who, "turtlenet"),
            "in processor time": times.processor_ratio(who, "turtlenet"),
            "robust accuracy": answers[who],
        }
        if who == "turtlenet":
            yield Row(cells)
            continue
        same = abs(answers[who] - answers["turtlenet"]) <= TOLERANCE
        yield Row(cells, f">= {FASTER:g}, accuracy within {TOLERANCE}", same and cells["times ours"].median >= FASTER)


def _turns(asked: dict[str, Callable[[slice], float]], answers: dict[str, float], turns: int) -> Any:
    """Warms up on one batch, times the whole."""
    warm: set[str] = set()

    def ask(who: str) -> None:
        answers[who] = asked[who](slice(None) if who in warm else slice(0, BATCH))
        warm.add(who)

    return interleave({who: lambda who=who: ask(who) for who in asked}, turns)


def _ours(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    report = tn.evaluate(
        model, (x, y), attacks=[_SPEC], eps=EPS, mode="cascade", limit=None, batch_size=BATCH, curve=0
    )
    # Of the attack that all ran, not of what the evaluation looks for beside it.
    return float(report.attacks[0].accuracy)
