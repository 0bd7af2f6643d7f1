"""Adversarial training at full size: ResNet-18 on CIFAR-10, for an accelerator; see README.md.

    KERAS_BACKEND=jax python benchmarks/resnet_cifar.py cifar10.npz --out resnet --seconds 540

The same command again continues where the time ran out; once training is over, it attacks test images and writes the
report. The npz holds `x_train`, `y_train`, `x_test`, `y_test` as uint8.
"""

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

# A checkout is measured as it is, installed or not.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import turtlenet as tn  # noqa: E402
from benchmarks.augmented import Augmented  # noqa: E402
from turtlenet import models  # noqa: E402
from turtlenet.attacks import PGD  # noqa: E402
from turtlenet.balls import Linf  # noqa: E402
from turtlenet.data import Examples  # noqa: E402
from turtlenet.data.prepare import split  # noqa: E402
from turtlenet.training import Madry, Schedule, harden  # noqa: E402

EPS = 8 / 255
# Keras adds the square itself to the loss: half of the usual weight decay of 5e-4.
DECAY = 2.5e-4
ATTACKS = ("pgd:steps=20,step_size=0.25", "pgd:steps=50,step_size=0.1")


class OutOfTimeError(Exception):
    """The time is over; the state is saved."""


class Clock(keras.callbacks.Callback):
    """Ends a run whose time is over, once its state has been saved after that.

    Args:
        checkpoint: Where the state is saved.
        deadline: When the time is over, on the clock `time.monotonic`.
    """

    def __init__(self, checkpoint: Path, deadline: float):
        super().__init__()
        self.checkpoint = checkpoint
        self.deadline = deadline
        self._before: Any = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if time.monotonic() < self.deadline:
            return
        saved = self.checkpoint.stat().st_mtime_ns if self.checkpoint.exists() else 0
        if self._before is None:
            self._before = saved
        elif saved != self._before:
            raise OutOfTimeError


def main() -> None:
    """Trains, for as long as there is time, and attacks what came out."""
    asked = _parse()
    deadline = time.monotonic() + asked.seconds
    asked.out.mkdir(parents=True, exist_ok=True)
    finished = asked.out / "resnet18.keras"
    if not finished.exists():
        model = _trained(asked, deadline)
        if model is None:
            print("The time is over: the same command continues.")
            return
        tn.save_model(model, finished)
    if deadline - time.monotonic() < asked.evaluation_seconds:
        print("Trained; too little time is left for the attacks: the same command goes on with them.")
        return
    _evaluate(asked, finished)


def _trained(asked: argparse.Namespace, deadline: float) -> keras.Model | None:
    """The model with its best robust weights on held-out training images; None if the time ran out."""
    keras.utils.set_random_seed(asked.seed)
    keras.config.set_dtype_policy(asked.precision)
    with np.load(asked.data) as archive:
        x, y = archive["x_train"], archive["y_train"]
    model = _network(asked.net, x.shape[1:])
    everything = Examples(x, y, name=asked.data.name, num_classes=10)
    examples, held_out = split(everything, asked.validation, asked.seed)
    schedule = Schedule(
        epochs=asked.epochs,
        steps_per_epoch=asked.steps_per_epoch,
        batch_size=asked.batch_size,
        learning_rate=asked.learning_rate,
        optimizer="sgd",
        seed=asked.seed,
    )
    attack = PGD(steps=asked.steps, step_size=0.25, keep="last")
    checkpoint = asked.out / "state.npz"
    try:
        run = harden(
            models.classifier(model),
            Augmented(examples, asked.seed),
            Madry(attack=attack, ball=Linf(EPS)),
            schedule,
            validation=held_out,
            validation_attack=PGD(steps=10, step_size=0.25),
            checkpoint=checkpoint,
            resume=True,
            seconds=asked.save_seconds,
            identity={"net": asked.net, "precision": asked.precision, "images": everything.sha256()},
            # A save takes a while: room for the last one is left before the deadline.
            callbacks=[Clock(checkpoint, deadline - asked.save_seconds)],
            verbose=True,
        )
    except OutOfTimeError:
        return None
    (asked.out / "run.json").write_text(json.dumps(dataclasses.asdict(run), indent=1) + "\n", encoding="utf-8")
    return model


def _network(name: str, shape: tuple[int, ...]) -> keras.Model:
    """An architecture with weight decay on its kernels."""

    def adapted(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
            config["kernel_regularizer"] = keras.regularizers.L2(DECAY)
        if isinstance(layer, keras.layers.BatchNormalization):
            # Attacks see the moving statistics, which must keep up with the weights of a short run.
            config["momentum"] = 0.9
        return type(layer).from_config(config)

    return keras.models.clone_model(models.build(name, tuple(shape)), clone_function=adapted)


def _evaluate(asked: argparse.Namespace, path: Path) -> None:
    """Clean and robust accuracy on test images, printed and written."""
    with np.load(asked.data) as archive:
        x, y = archive["x_test"], archive["y_test"]
    report = tn.evaluate(
        path,
        (x, y),
        attacks=asked.attacks,
        eps=EPS,
        limit=asked.images,
        batch_size=asked.batch_size,
        curve=0,
        progress=asked.out,
        resume=True,
    )
    print(report)
    (asked.out / "report.json").write_text(json.dumps(report.to_dict(), indent=1) + "\n", encoding="utf-8")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Trains ResNet-18 on CIFAR-10 against PGD, and attacks it.")
    parser.add_argument("data", type=Path, help="an npz with x_train, y_train, x_test, y_test")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="state, model and report")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time, having saved")
    parser.add_argument("--save-seconds", type=float, default=20.0, help="least time between two saves; 20")
    parser.add_argument("--evaluation-seconds", type=float, default=60.0, help="least time to begin the attacks with")
    parser.add_argument("--net", default="resnet18", help="a name of `turtlenet list models`")
    parser.add_argument("--precision", default="mixed_bfloat16", help="a dtype policy of Keras")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--steps-per-epoch", type=int, default=0, help="instead of a pass over the data")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--learning-rate", type=float, default=0.2)
    parser.add_argument("--steps", type=int, default=10, help="gradients of PGD in training")
    parser.add_argument("--validation", type=int, default=1000, help="training images held out")
    parser.add_argument("--images", type=int, default=1000, help="test images to attack")
    parser.add_argument("--attacks", nargs="+", default=list(ATTACKS), help="specs of the attacks at the end")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
