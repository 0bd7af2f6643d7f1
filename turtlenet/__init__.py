"""turtlenet hardens trained Keras models against adversarial examples, and says honestly how robust they became.

    import turtlenet as tn

    model = tn.load_model("model.h5")
    report = tn.evaluate(model, (x, y), attacks=["fgsm", "pgd"], eps=0.3)
    hardened = tn.train(model, (x, y), attack="pgd", eps=0.3, epochs=5)
    tn.save_model(hardened, "hardened.h5")

Names are imported when they are first used, so that `turtlenet --help` does not wait for a framework.
"""

import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Any

from turtlenet.errors import DataError, ModelError, OutputError, SettingError, SpecError, TurtlenetError
from turtlenet.optional import check_backend
from turtlenet.version import __version__

if TYPE_CHECKING:
    # What `__getattr__` gives, for editors and type checkers.
    from turtlenet.attacks import Attack
    from turtlenet.balls import Ball
    from turtlenet.certification import Certificate
    from turtlenet.classifier import Classifier
    from turtlenet.detection import Detection, FittedDetector
    from turtlenet.evaluation import Comparison, Report, Sweep
    from turtlenet.gan.report import GeneratorReport
    from turtlenet.models.as_classifier import as_classifier
    from turtlenet.noise_tolerance import Tolerance
    from turtlenet.training import Objective, Trainer
    from turtlenet.training.fronts.report import FrontReport
    from turtlenet.workflows.attack import attack
    from turtlenet.workflows.certify import certify
    from turtlenet.workflows.configure import configure
    from turtlenet.workflows.detect import fit_detector, score_detector
    from turtlenet.workflows.evaluate import evaluate, sweep
    from turtlenet.workflows.fronts import save_front, show_front, train_front
    from turtlenet.workflows.gan import save_generator, show_generator, train_generator
    from turtlenet.workflows.models import load_model, save_model, wrap
    from turtlenet.workflows.rank import rank
    from turtlenet.workflows.tolerance import tolerance
    from turtlenet.workflows.train import train
    from turtlenet.workflows.universal import universal

_HOMES = {
    "Attack": "turtlenet.attacks",
    "Ball": "turtlenet.balls",
    "Certificate": "turtlenet.certification",
    "Classifier": "turtlenet.classifier",
    "Comparison": "turtlenet.evaluation",
    "Detection": "turtlenet.detection",
    "FittedDetector": "turtlenet.detection",
    "FrontReport": "turtlenet.training.fronts.report",
    "GeneratorReport": "turtlenet.gan.report",
    "Objective": "turtlenet.training",
    "Report": "turtlenet.evaluation",
    "Sweep": "turtlenet.evaluation",
    "Tolerance": "turtlenet.noise_tolerance",
    "Trainer": "turtlenet.training",
    "as_classifier": "turtlenet.models.as_classifier",
    "attack": "turtlenet.workflows.attack",
    "certify": "turtlenet.workflows.certify",
    "configure": "turtlenet.workflows.configure",
    "evaluate": "turtlenet.workflows.evaluate",
    "fit_detector": "turtlenet.workflows.detect",
    "load_model": "turtlenet.workflows.models",
    "rank": "turtlenet.workflows.rank",
    "save_front": "turtlenet.workflows.fronts",
    "save_generator": "turtlenet.workflows.gan",
    "save_model": "turtlenet.workflows.models",
    "score_detector": "turtlenet.workflows.detect",
    "show_front": "turtlenet.workflows.fronts",
    "show_generator": "turtlenet.workflows.gan",
    "sweep": "turtlenet.workflows.evaluate",
    "tolerance": "turtlenet.workflows.tolerance",
    "train": "turtlenet.workflows.train",
    "train_front": "turtlenet.workflows.fronts",
    "train_generator": "turtlenet.workflows.gan",
    "universal": "turtlenet.workflows.universal",
    "wrap": "turtlenet.workflows.models",
}

__all__ = [
    "Attack",
    "Ball",
    "Certificate",
    "Classifier",
    "Comparison",
    "DataError",
    "Detection",
    "FittedDetector",
    "FrontReport",
    "GeneratorReport",
    "ModelError",
    "Objective",
    "OutputError",
    "Report",
    "SettingError",
    "SpecError",
    "Sweep",
    "Tolerance",
    "Trainer",
    "TurtlenetError",
    "__version__",
    "as_classifier",
    "attack",
    "certify",
    "configure",
    "evaluate",
    "fit_detector",
    "load_model",
    "rank",
    "save_front",
    "save_generator",
    "save_model",
    "score_detector",
    "show_front",
    "show_generator",
    "sweep",
    "tolerance",
    "train",
    "train_front",
    "train_generator",
    "universal",
    "wrap",
]


class _AfterKeras:
    """Makes the defences known to Keras as soon as it is there, so that plain Keras loads files that have them.

    Before that it looks whether Keras's backend is installed.
    """

    looking = False

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname != "keras" or self.looking:
            return None
        self.looking = True
        try:
            spec = importlib.util.find_spec("keras")
        finally:
            self.looking = False
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def then_defences(module: Any) -> None:
                # A program that only asks whether there is a Keras is not refused.
                check_backend()
                sys.meta_path.remove(self)
                execute(module)
                importlib.import_module("turtlenet.defences")

            spec.loader.exec_module = then_defences  # type: ignore[method-assign]
        return spec


if "keras" in sys.modules:
    importlib.import_module("turtlenet.defences")
else:
    sys.meta_path.insert(0, _AfterKeras())


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        # With name and object Python adds the nearest of `dir(turtlenet)`.
        raise AttributeError(f"module 'turtlenet' has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
