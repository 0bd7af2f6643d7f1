"""turtlenet on JAX, as its users call it."""

from collections.abc import Callable
from typing import Any

import jax
import keras
import numpy as np

from benchmarks.chips.contestant import Contestant
from benchmarks.chips.flops import forward_flops
from benchmarks.chips.workload import Workload
from turtlenet import backend, models
from turtlenet.attacks import PGD
from turtlenet.balls import Linf
from turtlenet.training import Madry, Trainer

__all__ = ["Ours"]

# How exactly JAX multiplies float32 numbers.
_PRODUCTS = {"float32": "highest", "tf32": "tensorfloat32", "bfloat16": None}


class Ours(Contestant):
    """An `Attack` called on a `Classifier`, or `fit` of a `Trainer`."""

    packages = ("jax", "jaxlib", "keras", "numpy")

    def __init__(self) -> None:
        self._call: Callable[[], Any] | None = None

    def device(self) -> str:
        return jax.devices()[0].device_kind

    def about(self) -> dict[str, Any]:
        return super().about() | {"backend": keras.backend.backend()}

    def prepare(self, workload: Workload) -> dict[str, Any]:
        self.release()
        jax.config.update("jax_default_matmul_precision", _PRODUCTS[workload.precision])
        model = _built(workload)
        x, y = workload.data()
        self._call = _attack(model, workload, x, y) if workload.task == "attack" else _fit(model, workload, x, y)
        moved = self._call()
        about = {
            "parameters": int(sum(np.prod(weight.shape) for weight in model.trainable_variables)),
            "flops": forward_flops(model),
        }
        return about if workload.task == "training" else about | {"moved": float(np.abs(np.asarray(moved) - x).max())}

    def run(self) -> None:
        self._call()

    def release(self) -> bool:
        self._call = None
        keras.backend.clear_session()
        jax.clear_caches()
        # JAX keeps what it once took from the chip until its process ends.
        return jax.default_backend() == "cpu"


def _built(workload: Workload) -> keras.Model:
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("mixed_bfloat16" if workload.precision == "bfloat16" else "float32")
    return models.build(workload.net, workload.shape)


def _attack(model: keras.Model, workload: Workload, x: np.ndarray, y: np.ndarray) -> Callable[[], Any]:
    victim, ball = models.classifier(model), Linf(workload.eps)
    attack = PGD(steps=workload.steps, step=workload.step)
    images, labels = jax.device_put((x, y))
    return lambda: jax.block_until_ready(attack(victim, images, labels, ball=ball, seed=0))


def _fit(model: keras.Model, workload: Workload, x: np.ndarray, y: np.ndarray) -> Callable[[], Any]:
    attack = PGD(steps=workload.steps, step=workload.step, keep="last")
    trainer = Trainer(models.classifier(model), Madry(attack=attack, ball=Linf(workload.eps)), seed=0)
    trainer.compile(keras.optimizers.Adam(1e-3))
    batches = [(x, y)] * workload.batches

    def call() -> None:
        trainer.fit(backend.pipeline(batches, len(batches)), shuffle=False, verbose=0)
        jax.block_until_ready([variable.value for variable in model.variables])

    return call
