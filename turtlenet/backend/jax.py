"""The seam for JAX.

Variables are arguments of every compiled function (`keras.StatelessScope`), never constants in it: a model that trains
on is never attacked with stale weights. On an accelerator a whole attack is one `jit`. On a CPU a loop around
convolutions is slow in XLA, so the outermost loops of a function are stepped from Python, each step compiled, with
convolutions of our own in place of XLA's slow ones (`turtlenet.backend.jax_convolution`).
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import keras
from jax import lax
from jax import numpy as jnp
from jax.extend import core
from keras.src.backend.common.stateless_scope import get_stateless_scope, in_stateless_scope

from turtlenet.backend.batches import pipeline
from turtlenet.backend.jax_convolution import own_convolutions

__all__ = [
    "Steps",
    "apply_gradients",
    "checkpoint_arrays",
    "compiled",
    "elementwise",
    "input_gradient",
    "input_gradients",
    "loop",
    "pipeline",
    "pullback",
    "sum_over",
    "weight_gradients",
    "word",
]


def input_gradient(fn: Callable[[Any], tuple[Any, Any]], x: Any) -> tuple[Any, Any, Any]:
    """Differentiates the sum of a per-example loss at its input; see the TensorFlow seam."""

    def total(x: Any) -> tuple[Any, tuple[Any, Any]]:
        loss, rest = fn(x)
        return jnp.sum(loss), (loss, rest)

    slope, (loss, rest) = jax.grad(total, has_aux=True)(jnp.asarray(x))
    return loss, rest, slope


def input_gradients(fn: Callable[[Any], tuple[Any, Any]], x: Any) -> tuple[Any, Any, Any]:
    """Differentiates each of a few outputs at its input; see the TensorFlow seam."""
    outputs, back, rest = jax.vjp(fn, jnp.asarray(x), has_aux=True)
    rows = jnp.eye(outputs.shape[1], dtype=outputs.dtype)
    slopes = jax.vmap(lambda row: back(jnp.broadcast_to(row, outputs.shape))[0], out_axes=1)(rows)
    return outputs, rest, slopes


def weight_gradients(
    fn: Callable[[], tuple[Any, Any]], weights: Sequence[Any], at: Sequence[Any] | None = None, keep: bool = True
) -> tuple[Any, Any, list[Any]]:
    """Differentiates a scalar loss with respect to Keras variables; see the TensorFlow seam.

    What `fn` changes besides, such as moving statistics, is changed in the scope around, if there is one.
    """
    around = dict(get_stateless_scope().state_mapping) if in_stateless_scope() else {}

    def total(values: list[Any]) -> tuple[Any, Any]:
        scope = keras.StatelessScope()
        begun = around | {id(weight): value for weight, value in zip(weights, values, strict=True)}
        scope.state_mapping = dict(begun)
        with scope:
            loss, rest = fn()
        changed = {key: value for key, value in scope.state_mapping.items() if begun.get(key) is not value}
        return loss, (rest, changed)

    values = [weight.value for weight in weights] if at is None else list(at)
    (loss, (rest, changed)), slopes = jax.value_and_grad(total, has_aux=True)(values)
    if keep and in_stateless_scope():
        get_stateless_scope().state_mapping.update(changed)
    return loss, rest, slopes


def apply_gradients(optimizer: Any, gradients: Sequence[Any], weights: Sequence[Any]) -> None:
    """Lets a Keras optimizer take a step; its `apply` cannot scale losses inside a compiled function."""
    state = [variable.value for variable in optimizer.variables]
    moved, state = optimizer.stateless_apply(state, gradients, [weight.value for weight in weights])
    for variable, value in zip([*weights, *optimizer.variables], [*moved, *state], strict=True):
        variable.assign(value)


def pullback(fn: Callable[[Any], Any], x: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Gives `fn(x)`, and what takes a slope at that result to the slope at `x`; see the TensorFlow seam."""
    y, back = jax.vjp(fn, x)
    return y, lambda slope: back(slope)[0]


def sum_over(count: int, fn: Callable[[Any], list[Any]], like: Sequence[Any], variables: Sequence[Any]) -> list[Any]:
    """Adds up `fn(0)`, ..., `fn(count - 1)` one after the other; see the TensorFlow seam.

    What `fn` changes goes from call to call, and into the scope around.
    """
    around = get_stateless_scope()

    def add(number: Any, carry: Any) -> Any:
        sums, values = carry
        held = {id(variable): value for variable, value in zip(variables, values, strict=True)}
        scope = keras.StatelessScope()
        scope.state_mapping = dict(around.state_mapping) | held
        with scope:
            parts = fn(number)
        changed = [jnp.asarray(scope.state_mapping[id(variable)], variable.dtype) for variable in variables]
        return [total + part for total, part in zip(sums, parts, strict=True)], changed

    zeros = [jnp.zeros(variable.shape, variable.dtype) for variable in like]
    begun = [jnp.asarray(variable.value) for variable in variables]
    sums, values = lax.fori_loop(0, count, add, (zeros, begun))
    for variable, value in zip(variables, values, strict=True):
        around.add_update((variable, value))
    return sums


