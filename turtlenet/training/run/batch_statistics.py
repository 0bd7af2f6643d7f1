"""The statistics of batch normalization, computed anew for weights that were never trained on themselves."""

from typing import Any

import keras
import numpy as np
from keras import ops

from turtlenet import backend, random
from turtlenet.training.data.augmentation import augmented
from turtlenet.training.data.stream import Stream

# The draws of its attacks come from a stream of their own.
_DRAWS = 0xBA7C


def recalibrate(trainer: Any, stream: Stream, batches: int) -> None:
    """Sets moving means and variances to the means over training batches (Izmailov et al., 2018, Algorithm 1).

    The batches are augmented, and crafted on the weights as they are, as the run does at this step, unless the
    objective has its statistics of inputs as they are. Nothing else changes.

    Args:
        trainer: Whose network.
        stream: What to train on; of several processes each reads all of a batch.
        batches: How many, at most a pass over the data.
    """
    network = trainer.network
    layers = [
        layer
        for layer in network._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]
    if not layers or not batches:
        return
    statistics = [variable for layer in layers for variable in (layer.moving_mean, layer.moving_variance)]
    mine = {id(variable) for variable in statistics}
    others = [variable for variable in network.non_trainable_variables if id(variable) not in mine]
    before = [ops.convert_to_numpy(variable) for variable in others]
    step = int(getattr(trainer.optimizer, "inner_optimizer", trainer.optimizer)._iterations)

    def forward(x: Any, y: Any, number: Any) -> Any:
        key = random.fold_in(random.keys(trainer.seed + _DRAWS, ops.arange(ops.shape(x)[0], dtype="int32")), number)
        x = augmented(x, trainer.augment, key, trainer.classifier)
        (asked, classes), objective = trainer.classifier.asked(y), trainer.objective_at(step)
        moved = objective.perturb(asked, x, classes, key=key, step=step, sources=trainer.sources)
        return objective.statistics_pass(asked, x, ops.stop_gradient(moved))

    read = [*network.variables, *(variable for source in trainer.sources for variable in source.model.variables)]
    graph = backend.compiled(forward, lambda: read)
    momenta = [layer.momentum for layer in layers]
    sums = [np.zeros(variable.shape, "float64") for variable in statistics]
    count = min(batches, stream.steps_per_pass)
    size = max(1, stream.batch_size // trainer.accumulate)
    try:
        for layer in layers:
            # The moving statistics are then those of the last batch.
            layer.momentum = 0.0
        for number in range(count):
            x, y, *_ = stream.batch(number, slice(size))
            labels = ops.convert_to_tensor(y, trainer.classifier.label_dtype)
            graph(ops.convert_to_tensor(x, "float32"), labels, ops.convert_to_tensor(number, "int32"))
            for total, variable in zip(sums, statistics, strict=True):
                total += ops.convert_to_numpy(variable)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        for variable, value in zip(others, before, strict=True):
            variable.assign(value)
    for total, variable in zip(sums, statistics, strict=True):
        variable.assign((total / count).astype("float32"))
