"""Black-box attacks beside the peers': same model, same images, as many queries as the peer took.

    python benchmarks/arsenal_blackbox.py --images 50 --out docs/arsenal_blackbox.json
    python benchmarks/arsenal_blackbox.py --only boundary hopskipjump --peer art --images 500 --as-near

A peer runs with the setting below, and each of its questions is counted. Then ours gets the mean number of them for a
budget. Success, median distance over the successes of both, seconds on the wall and on the processor, after a call
each that is not timed (ours compiles in it, the peers do theirs). With `--as-near` ours runs again with ever fewer
questions, down to the fewest with which it breaks as many images as the peer and comes as near: that is what the
same result costs.
"""

import argparse
import importlib
import json
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.victims import digits, undefended
from turtlenet import attacks, balls
from turtlenet.attacks.run.runner import attack_all
from turtlenet.models import classifier

__all__ = ["PAIRS", "Asked", "Pair", "main"]

_NORMS = {"l2": 2, "linf": np.inf, "l1": 1, "l0": 0}
# Of the peer's questions, for `--as-near`.
_SHARES = (0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.09, 0.06)


class Asked:
    """A Keras model, as peers want it, that counts the images it is asked about."""

    def __init__(self, model: Any, *, softmax: bool = False):
        self.rows = 0
        self._model, self._softmax = model, softmax

    def __call__(self, x: Any, training: bool = False) -> Any:
        """Logits, or probabilities."""
        x = tf.convert_to_tensor(x, tf.float32)
        self.rows += int(x.shape[0])
        return self.answer(x)

    def answer(self, x: Any, training: bool = False) -> Any:
        """The same, uncounted."""
        logits = self._model(x, training=False)
        return tf.nn.softmax(logits) if self._softmax else logits


@dataclass(frozen=True)
class Pair:
    """One of our attacks and a peer's.

    Attributes:
        spec: Ours, without its budget.
        norm: Of the distance, and of ours.
        peer: Name of the library.
        run: Maps a counting model, images and labels to the peer's adversarial images.
        eps: Radius, where the attack looks within a ball; 0 where it looks for the smallest perturbation.
        softmax: Whether the peer wants probabilities.
        most: Images at most, where a peer takes minutes for one.
    """

    spec: str
    norm: str
    peer: str
    run: Callable[[Asked, np.ndarray, np.ndarray], np.ndarray]
    eps: float = 0.0
    softmax: bool = False
    most: int = 10_000


