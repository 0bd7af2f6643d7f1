"""An optimizer's twin for a model's twin: the same settings, and the state of each weight where its twin is."""

from collections.abc import Mapping
from typing import Any

import keras

_LISTS = ("_variables", "_trainable_variables", "_optimizer_variables")
"""Attributes that list variables of every role."""


def optimizer_like(optimizer: Any, twin_of: Mapping[int, Any]) -> tuple[Any, list[tuple[Any, Any]]]:
    """Makes an optimizer with the settings of another one, not built.

    Args:
        optimizer: Any optimizer of Keras, also one around others; None gives None.
        twin_of: The variables of the model that the new one is for, by the `id` of those of the old one's model.

    Returns:
        The new optimizer, and each optimizer in the old one with its twin, itself first.
    """
    twins: dict[int, tuple[Any, Any]] = {}
    if optimizer is not None:
        _like(optimizer, twin_of, twins)
        twins = {id(optimizer): twins[id(optimizer)], **twins}
    return (twins[id(optimizer)][1] if twins else None), list(twins.values())


def build(optimizer: Any, weights: list[Any]) -> None:
    """Builds an optimizer once: `LossScaleOptimizer` would make its variables anew each time."""
    if not getattr(optimizer, "built", True):
        optimizer.build(weights)


def take_state(pairs: list[tuple[Any, Any]], twin_of: Mapping[int, Any]) -> None:
    """Gives built twins the state of the optimizers that they are like, each value by what it is for.

    Where no weight has a twin there is nothing to continue, and the steps so far count for nothing.

    Args:
        pairs, twin_of: See `optimizer_like`.
    """
    if not any(id(each) in twin_of for old, _ in pairs for each in old._trainable_variables):
        return
    for old, new in pairs:
        roles = _roles(new, {})
        for role, variable in _roles(old, twin_of).items():
            counterpart = roles.get(role)
            if counterpart is not None and tuple(counterpart.shape) == tuple(variable.shape):
                # An array of its own: a step of JAX's gives away those that it is given.
                counterpart.assign(keras.ops.convert_to_numpy(variable))


def _like(optimizer: Any, twin_of: Mapping[int, Any], twins: dict[int, tuple[Any, Any]]) -> Any:
    if id(optimizer) not in twins:
        twins[id(optimizer)] = (optimizer, _made(optimizer, twin_of, twins))
    return twins[id(optimizer)][1]


def _made(optimizer: Any, twin_of: Mapping[int, Any], twins: dict[int, tuple[Any, Any]]) -> Any:
    if type(optimizer) is keras.optimizers.LossScaleOptimizer:
        inner = _like(optimizer.inner_optimizer, twin_of, twins)
        settings = {"initial_scale": optimizer.initial_scale, "dynamic_growth_steps": optimizer.dynamic_growth_steps}
        return keras.optimizers.LossScaleOptimizer(inner, name=optimizer.name, **settings)
    multi = getattr(keras.optimizers, "MultiOptimizer", None)
    if multi is not None and type(optimizer) is multi:
        by_variable = _by_variable(optimizer, twin_of, twins)
        return multi(by_variable, loss_scale_factor=optimizer.loss_scale_factor, name=optimizer.name)
    rate = optimizer._learning_rate
    if isinstance(rate, keras.Variable):
        settings = optimizer.get_config()
    else:
        # A schedule or a function has no state, and may be one that Keras cannot write.
        optimizer._learning_rate = 0.0
        try:
            settings = {**optimizer.get_config(), "learning_rate": rate}
        finally:
            optimizer._learning_rate = rate
    twin = type(optimizer).from_config(settings)
    _exclude(optimizer, twin, twin_of)
    return twin


def _by_variable(optimizer: Any, twin_of: Mapping[int, Any], twins: dict[int, tuple[Any, Any]]) -> Any:
    """Which optimizer takes which variable: by the same patterns, or by the twins' paths where a function chose."""
    by_variable = optimizer._optimizer_map
    if isinstance(by_variable, keras.optimizers.OptimizerMap):
        chosen = {pattern: _like(each, twin_of, twins) for pattern, each in by_variable.items()}
        return keras.optimizers.OptimizerMap(_like(by_variable.default_optimizer, twin_of, twins), chosen)
    weights = getattr(optimizer, "_trainable_variables", None) or []
    each = [optimizer._inner_optimizers[optimizer._var_to_optimizer_idx[optimizer._var_key(w)]] for w in weights]
    if not each:
        # Not built yet: the function chooses for the twins as they are.
        return by_variable
    paths = [twin_of[id(weight)].path if id(weight) in twin_of else weight.path for weight in weights]
    by_path = {path: _like(one, twin_of, twins) for path, one in zip(paths, each, strict=True)}
    return keras.optimizers.OptimizerMap(_like(each[0], twin_of, twins), by_path)


def _exclude(optimizer: Any, twin: Any, twin_of: Mapping[int, Any]) -> None:
    """Leaves out of weight decay what `exclude_from_weight_decay` named, which no configuration holds."""
    keys: set[Any] = getattr(optimizer, "_exclude_from_weight_decay", set())
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    if not (keys or pattern):
        return
    weights = [each for each in optimizer._trainable_variables if optimizer._var_key(each) in keys]
    twin.exclude_from_weight_decay(
        [twin_of[id(each)] for each in weights if id(each) in twin_of], [pattern.pattern] if pattern else None
    )


def _roles(optimizer: Any, twin_of: Mapping[int, Any]) -> dict[Any, Any]:
    """Each variable of an optimizer by the attribute that holds it, and the weight (or its twin) that it is for."""
    weights = [id(twin_of.get(id(each), each)) for each in getattr(optimizer, "_trainable_variables", None) or []]
    roles: dict[Any, Any] = {}
    for name, value in vars(optimizer).items():
        if isinstance(value, keras.Variable):
            roles[name, None] = value
        elif name not in _LISTS and isinstance(value, (list, tuple)) and len(value) == len(weights):
            roles |= {(name, key): each for key, each in zip(weights, value, strict=True) if _is_own(each, weights)}
        elif isinstance(value, dict):
            roles |= {(name, str(key)): each for key, each in value.items() if isinstance(each, keras.Variable)}
    # What a class of the user's own keeps elsewhere goes by its name, and by its place among those of one name.
    known = {id(each) for each in roles.values()}
    for each in getattr(optimizer, "_variables", None) or []:
        if id(each) not in known:
            place = sum(1 for role in roles if role[:2] == ("", each.name))
            roles["", each.name, place] = each
    return roles


def _is_own(value: Any, weights: list[int]) -> bool:
    return isinstance(value, keras.Variable) and id(value) not in weights
