"""Prints `docs/settings.md`: `python -m turtlenet.settings > docs/settings.md`."""

from turtlenet.settings import (
    CertifySettings,
    EvaluateSettings,
    GanSettings,
    ToleranceSettings,
    TrainSettings,
    UniversalSettings,
    table,
)

HEAD = """# Settings

Written by `python -m turtlenet.settings` from the fields of `turtlenet/settings/`: each is an option of the command
line, an argument of the function in Python and, where it fits, a key of a recipe.
"""
WORKFLOWS = {
    "`turtlenet train`, `turtlenet.train`": TrainSettings,
    "`turtlenet evaluate`, `turtlenet.evaluate`": EvaluateSettings,
    "`turtlenet certify`, `turtlenet.certify`": CertifySettings,
    "`turtlenet gan train`, `turtlenet.train_generator`": GanSettings,
    "`turtlenet tolerance`, `turtlenet.tolerance`": ToleranceSettings,
    "`turtlenet universal`, `turtlenet.universal`": UniversalSettings,
}

print("\n".join([HEAD, *(f"## {title}\n\n{table(kind)}" for title, kind in WORKFLOWS.items())]), end="")
