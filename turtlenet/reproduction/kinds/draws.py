"""A model whose answers differ from draw to draw: its accuracy, its uncertainty, and attacks that are told of it.

Paper 001's detector is a logistic regression on the variance of 50 answers. There is one for each attack here, fitted
on the first training images, clean and attacked, and scored on the first test images, all of them whatever the
answers, as in the paper. The attack that knows of FGSM's detector is told where it begins to see.
"""

import functools
from typing import Any

import numpy as np
from keras import ops

from turtlenet import balls
from turtlenet.attacks.run.runner import attack_all
from turtlenet.batching import in_batches, predict
from turtlenet.detection import curves
from turtlenet.detection.edges import edge_of
from turtlenet.detection.methods.logistic import Logistic
from turtlenet.reports.versions import versions
from turtlenet.reproduction.kinds.base import Job, kind
from turtlenet.reproduction.row import share
from turtlenet.reproduction.workshop import BATCH
from turtlenet.uncertainty import uncertainty

EPS = 0.3
DRAWS = 50
"""Behind an uncertainty, and behind the answer M."""
KNOWING = "undetected:steps=50"


class Bench:
    """A model, and what was made and measured with it.

    Args:
        job: The row.
        batch: Images in one call.
    """

    def __init__(self, job: Job, batch: int):
        self.job, self.victim, self.batch = job, job.victim, batch
        self.seed = job.shop.options.seed
        draws = 3 if job.shop.options.quick else DRAWS
        # Draws that no attack has seen.
        self.one = job.victim.taking(draws=1, seed=self.seed + 1)
        self.many = job.victim.taking(draws=draws, seed=self.seed + 1)
        self.crafted = functools.cache(self._crafted)
        self.doubts = functools.cache(self._doubts)

    def images(self, part: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The first images (n, ...) of a part, and their labels (n,)."""
        return self.job.shop.part(self.job.row.data, part, self.job.row.images).batch(slice(count))

    def clean(self, count: int) -> dict[str, Any]:
        """Accuracy of one draw (S) and of the mean of many (M)."""
        return self._judged("", 1, count)

    def attacked(self, spec: str, draws: int, count: int) -> dict[str, Any]:
        """Accuracy of one draw (S) and of the mean of many (M) under an attack on the mean of `draws` draws."""
        gradients = self.crafted(spec, draws, "test", count)[1]
        how = {"attack": str(self.job.attack(spec)), "eps": EPS, "gradient": _gradient(draws), "draws": draws}
        return {**self._judged(spec, draws, count), **how, "labels": "true", "gradients": gradients}

    def told(self, spec: str, count: int) -> dict[str, Any]:
        """Mean and variance of the uncertainty, clean and attacked, and how well it tells the two apart."""
        clean, found = self.doubts("", 1, "test", count), self.doubts(spec, 1, "test", count)
        whole = np.ones(len(clean[0]), bool)
        detector = self.detector(spec, count)
        pair = curves.Pair(detector.score(clean[0]), detector.score(found[0]), whole, whole)
        within = curves.bootstrap(pair, {"accuracy": curves.accuracy, "auc": curves.area}, self.seed)
        sides = {"clean": clean[0], "attacked": found[0]}
        return {
            "attack": str(self.job.attack(spec)),
            **{f"mu_{side}": float(f"{values.mean():.4g}") for side, values in sides.items()},
            **{f"sigma_{side}": float(f"{values.var():.4g}") for side, values in sides.items()},
            "detected": _share(curves.accuracy(*pair.sides), within["accuracy"], len(whole)),
            "auc": _share(curves.area(*pair.sides), within["auc"], len(whole)),
            "slipped": self._slipped(detector, found, count),
        }

    def knowing(self, spec: str, count: int, eot: int, most: int) -> dict[str, Any]:
        """What slips past an attack's detector when another one is told where it begins to see."""
        detector = self.detector(spec, count)
        edge, side = edge_of(detector, 0.5)
        told = f"{self.job.attack(KNOWING)},threshold={edge:.4g},side={side}"
        clean, found = self.doubts("", 1, "test", most), self.doubts(told, eot, "test", most)
        detected = curves.accuracy(detector.score(clean[0]), detector.score(found[0]))
        return {
            "attack": str(self.job.attack(told)),
            "draws": eot,
            "mu_attacked": float(f"{found[0].mean():.4g}"),
            "detected": _share(detected, None, len(found[0])),
            "slipped": self._slipped(detector, found, most),
            "slipped_plain": self._slipped(detector, self.doubts(spec, 1, "test", most), most),
        }

    def detector(self, spec: str, count: int) -> Logistic:
        """Fitted on training images and what the attack makes of them."""
        return Logistic().fit(self.doubts("", 1, "train", count)[0], self.doubts(spec, 1, "train", count)[0])

    def _judged(self, spec: str, draws: int, count: int) -> dict[str, Any]:
        x, y = self.crafted(spec, draws, "test", count)[0], self.images("test", count)[1]
        single = predict(self.one, x, self.batch).argmax(axis=1)
        return {"s": share(single == y), "m": share(self.doubts(spec, draws, "test", count)[1] == y)}

    def _slipped(self, detector: Logistic, found: tuple[np.ndarray, np.ndarray], count: int) -> dict[str, Any]:
        """Of the images that are right, those that are misclassified and not seen at even odds."""
        y, right = self.images("test", count)[1], self.doubts("", 1, "test", count)[1]
        return share(((found[1] != y) & ~(detector.score(found[0]) > 0.5))[right == y])

    def _crafted(self, spec: str, draws: int, part: str, count: int) -> tuple[np.ndarray, int]:
        """Images after an attack, and its gradients; as they are without one."""
        x, y = self.images(part, count)
        if not spec:
            return x, 0
        attacker = self.victim.taking(_gradient(draws), draws=draws, seed=self.seed)
        made = self.job.attack(spec)
        ball = made.own_ball(balls.get("linf", EPS, attacker.bounds), attacker.input_shape)
        outcome = attack_all(made, attacker, x, y, ball=ball, seed=self.seed, batch_size=self.batch)
        return outcome.x, int(np.sum(outcome.gradients))

    def _doubts(self, spec: str, draws: int, part: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Uncertainties (n,), paper 001, equation 12, and the answers M (n,)."""
        x, judge = self.crafted(spec, draws, part, count)[0], self.many

        def graph(images: Any) -> tuple[Any, Any]:
            chances = judge.probabilities(images)
            return uncertainty(chances), ops.argmax(ops.mean(chances, axis=1), axis=-1)

        def work(rows: np.ndarray) -> list[np.ndarray]:
            found = judge.compiled("doubts", graph)(ops.convert_to_tensor(x[rows], "float32"))
            return [ops.convert_to_numpy(each) for each in found]

        values, answers = np.empty(len(x)), np.empty(len(x), "int64")
        for rows, (spread, answer) in in_batches(judge, np.arange(len(x)), self.batch, work):
            values[rows], answers[rows] = spread[: len(rows)], answer[: len(rows)]
        return values, answers


def _gradient(draws: int) -> str:
    return "naive" if draws == 1 else "adaptive"


def _share(value: float | None, within: tuple[float, float] | None, count: int) -> dict[str, Any]:
    """A figure that is no share of independent booleans, in a share's form."""
    found = {"accuracy": round(value or 0.0, 6), "n": count}
    return found | {"interval": list(within)} if within else found


def _bench(job: Job, batch: int) -> Bench:
    """The bench of a row: what one cell has made serves the next."""
    key = f"bench/{job.row.place}"
    if key not in job.shop.cache:
        job.shop.cache[key] = Bench(job, batch)
    bench: Bench = job.shop.cache[key]
    return bench


def _cost(job: Job, *, count: int, attack: str = "", draws: int = 1, **_: Any) -> float:
    made = job.gradients([attack]) * draws if attack else 0.0
    return job.images(count) * (made + DRAWS / 3)


@kind("draws", _cost)
def drawn(job: Job, *, count: int, attack: str = "", draws: int = 1, batch: int = BATCH // 5) -> dict[str, Any]:
    """Accuracy of one draw (S) and of the mean of many (M).

    Args:
        job: The row.
        count: The first so many test images.
        attack: Spec of an attack on them; none for clean images.
        draws: Whose mean the attack follows: one as the paper did, or several by one who knows of the defence.
        batch: Images in one call: weights of its own for each draw of each image take much memory.
    """
    bench = _bench(job, batch)
    return bench.attacked(attack, draws, count) if attack else {**bench.clean(count), "versions": versions()}


def _twice(job: Job, **settings: Any) -> float:
    return 2 * _cost(job, **settings)


@kind("uncertainty", _twice)
def uncertain(job: Job, *, attack: str, count: int, batch: int = BATCH // 5) -> dict[str, Any]:
    """How well the uncertainty tells clean images from attacked ones."""
    return _bench(job, batch).told(attack, count)


def _knowing_cost(job: Job, *, most: int, draws: int, **_: Any) -> float:
    return job.images(most) * (job.gradients([KNOWING]) * draws + DRAWS)


@kind("undetected", _knowing_cost)
def undetected(job: Job, *, attack: str, count: int, draws: int, most: int, batch: int = BATCH // 5) -> dict[str, Any]:
    """What slips past an attack's detector when another one is told where it begins to see.

    Args:
        job: The row.
        attack: The spec whose detector is told of.
        count: Images that the detector is fitted on.
        draws: Whose mean the attack follows.
        most: The first so many test images.
        batch: Images in one call.
    """
    return _bench(job, batch).knowing(attack, count, draws, most)
