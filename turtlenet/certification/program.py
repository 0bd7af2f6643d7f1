"""A network that is linear in pieces as a mixed-integer program (Tjeng et al., 2019).

Each unit whose sign is not settled by bounds gets a binary variable, and so does each that gives the sign alone, as
those of binary networks do (Khalil et al., 2019).
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import ops
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from turtlenet.certification.elementwise import Elementwise
from turtlenet.certification.linear import transposed
from turtlenet.certification.network import Network, Node
from turtlenet.certification.steps import Affine, Box, Maximum, Movement
from turtlenet.errors import ModelError

MARGIN = 1e-4
"""What a margin must exceed to count, as a share of 1 + the largest logit: float32 and the solver's own tolerance."""

_ROWS = 256
_MOST_ENTRIES = 200_000_000


@dataclass
class _Expression:
    """Values as a matrix of the program's variables and a constant: (values, variables) and (values,)."""

    matrix: Any
    constant: np.ndarray


class PiecewiseLinear:
    """A network whose affine maps are written out as sparse matrices, each once.

    Args:
        network: Of affine maps, functions such as ReLU, maxima, and a quantizer at the input.

    Attributes:
        front: The places whose values are free of each other, and how many values of a box each can reach
            (`independent`).
        signs: Whether some unit gives one of two values, so that a point near a jump may be on either side.

    Raises:
        ModelError: A function that is not linear in pieces.
    """

    def __init__(self, network: Network):
        self.network = network
        self.front = independent(network)
        behind = [node for place, node in enumerate(network.nodes, 1) if place not in self.front]
        self.signs = any(_jump(node.step) for node in behind)
        self._matrices: dict[int, list[Any]] = {}
        for node in behind:
            _check(node)

    def matrix(self, place: int) -> list[Any]:
        """The sparse matrices of an affine node, one for each input."""
        if place not in self._matrices:
            node = self.network.nodes[place - 1]
            shapes = [self.network.shape(source) for source in node.sources]
            self._matrices[place] = [self._written(node, number, shapes) for number in range(len(shapes))]
        return self._matrices[place]

    def _written(self, node: Node, number: int, shapes: list[tuple[int, ...]]) -> Any:
        rows, columns = math.prod(node.shape), math.prod(shapes[number])
        if rows * columns > _MOST_ENTRIES:
            raise ModelError(
                f"Expected a small network for method=exact; {node.layer!r} has a matrix of {rows:,} x {columns:,}."
            )

        def of_one(x: Any) -> Any:
            count = ops.shape(x)[0]
            parts = [ops.zeros((count, *shape), "float32") for shape in shapes]
            parts[number] = x
            return node.step.apply(*parts)  # type: ignore[attr-defined]

        like, parts = ops.zeros((1, *shapes[number]), "float32"), []
        for start in range(0, rows, _ROWS):
            units = np.eye(min(_ROWS, rows - start), rows, start, dtype="float32")
            found = transposed(of_one, ops.reshape(units, (1, -1, *node.shape)), like)
            parts.append(sparse.csr_matrix(ops.convert_to_numpy(found).reshape(len(units), columns), dtype="float64"))
        return sparse.vstack(parts, format="csr")


