"""A network as it is trained for certificates: points and boxes with the same statistics of a batch."""

from dataclasses import replace

from turtlenet.certification.elementwise import Elementwise
from turtlenet.certification.network import Network
from turtlenet.certification.rules.scales import Normalized
from turtlenet.certification.steps import Affine, Box, Maximum, Movement, Step
from turtlenet.errors import ModelError
from turtlenet.typing import Tensor


def points(network: Network, x: Tensor) -> list[Tensor]:
    """The input (batch, ...) itself, and each node's output for it."""
    found = [x]
    for node in network.nodes:
        found.append(value(node.step, *(found[place] for place in node.sources)))
    return found


def normalized_by(network: Network, x: Tensor, *, update: bool) -> tuple[Network, list[Tensor]]:
    """The network with batch normalization by the statistics of a batch, and what `points` gives for it.

    Bounds in training use the statistics of the inputs as they are, and no moving ones, as in Shi et al. (2021): a
    box has none of its own. Frozen layers keep their moving statistics.

    Args:
        network: What to normalize.
        x: The batch, float32 (batch, *input_shape).
        update: Whether the moving statistics take a step towards those of the batch, as in training.
    """
    found, nodes = [x], []
    for node in network.nodes:
        inputs = [found[place] for place in node.sources]
        if isinstance(node.step, Normalized) and node.step.layer.trainable:
            node = replace(node, step=node.step.of_batch(inputs[0], update=update))
        nodes.append(node)
        found.append(value(node.step, *inputs))
    return replace(network, nodes=tuple(nodes)), found


def value(step: Step, *inputs: Tensor) -> Tensor:
    """A step's own output for inputs (batch, ...), no bound.

    Raises:
        ModelError: A step of somebody's own, of which nothing but its bounds is known.
    """
    if isinstance(step, Elementwise):
        return step.function(*inputs)
    if isinstance(step, Affine | Maximum | Movement):
        return step.apply(*inputs)
    raise ModelError(f"Expected steps with a function, to train on their bounds; got one of {type(step).__name__}.")


def activated(network: Network, boxes: list[Box]) -> list[Box]:
    """The boxes that the activations behind the first layer are given."""
    nodes = [node for node in network.nodes if isinstance(node.step, Elementwise) and node.sources != (0,)]
    return [boxes[node.sources[0]] for node in nodes]
