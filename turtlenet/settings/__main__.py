"""Prints `docs/settings.md`: `python -m turtlenet.settings > docs/settings.md`."""

from turtlenet.settings.attack import KeptAttackSettings
from turtlenet.settings.base import table
from turtlenet.settings.certify import CertifySettings
from turtlenet.settings.detect import FitSettings, ScoreSettings
from turtlenet.settings.evaluate import EvaluateSettings
from turtlenet.settings.fronts import FrontSettings, ShowFrontSettings
from turtlenet.settings.gan import GanSettings, ShowSettings
from turtlenet.settings.measure import ToleranceSettings, UniversalSettings
from turtlenet.settings.reproduce import ReproduceSettings
from turtlenet.settings.train import TrainSettings

HEAD = """# Settings

Written by `python -m turtlenet.settings` from the fields of `turtlenet/settings/`: each is an option of the command
line, an argument of the function in Python and, where it fits, a key of a recipe.
"""
WORKFLOWS = {
    "`turtlenet train`, `turtlenet.train`": TrainSettings,
    "`turtlenet evaluate`, `turtlenet.evaluate`": EvaluateSettings,
    "`turtlenet attack`, `turtlenet.attack`": KeptAttackSettings,
    "`turtlenet certify`, `turtlenet.certify`": CertifySettings,
    "`turtlenet gan train`, `turtlenet.train_generator`": GanSettings,
    "`turtlenet gan show`, `turtlenet.show_generator`": ShowSettings,
    "`turtlenet defence train`, `turtlenet.train_front`": FrontSettings,
    "`turtlenet defence show`, `turtlenet.show_front`": ShowFrontSettings,
    "`turtlenet detect fit`, `turtlenet.fit_detector`": FitSettings,
    "`turtlenet detect score`, `turtlenet.score_detector`": ScoreSettings,
    "`turtlenet reproduce`": ReproduceSettings,
    "`turtlenet tolerance`, `turtlenet.tolerance`": ToleranceSettings,
    "`turtlenet universal`, `turtlenet.universal`": UniversalSettings,
}

print("\n".join([HEAD, *(f"## {title}\n\n{table(kind)}" for title, kind in WORKFLOWS.items())]), end="")