@dataclass
class Program:
    """The program of one image: variables, their bounds, and rows `matrix @ variables <= limit`.

    Where a unit jumps, `strict` keeps its sum away from there, so that float32 agrees on the side; else a sum near it
    may be on either, so that what has no solution is a proof.
    """

    piecewise: PiecewiseLinear
    known: list[Box]
    strict: bool = False
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
    rows: list[tuple[dict[int, float], float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        places = {place: self._input(place) for place in self.piecewise.front if self._is_read(place)}
        for place, node in enumerate(self.piecewise.network.nodes, 1):
            if place not in self.piecewise.front:
                places[place] = self._behind(place, node, places)
        self.values = places[len(self.piecewise.network.nodes)]

    def least(self, y: int, other: int, most: float, seconds: float) -> tuple[np.ndarray | None, float]:
        """The values of the free place where the margin of a class is least, if it can be `most` or below.

        Returns:
            Those values, or None; and what no margin is below: above `most`, and a proof, where it cannot be so small.
        """
        if seconds <= 0:
            return None, -math.inf
        logits, count = self.values, len(self.low)
        row = _row(logits, y, count) - _row(logits, other, count)
        constant = float(logits.constant[y] - logits.constant[other])
        if not count:
            return None if constant > most else np.asarray(self.free.constant), constant
        indices = [
            (number, place, value) for number, (each, _) in enumerate(self.rows) for place, value in each.items()
        ]
        constraints = [LinearConstraint(row[None, :], -np.inf, most - constant)]
        if indices:
            numbers, places, values = zip(*indices, strict=True)
            matrix = sparse.csr_matrix((values, (numbers, places)), shape=(len(self.rows), count))
            constraints.append(LinearConstraint(matrix, -np.inf, [limit for _, limit in self.rows]))
        found = milp(
            row,
            constraints=constraints,
            bounds=Bounds(self.low, self.high),
            integrality=np.array(self.whole),
            options={"time_limit": seconds},
        )
        # Infeasible: no point of the program has so small a margin.
        if found.status == 2:
            return None, most
        # Else there is one, or there may be: what HiGHS has for a bound then proves no margin above 0.
        bound = -math.inf if found.mip_dual_bound is None else min(float(found.mip_dual_bound) + constant, 0.0)
        if found.x is None:
            return None, bound
        return self.free.matrix @ found.x[: self.free.matrix.shape[1]] + self.free.constant, bound

    def _is_read(self, place: int) -> bool:
        nodes = enumerate(self.piecewise.network.nodes, 1)
        return any(place in node.sources and number not in self.piecewise.front for number, node in nodes)

    def _input(self, place: int) -> _Expression:
        """A variable for each value that is free; whole where a quantizer leaves the two ends alone."""
        low, high = (np.asarray(part, "float64").ravel() for part in self.known[place][:2])
        free, constant = np.flatnonzero(high > low), np.where(high > low, 0.0, low)
        ends = self.piecewise.front[place]
        entries, begin = np.ones(len(free)), len(self.low)
        for number in free:
            two = ends == 2
            self._variable(0.0 if two else low[number], 1.0 if two else high[number], two)
        if ends == 2:
            entries, constant = (high - low)[free], low.copy()
        shape = (len(low), begin + len(free))
        matrix = sparse.csr_matrix((entries, (free, begin + np.arange(len(free)))), shape=shape)
        self.free = _Expression(matrix, constant)
        return self.free

    def _variable(self, low: float, high: float, whole: bool = False) -> int:
        self.low.append(low)
        self.high.append(high)
        self.whole.append(int(whole))
        return len(self.low) - 1

    def _behind(self, place: int, node: Node, places: dict[int, _Expression]) -> _Expression:
        inputs = [places[source] for source in node.sources]
        if isinstance(node.step, Affine | Movement):
            zeros = [np.zeros((1, *self.piecewise.network.shape(source)), "float32") for source in node.sources]
            constant = ops.convert_to_numpy(node.step.apply(*map(ops.convert_to_tensor, zeros))).ravel().astype(float)
            matrix: Any = None
            for product, each in zip(self.piecewise.matrix(place), inputs, strict=True):
                constant = constant + product @ each.constant
                part = product @ self._wide(each)
                matrix = part if matrix is None else matrix + part
            return _Expression(matrix.tocsr(), constant)
        box = self.known[node.sources[0]]
        if isinstance(node.step, Maximum):
            return self._largest(node, inputs[0], box)
        if _jump(node.step):
            return self._one_of_two(node.step, inputs[0], box)  # type: ignore[arg-type]
        return self._rectified(node.step, inputs[0], box)  # type: ignore[arg-type]

    def _wide(self, each: _Expression) -> Any:
        """Its matrix, with columns for all variables that there are."""
        rows, columns = each.matrix.shape
        missing = len(self.low) - columns
        return (
            sparse.hstack([each.matrix, sparse.csr_matrix((rows, missing))], format="csr") if missing else each.matrix
        )

    def _rectified(self, step: Elementwise, x: _Expression, box: Box) -> _Expression:
        """y = max(x, slope x): for an open sign a binary z, x <= y, y <= x - (1 - slope) low (1 - z), ..."""
        (slope,) = (float(np.asarray(step.function(ops.full((1, 1), -1.0)))[0, 0]) * -1.0,)
        low, high = (np.asarray(part, "float64").ravel() for part in box[:2])
        matrix = self._wide(x)
        scale = np.where(low >= 0, 1.0, slope)
        open_units = np.flatnonzero((low < 0) & (high > 0))
        scale[open_units] = 0.0
        begin = len(self.low)
        for unit in open_units:
            terms = dict(zip(*_terms(matrix, unit), strict=True))
            above, below = float(high[unit]), float(low[unit])
            y = self._variable(slope * below, above)
            z = self._variable(0.0, 1.0, True)
            shift = float(x.constant[unit])
            self._at_most({**terms, y: -1.0}, -shift)
            self._at_most({**_scaled(terms, slope), y: -1.0}, -slope * shift)
            self._at_most({y: 1.0, **_scaled(terms, -1.0), z: -(1 - slope) * below}, shift - (1 - slope) * below)
            self._at_most({y: 1.0, **_scaled(terms, -slope), z: -(1 - slope) * above}, slope * shift)
        units = sparse.csr_matrix(
            (np.ones(len(open_units)), (open_units, begin + 2 * np.arange(len(open_units)))),
            shape=(len(low), len(self.low)),
        )
        kept = sparse.diags(scale) @ matrix
        wide = sparse.hstack([kept, sparse.csr_matrix((len(low), len(self.low) - kept.shape[1]))], format="csr")
        return _Expression((wide + units).tocsr(), scale * x.constant)

    def _one_of_two(self, step: Elementwise, x: _Expression, box: Box) -> _Expression:
        """y = below + (above - below) z with a binary z, which is 1 where x >= the jump, and 0 below it."""
        (jump,) = step.jumps
        low, high = (np.asarray(part, "float64").ravel() for part in box[:2])
        matrix, begin, rise = self._wide(x), len(self.low), jump.above - jump.below
        open_units = np.flatnonzero((low < jump.point) & (high >= jump.point))
        constant = np.where(low >= jump.point, jump.above, jump.below).astype("float64")
        for unit in open_units:
            terms, shift = dict(zip(*_terms(matrix, unit), strict=True)), float(x.constant[unit])
            least, most = float(low[unit]), float(high[unit])
            slack = MARGIN * (1.0 + max(abs(least), abs(most))) * (-1.0 if self.strict else 1.0)
            z = self._variable(0.0, 1.0, True)
            self._at_most({**_scaled(terms, -1.0), z: max(0.0, jump.point - slack - least)}, shift - least)
            self._at_most({**terms, z: -max(0.0, most - jump.point - slack)}, jump.point + slack - shift)
        columns = begin + np.arange(len(open_units))
        shape = (len(low), len(self.low))
        return _Expression(sparse.csr_matrix((np.full(len(columns), rise), (open_units, columns)), shape), constant)

    def _largest(self, node: Node, x: _Expression, box: Box) -> _Expression:
        """y = max of a window: y >= each, and y <= one of them plus what its binary leaves."""
        low, high = (np.asarray(part, "float64").ravel() for part in box[:2])
        windows = _windows(node, self.piecewise.network.shape(node.sources[0]))
        matrix, constants, picked = self._wide(x), [], []
        for window in windows:
            candidates = window[high[window] >= low[window].max()]
            if len(candidates) == 1:
                picked.append((*_terms(matrix, candidates[0]),))
                constants.append(float(x.constant[candidates[0]]))
                continue
            top = float(high[candidates].max())
            y, choices = self._variable(float(low[candidates].max()), top), {}
            for unit in candidates:
                terms, shift = dict(zip(*_terms(matrix, unit), strict=True)), float(x.constant[unit])
                self._at_most({**terms, y: -1.0}, -shift)
                z = self._variable(0.0, 1.0, True)
                choices[z] = -1.0
                room = top - float(low[unit])
                self._at_most({y: 1.0, **_scaled(terms, -1.0), z: room}, shift + room)
            self._at_most(choices, -1.0)
            picked.append((np.array([y]), np.ones(1)))
            constants.append(0.0)
        lengths = [len(places) for places, _ in picked]
        rows = np.repeat(np.arange(len(picked)), lengths)
        places, values = (np.concatenate([each[side] for each in picked]) for side in (0, 1))
        shape = (len(picked), len(self.low))
        return _Expression(sparse.csr_matrix((values, (rows, places)), shape=shape), np.array(constants))

    def _at_most(self, terms: dict[int, float], limit: float) -> None:
        self.rows.append((terms, limit))


def independent(network: Network) -> dict[int, int]:
    """The places whose values do not depend on each other: the input, and elementwise functions right behind it.

    Returns:
        By place, how many values of a box can be reached: 0 for all of them, 2 for its ends alone.
    """
    found = {0: 0}
    for place, node in enumerate(network.nodes, 1):
        if len(node.sources) == 1 and node.sources[0] in found:
            step = node.step
            if isinstance(step, Elementwise) and step.lowest is None and (step.levels or not _in_pieces(step)):
                found[place] = step.levels
    return found


def _in_pieces(step: Any) -> bool:
    """Whether a function is max(x, slope x)."""
    return (
        isinstance(step, Elementwise)
        and step.kinks == (0.0,)
        and step.convex
        and step.stationary is None
        and not step.curvature
    )


def _jump(step: Any) -> bool:
    """Whether a function gives one value below a point and another from there on, as the sign does."""
    return isinstance(step, Elementwise) and len(step.jumps) == 1 and step.derivative is ops.zeros_like


def _check(node: Node) -> None:
    if not (isinstance(node.step, Affine | Movement | Maximum) or _in_pieces(node.step) or _jump(node.step)):
        raise ModelError(
            f"Expected layers that are linear in pieces for method=exact, such as ReLU or signs; {node.layer!r} is "
            "not: method=alpha bounds it."
        )


def _row(values: _Expression, number: int, count: int) -> np.ndarray:
    found = np.zeros(count)
    places, entries = _terms(values.matrix, number)
    found[places] = entries
    return found


def _terms(matrix: Any, row: Any) -> tuple[np.ndarray, np.ndarray]:
    begin, end = matrix.indptr[row], matrix.indptr[row + 1]
    return matrix.indices[begin:end], matrix.data[begin:end]


def _scaled(terms: dict[int, float], factor: float) -> dict[int, float]:
    return {place: factor * value for place, value in terms.items()} if factor else {}


def _windows(node: Node, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Which inputs each output of a maximum looks at, found out by raising one input at a time."""
    size = math.prod(shape)
    zero = ops.zeros((1, *shape), "float32")
    base = ops.convert_to_numpy(node.step.apply(zero)).ravel()  # type: ignore[attr-defined]
    found: list[list[int]] = [[] for _ in base]
    for start in range(0, size, _ROWS):
        units = np.eye(min(_ROWS, size - start), size, start, dtype="float32").reshape(-1, *shape)
        raised = ops.convert_to_numpy(node.step.apply(units)).reshape(len(units), -1)  # type: ignore[attr-defined]
        for number, output in zip(*np.nonzero(raised > 0), strict=True):
            found[output].append(start + int(number))
    return [np.array(each) for each in found]