def compiled(fn: Callable[..., Any], variables: Callable[[], Sequence[Any]] = lambda: ()) -> Callable[..., Any]:
    """Compiles a function of tensors that reads Keras variables, once for each shape of its arguments.

    Args:
        fn: The function.
        variables: Gives the variables that it may read or change.
    """

    def pure(values: list[Any], *args: Any) -> tuple[Any, dict[int, Any]]:
        read = list(variables())
        with keras.StatelessScope(state_mapping=list(zip(read, values, strict=True))) as scope:
            begun = dict(scope.state_mapping)
            result = fn(*args)
        changed = {
            number: scope.state_mapping[id(variable)]
            for number, variable in enumerate(read)
            if scope.state_mapping[id(variable)] is not begun[id(variable)]
        }
        return result, changed

    graph = _Stepped(pure) if _from_python() else jax.jit(pure)

    def call(*args: Any) -> Any:
        read = list(variables())
        result, changed = graph([variable.value for variable in read], *args)
        for number, value in changed.items():
            read[number].assign(value)
        return result

    return call


def elementwise(fn: Callable[..., Sequence[Any]]) -> Callable[..., Sequence[Any]]:
    """Traces a function that works element by element once for all graphs that use it; see the TensorFlow seam."""
    return jax.jit(fn)


def word(value: Any) -> Any:
    """The last 32 bits of whole numbers: uint32 wraps by itself here."""
    return value


def _from_python() -> bool:
    """Whether loops run in Python: on a CPU, unless several devices must do the same things in the same order."""
    return jax.default_backend() == "cpu" and keras.distribution.distribution() is None


# More than an evaluation compiles; a program takes about 100 kB.
_MOST = 512
_compiled: dict[bytes, Callable[..., list[Any]]] = {}
"""Programs by the hash of their text, which is long where there are constants; those that were used last are last."""


class _Stepped:
    """A compiled function whose loops run in Python, an iteration a call."""

    def __init__(self, fn: Callable[..., Any]):
        self.fn = fn
        self._programs: dict[Any, tuple[Callable[..., Any], Any]] = {}

    def __call__(self, *args: Any) -> Any:
        leaves, tree = jax.tree.flatten(args)
        leaves = [jnp.asarray(leaf) for leaf in leaves]
        key = (tree, tuple((leaf.shape, leaf.dtype) for leaf in leaves))
        if key not in self._programs:
            given = jax.tree.unflatten(tree, leaves)
            jaxpr, shape = jax.make_jaxpr(self.fn, return_shape=True)(*given)
            self._programs[key] = _program(own_convolutions(jaxpr)), jax.tree.structure(shape)
        program, structure = self._programs[key]
        return jax.tree.unflatten(structure, program(*leaves))


def _program(closed: Any) -> Callable[..., list[Any]]:
    """Runs a traced function piece by piece: what lies between two loops is compiled as one."""
    jaxpr = closed.jaxpr
    if not any(equation.primitive.name == "while" for equation in jaxpr.eqns):
        return _compiled_once(closed)
    debug = jaxpr.debug_info.with_unknown_names()
    pieces: list[Callable[[dict[Any, Any]], None]] = []
    waiting: list[Any] = []
    for place, equation in enumerate(jaxpr.eqns):
        if equation.primitive.name == "while":
            pieces += _straight(waiting, _needed(jaxpr, jaxpr.eqns[place:]), debug)
            pieces.append(_loop_piece(equation))
            waiting = []
        else:
            waiting.append(equation)
    pieces += _straight(waiting, set(_variables(jaxpr.outvars)), debug)

    def run(*args: Any) -> list[Any]:
        values = dict(zip(jaxpr.constvars, closed.consts, strict=True)) | dict(zip(jaxpr.invars, args, strict=True))
        for piece in pieces:
            piece(values)
        return [_value(each, values) for each in jaxpr.outvars]

    return run


def _straight(equations: list[Any], later: set[Any], debug: Any) -> list[Callable[[dict[Any, Any]], None]]:
    """One compiled piece for equations without a loop; gives what is needed later."""
    if not equations:
        return []
    # In their order, so that the same equations make the same program.
    made = dict.fromkeys(each for equation in equations for each in equation.outvars)
    read: dict[Any, None] = {}
    for equation in equations:
        read.update(dict.fromkeys(each for each in _variables(equation.invars) if each not in made))
    given, wanted = list(read), [each for each in made if each in later]
    effects = set().union(*(equation.effects for equation in equations))
    piece = core.Jaxpr((), given, wanted, equations, effects, debug_info=debug)
    function = _compiled_once(core.ClosedJaxpr(piece, ()))

    def run(values: dict[Any, Any]) -> None:
        values.update(zip(wanted, function(*(values[each] for each in given)), strict=True))

    return [run]