def _foolbox(name: str, **settings: Any) -> Callable[[Asked, np.ndarray, np.ndarray], np.ndarray]:
    def run(model: Asked, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        # Foolbox 3.3.4 asks NumPy for what NumPy 2 has no more.
        np.find_common_type = lambda arrays, scalars: np.result_type(*arrays, *scalars)  # type: ignore[attr-defined]
        library = importlib.import_module("foolbox")
        attack = getattr(library.attacks, name)(**settings)
        victim = library.TensorFlowModel(model, bounds=(0, 1))
        try:
            return attack.run(victim, tf.constant(x), library.criteria.Misclassification(tf.constant(y))).numpy()
        except (ValueError, AssertionError):
            # One image without a start ends the whole batch: then image by image.
            if len(x) == 1:
                return x
            return np.concatenate([run(model, x[at : at + 1], y[at : at + 1]) for at in range(len(x))])

    return run


def _art(name: str, **settings: Any) -> Callable[[Asked, np.ndarray, np.ndarray], np.ndarray]:
    def run(model: Asked, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        # ART 1.20.1 asks NumPy for what NumPy 2 has no more.
        np.mat = np.asmatrix  # type: ignore[attr-defined]
        estimators = importlib.import_module("art.estimators.classification")
        victim = estimators.TensorFlowV2Classifier(
            model.answer, nb_classes=10, input_shape=x.shape[1:], clip_values=(0.0, 1.0), loss_object=None
        )
        predict = victim.predict

        def counted(x: np.ndarray, *rest: Any, **more: Any) -> np.ndarray:
            # ART compiles its question: it is counted before.
            model.rows += len(x)
            return predict(x, *rest, **more)

        victim.predict = counted
        attack = getattr(importlib.import_module("art.attacks.evasion"), name)(victim, verbose=False, **settings)
        return attack.generate(x, y=np.eye(10, dtype="float32")[y])

    return run


def _spsa(model: Asked, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    spsa = importlib.import_module("cleverhans.tf2.attacks.spsa").spsa
    settings = {"eps": 0.1, "nb_iter": 20, "clip_min": 0.0, "clip_max": 1.0, "early_stop_loss_threshold": 0.0}
    pairs = ((tf.constant(x[at : at + 1]), tf.constant(y[at : at + 1])) for at in range(len(x)))
    return np.concatenate([np.asarray(spsa(model, image, y=label, **settings)) for image, label in pairs])


_SIMBA = {"max_iter": 784, "epsilon": 0.2}
_ZOO = {"max_iter": 150, "use_resize": False, "use_importance": False, "initial_const": 10.0}
_SIGNS = {"max_iter": 1000, "query_limit": 1500, "num_trial": 20, "eval_perform": False}
_PIXEL = {"th": 5, "es": 0, "max_iter": 20}

PAIRS = (
    Pair("boundary", "l2", "foolbox", _foolbox("BoundaryAttack", steps=1500)),
    Pair("boundary", "l2", "art", _art("BoundaryAttack", targeted=False, max_iter=60), most=500),
    Pair("hopskipjump", "l2", "foolbox", _foolbox("HopSkipJumpAttack", steps=8)),
    Pair("hopskipjump", "l2", "art", _art("HopSkipJump", max_iter=8), most=500),
    Pair("hopskipjump", "linf", "foolbox", _foolbox("HopSkipJumpAttack", steps=8, constraint="linf")),
    Pair("hopskipjump", "linf", "art", _art("HopSkipJump", norm=np.inf, max_iter=8), most=500),
    Pair("geoda", "l2", "art", _art("GeoDA", norm=2, max_iter=1000), most=50),
    Pair("geoda", "linf", "art", _art("GeoDA", norm=np.inf, max_iter=1000), most=50),
    Pair("sign-opt", "l2", "art", _art("SignOPTAttack", targeted=False, **_SIGNS), most=50),
    Pair("pointwise", "l0", "foolbox", _foolbox("PointwiseAttack", l2_binary_search=False)),
    Pair("salt-and-pepper", "l2", "foolbox", _foolbox("SaltAndPepperNoiseAttack", steps=500)),
    Pair("contrast", "l2", "foolbox", _foolbox("LinearSearchContrastReductionAttack", distance=None, steps=200)),
    Pair("blur", "l2", "foolbox", _foolbox("GaussianBlurAttack", distance=None, steps=200)),
    Pair("simba", "l2", "art", _art("SimBA", attack="px", **_SIMBA), softmax=True, most=20),
    Pair("simba:basis=dct", "l2", "art", _art("SimBA", attack="dct", freq_dim=7, **_SIMBA), softmax=True, most=20),
    Pair("zoo:searches=1,constant=10", "l2", "art", _art("ZooAttack", **_ZOO), softmax=True, most=5),
    Pair("spsa:samples=128,step=0.01", "linf", "cleverhans", _spsa, eps=0.1, most=10),
    Pair("one-pixel:population=20,pixels=5", "l0", "art", _art("PixelAttack", **_PIXEL), softmax=True, eps=5, most=5),
)


def _distance(moved: np.ndarray, x: np.ndarray, norm: str) -> np.ndarray:
    return np.linalg.norm((moved - x).reshape(len(x), -1).astype("float64"), ord=_NORMS[norm], axis=1)


def _timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    found = work()
    return found, time.perf_counter() - wall, time.process_time() - processor


def _compare(pair: Pair, images: int, seed: int, as_near: bool) -> list[dict[str, Any]]:
    """Ours with as many questions as the peer, and with the fewest that find as much."""
    model, victim = undefended()
    ours = classifier(model)
    x, y = digits(images + 20)
    x = x.reshape(-1, *ours.input_shape)
    right = np.flatnonzero(ours.predict(x).argmax(axis=1) == y)[: min(images, pair.most)]
    x, y = x[right], y[right].astype("int32")
    np.random.seed(seed)
    tf.random.set_seed(seed)
    asked = Asked(ours.model, softmax=pair.softmax)
    pair.run(asked, x[:1], y[:1])
    asked.rows = 0
    theirs, wall, processor = _timed(lambda: pair.run(asked, x, y))
    budget = max(1, round(asked.rows / len(x)))
    ball = balls.get(pair.norm, 0.0)
    ball = ball.with_eps(pair.eps or ball.widest(x.shape[1:]))
    hit, far = ours.predict(theirs).argmax(axis=1) != y, _distance(theirs, x, pair.norm)
    if pair.eps:
        hit &= far <= pair.eps * (1 + 1e-5)

    def contest(queries: int) -> dict[str, Any]:
        attack = attacks.build(f"{pair.spec}{',' if ':' in pair.spec else ':'}queries={queries}")

        def run() -> Any:
            return attack_all(attack, ours, x, y, ball=ball, seed=seed)

        run()
        mine, my_wall, my_processor = _timed(run)
        near, both = _distance(mine.x, x, pair.norm), hit & mine.reached
        return {
            "success": [round(float(mine.reached.mean()), 3), round(float(hit.mean()), 3)],
            "distance": [round(float(np.median(values[both])), 3) if both.any() else None for values in (near, far)],
            "queries": [round(float(mine.queries.mean())), budget],
            "seconds": [round(my_wall, 2), round(wall, 2)],
            "ratio": round(wall / my_wall, 1),
            "processor": round(processor / my_processor, 1),
        }

    about = {"attack": pair.spec, "norm": pair.norm, "peer": pair.peer, "victim": victim, "n": len(x)}
    rows = [about | contest(budget)]
    for share in _SHARES if as_near else ():
        fewer = contest(max(1, round(share * budget)))
        if not _no_worse(fewer):
            break
        rows[1:] = [about | fewer]
    return rows


def _no_worse(row: dict[str, Any]) -> bool:
    (mine, theirs), (near, far) = row["success"], row["distance"]
    return mine >= theirs and near is not None and near <= far


def main(arguments: list[str] | None = None) -> None:
    """Prints a Markdown table, ours before the peer's in every cell."""
    parser = argparse.ArgumentParser(description="Black-box attacks beside the peers'.")
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[], help="those attacks only")
    parser.add_argument("--peer", nargs="*", default=[], help="those pairs only")
    parser.add_argument("--as-near", action="store_true", help="then with the fewest questions that find as much")
    parser.add_argument("--out", type=Path, help="JSON, written after each pair")
    chosen = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    rows = []
    columns = ("attack", "norm", "peer", "n", "success", "distance", "queries", "seconds", "ratio", "processor")
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns), flush=True)
    for pair in PAIRS:
        named = not chosen.only or pair.spec.partition(":")[0] in chosen.only
        if not named or (chosen.peer and pair.peer not in chosen.peer):
            continue
        try:
            found = _compare(pair, chosen.images, chosen.seed, chosen.as_near)
        except Exception as error:
            print(f"left out: {pair.spec} beside {pair.peer}: {type(error).__name__}: {error}"[:300], file=sys.stderr)
            continue
        rows += found
        for row in found:
            cells = (row[name] for name in columns)
            texts = (" / ".join(map(str, cell)) if isinstance(cell, list) else str(cell) for cell in cells)
            print("| " + " | ".join(texts) + " |", flush=True)
        if chosen.out:
            chosen.out.write_text(json.dumps({"seed": chosen.seed, "rows": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
