"""Prints `docs/settings.md`: `python -m turtlenet.settings > docs/settings.md`."""

from turtlenet.settings import (
    CertifySettings,
    EvaluateSettings,
    FitSettings,
    FrontSettings,
    GanSettings,
    KeptAttackSettings,
    ReproduceSettings,
    ScoreSettings,
    ShowFrontSettings,
    ShowSettings,
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
