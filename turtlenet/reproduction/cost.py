"""What the rows of papers will cost, said before anything starts: steps, gradients, and time on this machine."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from turtlenet import attacks, balls, models
from turtlenet.attacks.run.runner import attack_all
from turtlenet.reports.format import several
from turtlenet.reproduction.kinds import KINDS, Job
from turtlenet.reproduction.nets import build_net
from turtlenet.reproduction.paper import Cell, RowPlan
from turtlenet.reproduction.workshop import BATCH, SHAPES, Workshop
from turtlenet.training import objectives
from turtlenet.training.run.cost import cost_of, duration

__all__ = ["RowCost", "cost_of_row", "told"]

_USUAL = {"objective": "madry", "attack": "pgd", "batch_size": 128, "epochs": 20}
"""Settings of `turtlenet.train` where a row says nothing."""


@dataclass(frozen=True, kw_only=True)
class RowCost:
    """What a row still takes.

    Args:
        row: The row.
        cells: Figures that are missing.
        steps: Of training.
        gradients: Of single images, in training and in attacks, at most.
        seconds: About: the gradients, and the graphs that are compiled first.
    """

    row: RowPlan
    cells: int
    steps: int
    gradients: float
    seconds: float

    def __str__(self) -> str:
        steps = f"{several(self.steps, 'step')}, " if self.steps else ""
        words = f"{steps}{round(self.gradients):,} gradients, about {duration(self.seconds)}"
        return (
            f"{self.row.place}: {several(self.cells, 'figure')}: {words}" if self.cells else f"{self.row.place}: done"
        )


def cost_of_row(shop: Workshop, row: RowPlan, missing: Sequence[str]) -> RowCost:
    """What the missing figures of a row cost, and the training of its model where that is not there."""
    if not missing:
        return RowCost(row=row, cells=0, steps=0, gradients=0.0, seconds=0.0)
    wanted = [cell for cell in row.cells if cell.name in missing]
    job = Job(shop, row)
    gradients = sum(KINDS[cell.kind].gradients(job, **cell.settings) for cell in wanted)
    steps, learned = _training(shop, row)
    total, (each, graph) = gradients + learned, _seconds(shop, _owner(shop, row))
    # What is compiled once for each attack takes most of the time of a trial, and next to none of a whole run.
    graphs = bool(steps) + len({_graph(cell) for cell in wanted})
    seconds = total * each + graphs * graph
    return RowCost(row=row, cells=len(wanted), steps=steps, gradients=total, seconds=seconds)


def told(costs: Sequence[RowCost]) -> list[str]:
    """Lines that say what all rows cost, the dear ones first."""
    left = sorted((cost for cost in costs if cost.cells), key=lambda cost: -cost.seconds)
    done = len(costs) - len(left)
    if not left:
        return [f"cost: nothing: all figures of {several(done, 'row')} are there"]
    steps, gradients = sum(cost.steps for cost in left), sum(cost.gradients for cost in left)
    cells, seconds = sum(cost.cells for cost in left), sum(cost.seconds for cost in left)
    words = f"{several(steps, 'step')} of training, {round(gradients):,} gradients of single images at most"
    rest = f", {several(done, 'row')} {'is' if done == 1 else 'are'} done" if done else ""
    return [
        *(f"  {cost}" for cost in left),
        f"cost: {several(cells, 'figure')} of {several(len(left), 'row')}{rest}: {words}",
        f"time: about {duration(seconds)} on this machine, from a batch on each bare net",
    ]


def _owner(shop: Workshop, row: RowPlan) -> RowPlan:
    """The row whose model is measured."""
    return row if not row.model or row.model.endswith(".h5") else _owner(shop, shop.row(row.model))


def _training(shop: Workshop, row: RowPlan) -> tuple[int, float]:
    """Steps and gradients of the training of a row's model; none where its file is there."""
    owner = _owner(shop, row)
    said = owner.training(shop.epochs)
    if owner.model or not said or (shop.models / f"{owner.place}.h5").exists():
        return 0, 0.0
    said = {**_USUAL, **said}
    size = said["batch_size"]
    each = math.ceil(len(shop.part(owner.data, "train", owner.images)) / size)
    # No radius changes what it costs.
    ball = balls.get("linf", 0.3, (0.0, 1.0))
    objective = objectives.build(said["objective"], {}, attack=attacks.build(said["attack"]), ball=ball)
    cost = cost_of(objective, 10, (each, each * said["epochs"]), size)
    return cost.total, cost.total * cost.gradients


def _graph(cell: Cell) -> str:
    """What tells the graphs of two cells apart: radii and counts do not."""
    names = ("attack", "attacks", "gradient", "on", "suite")
    return json.dumps([cell.kind, *(cell.settings.get(name) for name in names)])


def _seconds(shop: Workshop, row: RowPlan) -> tuple[float, float]:
    """Seconds of a gradient of one image on the bare net of a row, and of its graph, timed once for each net."""
    net = {key: value for key, value in row.net.items() if key not in ("learning_rate", "wrapped", "spread")}
    key = json.dumps(["seconds", row.model, net, row.data])
    if key not in shop.speeds:
        shape = SHAPES[row.data]
        # Bare: a layer with a key would ask for it.
        made = models.load(row.model) if row.model else build_net(net, shape)
        bare = models.classifier(made)
        x, y = np.zeros((BATCH, *shape), "float32"), np.zeros(BATCH, "int32")
        ball, one = balls.get("linf", 0.1, bare.bounds), attacks.build("fgsm:keep=last")

        def step() -> float:
            began = time.perf_counter()
            attack_all(one, bare, x, y, ball=ball, seed=0, batch_size=BATCH)
            return time.perf_counter() - began

        # The first builds the graph. Its judgement by a forward pass is no part of a gradient, but of every attack.
        first, second = step(), step()
        shop.speeds[key] = (second / BATCH, max(first - second, 0.0))
    return shop.speeds[key]
