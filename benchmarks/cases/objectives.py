"""What a step of each objective costs, in steps of ordinary training, over the passes that its equation needs."""

from collections.abc import Callable, Iterator
from typing import Any

import keras

from benchmarks.cases.training import BATCH, SLACK, batches
from benchmarks.options import Options
from benchmarks.tables import Row
from benchmarks.timing import interleave
from benchmarks.victims import BOTH, EPS, digits, fresh
from turtlenet import models
from turtlenet.attacks import PGD
from turtlenet.balls import Linf
from turtlenet.training import Objective, Trainer, objectives
from turtlenet.training.run.cost import input_gradients
from turtlenet.training.wrappers import make_wrappers

__all__ = ["TITLE", "measure"]

TITLE = "one step of each objective, in clean steps, batch 128, over its count of passes"
STEPS = 7
SPECS = ("madry", "trades", "mart", "hat", "fast", "n-fgsm", "free", "fast:gradalign=0.2", "madry:logit_pairing=0.5")
AWP = "awp:gamma=0.005,start=0"


def measure(options: Options, notes: list[str]) -> Iterator[Row]:
    """Times a few steps of `fit` of each objective."""
    steps = 4 if options.quick else 16
    notes.append(
        "In forward passes, a gradient at the input costs 2 and one at the weights 3: a step needs (2 g + 3 w) / 3 "
        f"clean steps, g and w as `turtlenet train` counts them. Inner attack: PGD-{STEPS}. awp perturbs the weights "
        "by one gradient more."
    )
    for name in BOTH[1:] if options.quick else BOTH:
        given = batches(*digits(BATCH * steps, "train"))
        contestants: dict[str, Callable[[], Any]] = {"clean": _trainer(name, "natural", given)[0]}
        passes = {}
        for spec in SPECS:
            contestants[spec], objective = _trainer(name, spec, given)
            passes[spec] = _passes(objective)
        contestants["madry, awp"], objective = _trainer(name, "madry", given, AWP)
        passes["madry, awp"] = _passes(objective) + 1.0
        times = interleave(contestants, options.turns)
        for spec, needed in passes.items():
            ratio = times.ratio(spec, "clean")
            cells = {
                "net": name,
                "objective": spec,
                "ms": 1000 * times.median(spec) / steps,
                "clean steps": ratio,
                "in processor time": times.processor_ratio(spec, "clean"),
                "(2g+3w)/3": needed,
            }
            met = ratio.median <= SLACK * needed
            yield Row(cells, f"<= {SLACK} x {needed:.2f} = {SLACK * needed:.2f} clean steps", met)


def _passes(objective: Objective) -> float:
    """How many clean steps the passes of an objective's step amount to."""
    gradients = input_gradients(objective.attack, objective.ball.norm, 10)
    return (2 * gradients + 3 * objective.passes) / 3


def _trainer(name: str, spec: str, given: Any, *wrappers: str) -> tuple[Callable[[], Any], Objective]:
    attack = PGD(steps=STEPS, keep="last")
    objective = objectives.build(spec, {}, attack=attack, ball=Linf(EPS))
    sources = [models.classifier(fresh(name))] * objective.helpers
    trainer = Trainer(
        models.classifier(fresh(name)),
        objective,
        sources=sources,
        wrappers=make_wrappers(wrappers),
        batch_size=BATCH if objective.replays > 1 else None,
    )
    trainer.compile(keras.optimizers.Adam(1e-3))
    return lambda: trainer.fit(given, verbose=0), objective
