"""Attacks beside the same attacks of ART and Foolbox: success, median distance and seconds, on one model.

    python benchmarks/arsenal.py                              # every case, 100 images
    python benchmarks/arsenal.py --only jsma cw --images 20 --out arsenal.json

Every library attacks the same logits with the same budget, from the same images: ART as its documentation calls it,
one image at a time by default, and in one batch too. What comes back is judged by the model itself, with failures
counted as infinitely far. A row's ratio is in wall time; the load average tells how much to believe it.
"""

import argparse
import functools
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import keras
import numpy as np

from benchmarks.machine import describe, facts, load
from benchmarks.tables import Row, Section
from benchmarks.timing import timed
from benchmarks.victims import digits, undefended
from turtlenet import attacks, balls
from turtlenet.attacks.run.runner import attack_all
from turtlenet.models import classifier

__all__ = ["CASES", "Case", "main"]

Run = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Adversarial examples of images, given their labels and targets."""


@dataclass(frozen=True)
class Case:
    """An attack of ours and the same of the peers.

    Attributes:
        name: Row in the table.
        spec: Ours.
        norm: What distances are measured in.
        peers: For each library, the module and the name of its attack, and the settings it is called with.
        targeted: Whether the class after the label is the target.
        faster: How many times as fast as ART ours has to be.
        most: Images at most, where a peer takes minutes for a few.
        fewer: Images for ART one by one, where it takes minutes for a few; its time is then taken for each image.
    """

    name: str
    spec: str
    norm: str
    peers: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    targeted: bool = False
    faster: float = 1.0
    most: int = 1000
    fewer: int = 0


_CW = {"learning_rate": 0.1, "max_iter": 100, "binary_search_steps": 9, "initial_const": 1e-3}
_CW_FOOLBOX = {"stepsize": 0.1, "steps": 100, "binary_search_steps": 9, "initial_const": 1e-3}
_EAD = {"learning_rate": 0.01, "max_iter": 100, "binary_search_steps": 9, "beta": 1e-3, "decision_rule": "L1"}
_EAD_FOOLBOX = {"initial_stepsize": 0.01, "steps": 100, "binary_search_steps": 9, "regularization": 1e-3}

CASES: tuple[Case, ...] = (
    Case(
        "deepfool-l2",
        "deepfool",
        "l2",
        {
            "art": ("DeepFool", {"max_iter": 50, "epsilon": 0.02, "nb_grads": 10}),
            "foolbox": ("L2DeepFoolAttack", {"steps": 50, "candidates": 10, "overshoot": 0.02}),
        },
        faster=10,
    ),
    Case(
        "deepfool-linf",
        "deepfool",
        "linf",
        {"foolbox": ("LinfDeepFoolAttack", {"steps": 50, "candidates": 10, "overshoot": 0.02})},
    ),
    Case(
        "cw",
        "cw:steps=100,step_size=0.1,abort_early=false",
        "l2",
        {"art": ("CarliniL2Method", _CW), "foolbox": ("L2CarliniWagnerAttack", _CW_FOOLBOX)},
        faster=10,
        most=50,
        fewer=2,
    ),
    Case("jsma", "jsma", "l0", {"art": ("SaliencyMapMethod", {"theta": 1.0, "gamma": 0.1})}, targeted=True, faster=10),
    Case(
        "ead",
        "ead:steps=100",
        "l1",
        {"art": ("ElasticNet", _EAD), "foolbox": ("EADAttack", {**_EAD_FOOLBOX, "decision_rule": "L1"})},
        most=50,
        fewer=2,
    ),
    Case("ddn", "ddn", "l2", {"foolbox": ("DDNAttack", {"steps": 100})}),
    Case("fmn-linf", "fmn", "linf", {"foolbox": ("LInfFMNAttack", {"steps": 100})}),
    Case("fmn-l2", "fmn", "l2", {"foolbox": ("L2FMNAttack", {"steps": 100})}),
    Case("fmn-l1", "fmn", "l1", {"foolbox": ("L1FMNAttack", {"steps": 100})}),
    Case("fmn-l0", "fmn", "l0", {"foolbox": ("L0FMNAttack", {"steps": 100})}),
    *(
        Case(
            f"brendel-bethge-{norm}",
            "brendel-bethge",
            norm,
            {"foolbox": (f"{name}BrendelBethgeAttack", {"steps": 200})},
        )
        for norm, name in (("l2", "L2"), ("linf", "Linfinity"), ("l1", "L1"), ("l0", "L0"))
    ),
    Case("cw-linf", "cw-linf:steps=100", "linf", {"art": ("CarliniLInfMethod", {"max_iter": 100})}, most=10),
    Case("cw-l0", "cw-l0:steps=100", "l0", {"art": ("CarliniL0Method", {"max_iter": 100})}, most=10),
)


def main(arguments: list[str] | None = None) -> list[Row]:
    """Runs the cases, prints the table as it grows, and writes it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[], choices=[case.name for case in CASES])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    model, called = undefended()
    section = Section("arsenal", f"{called}, test images that it gets right, seed {options.seed}")
    for case in CASES:
        if options.only and case.name not in options.only:
            continue
        section.rows += _rows(case, model, min(options.images, case.most), options.seed, section.notes)
        print("\n".join(section.text().splitlines()[-len(section.rows) - len(section.notes) - 1 :]), flush=True)
        if options.out:
            options.out.write_text(json.dumps({"facts": facts(), **section.to_dict()}, indent=1, default=float) + "\n")
    print(describe(facts()))
    return section.rows


