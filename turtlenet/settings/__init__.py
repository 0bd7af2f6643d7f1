"""The settings of each workflow: one frozen dataclass, and one field for an option.

From the fields come the options of the command line (`turtlenet.cli.options.settings_options`), the keyword arguments
of the functions (`takes`), the keys of recipes, what tells a run that is continued from another, the defaults, the
checks of types and ranges, and the tables of `docs/settings.md`. Nothing here imports a framework: `turtlenet train
--help` waits for none.
"""

from turtlenet.settings.attack import AttackSettings, KeptAttackSettings
from turtlenet.settings.base import Settings, setting, table, takes
from turtlenet.settings.certify import CertifySettings
from turtlenet.settings.detect import FitSettings, ScoreSettings
from turtlenet.settings.evaluate import EvaluateSettings
from turtlenet.settings.fronts import FrontSettings, ShowFrontSettings
from turtlenet.settings.gan import GanSettings, ShowSettings
from turtlenet.settings.measure import ToleranceSettings, UniversalSettings
from turtlenet.settings.reproduce import ReproduceSettings
from turtlenet.settings.train import ScheduleSettings, TrainSettings

__all__ = [
    "AttackSettings",
    "CertifySettings",
    "EvaluateSettings",
    "FitSettings",
    "FrontSettings",
    "GanSettings",
    "KeptAttackSettings",
    "ReproduceSettings",
    "ScheduleSettings",
    "ScoreSettings",
    "Settings",
    "ShowFrontSettings",
    "ShowSettings",
    "ToleranceSettings",
    "TrainSettings",
    "UniversalSettings",
    "setting",
    "table",
    "takes",
]
