"""AutoAttack in its own order beside the adaptive one: the verdict, and what it costs.

python benchmarks/adaptive.py --model models/mnist-wong.h5 --eps 0.1 --images 500
python benchmarks/adaptive.py --model models/mnist-trades.h5 --eps 0.3 --images 300 --budget 1000
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

import turtlenet as tn
from benchmarks import machine
from turtlenet.evaluation import Report


def main() -> None:
    """Evaluates in one order after the other, and prints a row of each as soon as it is known."""
    options = _options()
    print(machine.describe(machine.facts()))
    print(f"{options.model.name}: {options.images} test images, {options.norm} {options.eps}, seed {options.seed}\n")
    print("| order | robust | gradients | queries | both | to full | at most too high | processor, s |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    orders: list[dict[str, Any]] = [{"order": "full"}, {"order": "adaptive"}]
    orders += [{"budget": options.budget}] if options.budget else []
    first: float | None = None
    verdicts = []
    for order in orders[options.skip_full :]:
        ran = time.process_time()
        report = _evaluated(options, order)
        processor = time.process_time() - ran
        gradients, queries = _costs(report)
        both = gradients + queries
        first = both if first is None else first
        verdicts.append(np.array(report.verdicts["robust"]))
        cells = [
            " ".join(str(value) for value in order.values()),
            f"{100 * report.attacks[-1].accuracy:.1f}",
            *(f"{value:,.0f}" for value in (gradients, queries, both)),
            f"{both / first:.2f}",
            f"{100 * report.plan.bound:.1f}" if report.plan else "",
            f"{processor:.0f}",
        ]
        print("| " + " | ".join(cells) + " |", flush=True)
    print(f"\nimages with another verdict than the first: {[int((each != verdicts[0]).sum()) for each in verdicts]}")


def _evaluated(options: argparse.Namespace, order: dict[str, Any]) -> Report:
    return tn.evaluate(
        str(options.model),
        options.data,
        suite="standard",
        norm=options.norm,
        eps=options.eps,
        limit=options.images,
        seed=options.seed,
        curve=0,
        tell=lambda line: None,
        **order,
    )


def _costs(report: Report) -> tuple[float, float]:
    """Gradients and queries of the attacks for an image that was right before."""
    right = round(report.clean_accuracy * report.data["count"])
    return (
        sum(row.gradients for row in report.attacks) / right,
        sum(row.queries for row in report.attacks) / right,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", default="mnist-sample", help="a data set by name or path")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--norm", default="linf", choices=("linf", "l2", "l1"))
    parser.add_argument("--eps", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=int, help="a third row, with so many gradients and queries an image")
    parser.add_argument("--skip-full", action="store_true", help="leave out the order that takes longest")
    return parser.parse_args()


if __name__ == "__main__":
    main()
