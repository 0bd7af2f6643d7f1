"""What a defence costs: a model behind it against the bare one, forward and in the gradients of PGD."""

from collections.abc import Iterator
from typing import Any

from keras import ops

from benchmarks.options import Options
from benchmarks.tables import Row
from benchmarks.timing import interleave
from benchmarks.victims import EPS, digits, trained
from turtlenet import models
from turtlenet.attacks import PGD
from turtlenet.balls import Linf
from turtlenet.defences import Defence, defences

__all__ = ["TITLE", "measure"]

STEPS, BATCH = 10, 128
TITLE = f"a forward pass and PGD-{STEPS} on the cleverhans net behind each, over the bare net, batch {BATCH}"
LIMIT = 1.10
NET = "cleverhans"
# Random ones with one draw: more draws cost as many times more.
SPECS = {
    "constant-quantization:levels=2": LIMIT,
    "constant-quantization:levels=6": LIMIT,
    "trainable-quantization:levels=2": LIMIT,
    "binarized": None,
    "k-bit:bits=2": None,
    "bit-depth:bits=1": None,
    "median-filter:size=2": None,
    "jpeg": None,
    "thermometer": None,
    "resize-pad": None,
    "sap": None,
    "quantized-activations": None,
    "bounded-relu": None,
}
# Trained fronts by the sizes of their networks; fresh weights cost what trained ones do. The published search of
# Defense-GAN has 200 steps from 10 starts.
FRONTS = {
    "ape-gan": {"width": 64},
    "magnet": {"width": 3},
    "contractive-autoencoder": {"width": 256},
    "defense-gan:steps=10,restarts=1": {"width": 64, "latent": 128},
}


def measure(options: Options, notes: list[str]) -> Iterator[Row]:
    """Times each defence beside the bare net in turns."""
    notes.append("The attack takes the adaptive gradient. Both nets have the same weights.")
    bare = trained(NET, options.training_images)
    x, y = digits(BATCH)
    for spec in (*SPECS, *FRONTS):
        layer = _front(spec, tuple(bare.input_shape[1:])) if spec in FRONTS else spec
        victims = {"bare": models.classifier(bare), "defended": models.classifier(models.wrap(bare, [layer]))}
        yield _row(spec, victims, x, y, SPECS.get(spec), options)


def _front(spec: str, shape: tuple[int, ...]) -> Defence:
    """The layer of a front that nobody trained."""
    layer: Any = defences.build(spec, shape=shape, sizes=FRONTS[spec])
    return layer


def _row(spec: str, victims: dict[str, Any], x: Any, y: Any, limit: float | None, options: Options) -> Row:
    attack, ball = PGD(steps=STEPS), Linf(EPS)
    passes = interleave({who: lambda one=one: one.predict(x) for who, one in victims.items()}, options.turns)
    crafts = {who: lambda one=one: ops.convert_to_numpy(attack(one, x, y, ball=ball)) for who, one in victims.items()}
    times = interleave(crafts, options.turns)
    ratio = times.processor_ratio("defended", "bare")
    return Row(
        {
            "defence": spec,
            "bare s": times.median("bare"),
            "attack": times.ratio("defended", "bare"),
            "in processor time": ratio,
            "forward in processor time": passes.processor_ratio("defended", "bare"),
        },
        target="" if limit is None else f"<= {limit}",
        met=None if limit is None else ratio.median <= limit,
    )
