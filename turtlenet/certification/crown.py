"""CROWN on batches of images: hidden boxes made tighter, then margins, then slopes optimized (alpha-CROWN)."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from turtlenet import backend
from turtlenet.certification import alpha
from turtlenet.certification.elementwise import Elementwise
from turtlenet.certification.interval import boxes, differences, folded
from turtlenet.certification.linear import lower_bounds
from turtlenet.certification.network import Network, network_of
from turtlenet.certification.region import Region, first_boxes, least_within
from turtlenet.certification.steps import Affine, Box, Maximum, Movement
from turtlenet.classifier import Classifier
from turtlenet.typing import Tensor

_CHUNK = 64


class Bounder:
    """Lower bounds of the margins of batches of images, by methods of growing cost.

    Args:
        model: The classifier.
        order: Of the norm, 1, 2 or infinity.
        refined: Most values of a hidden layer that CROWN bounds one by one, those first that matter most; intervals
            bound the rest.
        steps: Of the optimization of slopes.

    Raises:
        ModelError: A layer without a rule, or one that draws random numbers.
    """

    def __init__(self, model: Classifier, order: float = math.inf, *, refined: int = 1024, steps: int = 20):
        self.model, self.order, self.refined, self.steps = model, order, refined, steps
        self.network = network_of(model.model)
        self.places = _to_refine(self.network, order)

    def interval(self, region: Region, y: np.ndarray) -> np.ndarray:
        """Margins (batch, classes) by interval bound propagation; 0 for the true class."""

        def margins(y: Tensor, *region: Tensor) -> Tensor:
            known = self._boxes(Region(*region))
            return folded(self.network, known, y)

        return self._array(self._compiled("interval", margins)(*_tensors(y, region)))

    def hidden(self, region: Region) -> list[Box]:
        """The boxes of all places, the hidden ones among them made tighter by going backward from each."""
        known = self._plain(region)
        tighter = {place: known[place] for place in self.places}
        for place in self.places:
            chosen = self._chosen(place, known)
            if chosen is None:
                continue
            tighter[place] = self._refine(place, chosen, known, region)
            known = self._known(region, tighter)
        return known

    def crown(self, region: Region, y: np.ndarray, known: Sequence[Box]) -> np.ndarray:
        """Margins (batch, classes) by linear bounds, given the boxes of `hidden`; never below those of intervals."""

        def margins(y: Tensor, flat: list[Tensor], *region: Tensor) -> Tensor:
            found, inner = _boxes_of(flat), Region(*region)
            slopes, others = differences(y, found[-1].low.shape[-1])
            bound = lower_bounds(self.network, found, len(self.network.nodes), slopes, self._least(inner))
            return ops.maximum(bound * others, folded(self.network, found, y))

        y, *rest = _tensors(y, region)
        return self._array(self._compiled("crown", margins)(y, _flat(known), *rest))

    def alpha(self, region: Region, y: np.ndarray, known: Sequence[Box]) -> np.ndarray:
        """Margins by linear bounds whose slopes are optimized for each class; never below those of `crown`."""

        def margins(y: Tensor, flat: list[Tensor], *region: Tensor) -> Tensor:
            found, inner = _boxes_of(flat), Region(*region)
            slopes, others = differences(y, found[-1].low.shape[-1])
            bound = alpha.optimized(self.network, found, slopes, others, self._least(inner), self.steps)
            return ops.maximum(bound, folded(self.network, found, y))

        y, *rest = _tensors(y, region)
        return self._array(self._compiled(("alpha", self.steps), margins)(y, _flat(known), *rest))

    @property
    def slopes(self) -> int:
        """How many slopes there are to optimize for each class of an image."""
        return sum(math.prod(each.shape) for each in alpha.free(self.network))

    def _boxes(self, region: Region, tighter: Mapping[int, Box] | None = None) -> list[Box]:
        first = first_boxes(self.network, region, self.order)
        both = {place: box.within(first[place]) if place in first else box for place, box in (tighter or {}).items()}
        return boxes(self.network, region.low, region.high, {**first, **both})

    def _least(self, region: Region) -> Callable[[Tensor], Tensor]:
        return least_within(region, self.order)

    def _plain(self, region: Region) -> list[Box]:
        def known(*region: Tensor) -> list[Tensor]:
            return _flat(self._boxes(Region(*region)))

        return _boxes_of(self._compiled("boxes", known)(*_tensors(None, region)[1:]))

    def _known(self, region: Region, tighter: Mapping[int, Box]) -> list[Box]:
        def known(flat: list[Tensor], *region: Tensor) -> list[Tensor]:
            given = dict(zip(self.places, _boxes_of(flat), strict=True))
            return _flat(self._boxes(Region(*region), given))

        flat = _flat([tighter[place] for place in self.places])
        return _boxes_of(self._compiled("tighter boxes", known)(flat, *_tensors(None, region)[1:]))

    def _chosen(self, place: int, known: Sequence[Box]) -> np.ndarray | None:
        """The values of a place to bound one by one, int (batch, count), those that matter most first."""
        box = Box(*(self._array(part) for part in known[place][:2]))
        batch = len(box.low)
        loose = np.zeros(box.low.shape, bool)
        for node in self.network.nodes:
            if place in node.sources and isinstance(node.step, Elementwise):
                loose |= self._array(node.step.loose(Box(*map(ops.convert_to_tensor, box[:2]))))
            elif place in node.sources and isinstance(node.step, Maximum):
                loose |= box.high > box.low
        count = int(loose.reshape(batch, -1).sum(axis=1).max())
        if not count:
            return None
        # The area between the lines of a ReLU grows with both its ends.
        weight = np.where(loose, np.maximum(np.minimum(-box.low, box.high), 0.0) + 1e-6 * (box.high - box.low), -1.0)
        order = np.argsort(-weight.reshape(batch, -1), axis=1, kind="stable")[:, : min(count, self.refined)]
        size = min(_CHUNK, weight[0].size)
        # Whole chunks, so that one graph serves all: what is there twice does no harm.
        filled = np.resize(np.arange(order.shape[1]), -(-order.shape[1] // size) * size)
        return order[:, filled].astype("int32")

    def _refine(self, place: int, chosen: np.ndarray, known: Sequence[Box], region: Region) -> Box:
        """The box of a place with the bounds of some values made tighter."""

        def bound(chunk: Tensor, flat: list[Tensor], *region: Tensor) -> tuple[Tensor, Tensor]:
            found, inner = _boxes_of(flat), Region(*region)
            ones = ops.reshape(ops.one_hot(chunk, math.prod(shape), dtype="float32"), (-1, size, *shape))
            both = ops.concatenate([ones, -ones], axis=1)
            bounds = lower_bounds(self.network, found, place, both, self._least(inner))
            return bounds[:, :size], -bounds[:, size:]

        shape = self.network.nodes[place - 1].shape
        size = min(_CHUNK, math.prod(shape))
        low, high = (self._array(part).copy() for part in known[place][:2])
        flat_low, flat_high = low.reshape(len(low), -1), high.reshape(len(high), -1)
        work, rest = self._compiled(("refine", place), bound), _tensors(None, region)[1:]
        for start in range(0, chosen.shape[1], size):
            chunk = chosen[:, start : start + size]
            below, above = map(self._array, work(ops.convert_to_tensor(chunk), _flat(known), *rest))
            rows = np.arange(len(low))[:, None]
            flat_low[rows, chunk] = np.maximum(flat_low[rows, chunk], below)
            flat_high[rows, chunk] = np.minimum(flat_high[rows, chunk], above)
        return Box(ops.convert_to_tensor(np.minimum(low, high)), ops.convert_to_tensor(np.maximum(low, high)))

    def _compiled(self, name: Any, fn: Callable[..., Any]) -> Callable[..., Any]:
        return self.model.compiled(("certification", name, self.order), fn)

    @staticmethod
    def _array(tensor: Tensor) -> np.ndarray:
        found: np.ndarray = ops.convert_to_numpy(tensor)
        return found


def _to_refine(network: Network, order: float) -> list[int]:
    """The places whose boxes matter to a function behind them, and that intervals do not bound exactly."""
    exact = {0: 0 if order == math.inf else 1}
    for place, node in enumerate(network.nodes, 1):
        depths = [exact.get(source, 2) for source in node.sources]
        depth = max(depths) if len(depths) == 1 else 2
        if isinstance(node.step, Affine):
            # One product of independent values is bounded exactly; what only scales each value adds nothing.
            depth = depth if node.step.stretch is not None and depth else depth + 1
        elif not isinstance(node.step, Movement) and depth:
            depth = 2
        exact[place] = min(depth, 2)
    readers = [
        source
        for node in network.nodes
        if isinstance(node.step, Elementwise | Maximum)
        for source in node.sources
        if exact[source] == 2
    ]
    return sorted(set(readers))


def _tensors(y: np.ndarray | None, region: Region) -> list[Tensor]:
    """What a compiled function takes: labels and the parts of a region."""
    labels = None if y is None else backend.shard(ops.convert_to_tensor(y, "int32"))
    return [labels, *(ops.convert_to_tensor(part, "float32") for part in region)]


def _flat(known: Sequence[Box]) -> list[Tensor]:
    return [part for box in known for part in (box.low, box.high)]


def _boxes_of(flat: Sequence[Tensor]) -> list[Box]:
    return [Box(*pair) for pair in zip(flat[::2], flat[1::2], strict=True)]