def _rows(case: Case, model: keras.Model, count: int, seed: int, notes: list[str]) -> list[Row]:
    victim = classifier(model)
    x, y = digits(2 * count)
    right = np.flatnonzero(victim.predict(x).argmax(axis=1) == y)[:count]
    x, y = x[right], y[right].astype("int32")
    target = ((y + 1) % victim.num_classes).astype("int32")
    rows: list[Row] = []
    ours: tuple[float, float] | None = None
    contestants = {"turtlenet": None, **case.peers}
    if "art" in case.peers and not case.fewer:
        contestants["art, one batch"] = case.peers["art"]
    for name, peer in contestants.items():
        try:
            # All take the model of logits, which is what ours makes of any head.
            run = _ours(case, victim, seed) if peer is None else _PEERS[name](victim.model, case, *peer)
            count = case.fewer if name == "art" and case.fewer else len(x)
            mine = [part[:count] for part in (x, y, target)]
            # Ours compiles a graph for each size of batch, so its first call is a whole one.
            if count == len(x):
                run(*((part if peer is None else part[:4]) for part in mine))
            np.random.seed(seed)
            moved: list[np.ndarray] = []
            seconds, busy = timed(lambda run=run, moved=moved, mine=mine: moved.append(run(*mine)))
        except Exception as error:  # Whatever breaks in a peer is worth a line, and no reason to measure nothing.
            notes.append(f"{case.name}: {name} is left out: {type(error).__name__}: {str(error).splitlines()[:1]}")
            continue
        ours = ours or (seconds / count, busy / count)
        ratio = seconds / count / ours[0]
        hit, length = _judged(case, victim, np.clip(moved[0], 0, 1), *mine)
        cells = {
            "attack": case.name,
            "library": name,
            "images": count,
            "success": float(hit.mean()),
            "median": float(np.median(length)),
            "seconds": seconds,
            "times ours": ratio,
            "in processor time": busy / count / ours[1],
            "load": load(),
        }
        needed = case.faster if name == "art" else 1.0
        rows.append(Row(cells, f">= {needed:g} times", ratio >= needed) if peer else Row(cells))
    return rows


def _judged(
    case: Case, victim: Any, moved: np.ndarray, x: np.ndarray, y: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    answer = victim.predict(moved).argmax(axis=1)
    hit = answer == target if case.targeted else answer != y
    delta = (moved.astype("float64") - x).reshape(len(x), -1)
    # A libraries' inverse tanh moves every pixel by some 1e-7: not what counts as a change.
    delta[np.abs(delta) < 1e-5] = 0
    order = {"linf": np.inf, "l2": 2, "l1": 1, "l0": 0}[case.norm]
    return hit, np.where(hit, np.linalg.norm(delta, ord=order, axis=1), np.inf)


def _ours(case: Case, victim: Any, seed: int) -> Run:
    attack, ball = attacks.build(case.spec), balls.get(case.norm, 0.0)
    ball = ball.with_eps(ball.widest(victim.input_shape))

    def run(x: np.ndarray, y: np.ndarray, target: np.ndarray) -> np.ndarray:
        return attack_all(attack, victim, x, y, ball=ball, seed=seed, target=target if case.targeted else None).x

    return run


def _art(model: keras.Model, case: Case, name: str, settings: Mapping[str, Any], *, whole: bool = False) -> Run:
    from art.attacks import evasion
    from art.estimators.classification import TensorFlowV2Classifier

    victim = TensorFlowV2Classifier(
        model=model,
        nb_classes=model.output_shape[-1],
        input_shape=model.input_shape[1:],
        loss_object=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        clip_values=(0.0, 1.0),
    )

    def run(x: np.ndarray, y: np.ndarray, target: np.ndarray) -> np.ndarray:
        more: dict[str, Any] = {"targeted": False} if "Carlini" in name or name == "ElasticNet" else {}
        more |= {"batch_size": len(x)} if whole else {}
        attack = getattr(evasion, name)(victim, verbose=False, **more, **settings)
        aims = target if case.targeted else y
        return attack.generate(x.copy(), np.eye(victim.nb_classes, dtype="float32")[aims])

    return run


def _foolbox_run(model: keras.Model, case: Case, name: str, settings: Mapping[str, Any]) -> Run:
    import foolbox
    import tensorflow as tf

    victim = foolbox.TensorFlowModel(model, bounds=(0, 1))
    attack = getattr(foolbox.attacks, name)(**settings)

    def run(x: np.ndarray, y: np.ndarray, target: np.ndarray) -> np.ndarray:
        labels = foolbox.criteria.Misclassification(tf.constant(y, tf.int64))
        return attack(victim, tf.constant(x), labels, epsilons=None)[0].numpy()

    return run


_PEERS: Mapping[str, Callable[..., Run]] = {
    "art": _art,
    "art, one batch": functools.partial(_art, whole=True),
    "foolbox": _foolbox_run,
}

if __name__ == "__main__":
    main()