def _compiled_once(closed: Any) -> Callable[..., list[Any]]:
    """Compiles a piece without a loop; pieces that are the same to the last operation are one program.

    Attacks share most of theirs: the step of `pgd` is the same for any number of steps, and a restart's is that of the
    first. Weights are arguments, so models of one architecture share them too.
    """
    # Arguments that are not used stay: without them two programs may have one text and take different arguments.
    jitted = jax.jit(core.jaxpr_as_fun(closed), keep_unused=True)
    name = hashlib.sha256(jitted.lower(*closed.in_avals).as_text().encode()).digest()
    function = _compiled.pop(name, jitted)
    if len(_compiled) >= _MOST:
        del _compiled[next(iter(_compiled))]
    _compiled[name] = function
    return function


def _loop_piece(equation: Any) -> Callable[[dict[Any, Any]], None]:
    asked, done = equation.params["cond_nconsts"], equation.params["body_nconsts"]
    condition, body = _program(equation.params["cond_jaxpr"]), _program(equation.params["body_jaxpr"])

    def run(values: dict[Any, Any]) -> None:
        given = [_value(each, values) for each in equation.invars]
        for_condition, for_body, state = given[:asked], given[asked : asked + done], given[asked + done :]
        while bool(condition(*for_condition, *state)[0]):
            state = body(*for_body, *state)
        values.update(zip(equation.outvars, state, strict=True))

    return run


def _needed(jaxpr: Any, equations: Sequence[Any]) -> set[Any]:
    needed = set(_variables(jaxpr.outvars))
    for equation in equations:
        needed.update(_variables(equation.invars))
    return needed


def _variables(parts: Iterable[Any]) -> list[Any]:
    return [each for each in parts if not isinstance(each, core.Literal)]


def _value(part: Any, values: dict[Any, Any]) -> Any:
    return part.val if isinstance(part, core.Literal) else values[part]


def loop(steps: Any, body: Callable[[Any, Any], Any], state: Any, until: Callable[[Any], Any] | None = None) -> Any:
    """Runs `state = body(step, state)` for `steps` steps, or until `until(state)`; see the TensorFlow seam.

    What `body` changes besides, such as the state of a random layer, goes from step to step in the scope around.
    """
    step, state = jnp.zeros((), "int32"), jax.tree.map(jnp.asarray, state)

    def more(step: Any, current: Any) -> Any:
        within = step < steps
        return within if until is None else jnp.logical_and(within, jnp.logical_not(until(current)))

    def advance(step: Any, current: Any) -> Any:
        moved = body(step, current)
        # A Python number in the state takes the type that it began with.
        return step + 1, jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), moved, current)

    if not isinstance(step, jax.core.Tracer):
        while more(step, state):
            step, state = advance(step, state)
        return step, state

    def advance_all(carry: Any) -> Any:
        step, current, values = carry
        scope = keras.StatelessScope()
        scope.state_mapping = dict(values)
        with scope:
            step, current = advance(step, current)
        return step, current, {key: scope.state_mapping[key] for key in values}

    around = get_stateless_scope().state_mapping if in_stateless_scope() else {}
    step, state, values = lax.while_loop(lambda carry: more(*carry[:2]), advance_all, (step, state, dict(around)))
    around.update(values)
    return step, state


class Steps:
    """Gives a `keras.Model` its steps from `learn(data)` and `judge(data)`, which may change any variable."""

    def train_step(self: Any, state: Any, data: Any) -> Any:
        """Keras's word for a step of training, with all variables as arguments and results."""
        model = (self.trainable_variables, self.non_trainable_variables)
        groups = (*model, self.optimizer.variables, self.metrics_variables)
        return _in_scope(groups, state, self.learn, data)

    def test_step(self: Any, state: Any, data: Any) -> Any:
        """Keras's word for a step of validation."""
        groups = (self.trainable_variables, self.non_trainable_variables, self.metrics_variables)
        return _in_scope(groups, state, self.judge, data)

    def make_train_function(self: Any, force: bool = False) -> None:
        """Keras's word for what `fit` calls; on a CPU the loops of a step run in Python, as those of an attack do."""
        if _steps_from_python(self) and (force or self.train_function is None):
            self.train_function = self._make_function(_Stepped(self.train_step))
        else:
            keras.Model.make_train_function(self, force)

    def make_test_function(self: Any, force: bool = False) -> None:
        """Keras's word for what `evaluate` calls."""
        if _steps_from_python(self) and (force or self.test_function is None):
            self.test_function = self._make_function(_Stepped(self.test_step))
        else:
            keras.Model.make_test_function(self, force)


def _steps_from_python(model: Any) -> bool:
    return bool(_from_python() and model.jit_compile and not model.run_eagerly)


def _in_scope(groups: Any, state: Any, step: Callable[[Any], Any], data: Any) -> Any:
    mapping = [pair for group, values in zip(groups, state, strict=True) for pair in zip(group, values, strict=True)]
    with keras.StatelessScope(state_mapping=mapping) as scope:
        logs = step(data)
    return logs, tuple([scope.get_current_value(variable) for variable in group] for group in groups)


def checkpoint_arrays(prefix: str, keys: Iterable[str] | None = None) -> dict[str, Any]:
    """Reads arrays from a checkpoint of TensorFlow, with TensorFlow; see its seam."""
    # Imported when there is such a file to read, as it takes seconds.
    from turtlenet.backend.tensorflow import checkpoint_arrays as read

    return read(prefix, keys)
