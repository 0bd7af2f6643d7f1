"""Types of settings that live in modules which import a framework: known here by name, imported by nobody here."""

import sys
from operator import attrgetter
from typing import TYPE_CHECKING, Any

__all__ = [
    "Attack",
    "Augmentation",
    "Callback",
    "Constraint",
    "Conversion",
    "Defence",
    "KerasModel",
    "ModelType",
    "Objective",
    "Wrapper",
]


class _Later(type):
    """A class that stands for one of another module: who has an instance of that one has imported the module."""

    home: str
    path: str

    def __instancecheck__(cls, value: Any) -> bool:
        module = sys.modules.get(cls.home)
        return module is not None and isinstance(value, attrgetter(cls.path)(module))

    def __repr__(cls) -> str:
        return f"{cls.home}.{cls.path}"


def _later(home: str, path: str) -> Any:
    return _Later(path.rpartition(".")[2], (), {"home": home, "path": path, "__module__": home})


if TYPE_CHECKING:
    from keras import Model as KerasModel
    from keras.callbacks import Callback

    from turtlenet.attacks import Attack
    from turtlenet.constraints import Constraint
    from turtlenet.defences import Conversion, Defence
    from turtlenet.models.as_classifier import ModelType
    from turtlenet.training import Augmentation, Objective, Wrapper
else:
    from turtlenet.files import PathType

    Attack = _later("turtlenet.attacks", "Attack")
    Augmentation = _later("turtlenet.training", "Augmentation")
    Callback = _later("keras", "callbacks.Callback")
    Constraint = _later("turtlenet.constraints", "Constraint")
    Conversion = _later("turtlenet.defences", "Conversion")
    Defence = _later("turtlenet.defences", "Defence")
    KerasModel = _later("keras", "Model")
    ModelType = PathType | KerasModel | _later("turtlenet.classifier", "Classifier")
    Objective = _later("turtlenet.training", "Objective")
    Wrapper = _later("turtlenet.training", "Wrapper")
