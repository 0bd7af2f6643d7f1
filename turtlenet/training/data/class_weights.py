"""How much the examples of each class count in training."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from turtlenet.errors import SettingError

_FORMS = "balanced, a weight for each class, or a dict of classes and their weights"


def class_weights(given: Any, labels: np.ndarray, num_classes: int) -> list[float]:
    """The weight of each class.

    >>> class_weights("balanced", np.array([0, 0, 0, 1]), num_classes=2)
    [0.6666666666666666, 2.0]

    Args:
        given: `"balanced"`: n / (k n_c) for a class with n_c of the n examples, where k classes have any; a dict of
            classes and their weights, 1 for those that it leaves out; or a weight for each class.
        labels: The classes of the training examples, integers (n,).
        num_classes: How many classes the model tells apart.

    Raises:
        SettingError: Something else, a class that there is not, or a weight that is no finite number of 0 or more.
    """
    if isinstance(given, str):
        if given != "balanced":
            raise SettingError(f"Expected class_weight {_FORMS}; got {given!r}.")
        counts = np.bincount(labels, minlength=num_classes)
        share = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
        return [float(each) for each in np.where(counts > 0, share, 1.0)]
    try:
        pairs = dict(given) if isinstance(given, Mapping) else dict(enumerate(given))
        numbers = {int(key): float(value) for key, value in pairs.items()}
        whole = all(int(key) == float(key) for key in pairs)
    except (TypeError, ValueError):
        raise SettingError(f"Expected class_weight {_FORMS}; got {given!r}.") from None
    if not isinstance(given, Mapping) and len(numbers) != num_classes:
        raise SettingError(f"Expected class_weight with {num_classes} weights; got {len(numbers)}.")
    if not whole or any(not 0 <= key < num_classes for key in numbers):
        raise SettingError(f"Expected class_weight for classes from 0 to {num_classes - 1}; got {list(pairs)}.")
    if any(not 0 <= value < float("inf") for value in numbers.values()):
        raise SettingError(f"Expected finite class weights of 0 or more; got {list(numbers.values())}.")
    return [numbers.get(number, 1.0) for number in range(num_classes)]
