"""`turtlenet train`: a model in, a hardened model out."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from turtlenet.cli.command import MODEL, Command, option, output_option
from turtlenet.cli.options import beside, framework, limit_option, speaks, workflow_options
from turtlenet.cli.output import give
from turtlenet.settings.train import TrainSettings

_COLUMNS = ("label", "weight", "drop", "classes")
_TASK = ("task", "output", "attacked", "size")
_FEATURES = ("features", "movable", "constraints")
_THREAT = (*_COLUMNS, "data", "eps", "norm", "bounds", *_FEATURES, "head", "precision", "seed", *_TASK)


_EXAMPLES = (
    (
        "harden a model in minutes, and compare it with itself before",
        "turtlenet train model.h5 --preset quick --report report",
    ),
    (
        "TRADES on your own data, two hours at most",
        "turtlenet train model.h5 --data mine.npz --objective trades:beta=6 --time 2h",
    ),
    (
        "the same command goes on where a run was stopped",
        "turtlenet train model.h5 --preset quick --report report --resume",
    ),
)


@click.command("train", cls=Command, examples=_EXAMPLES)
@click.argument("model", type=MODEL)
@workflow_options(TrainSettings)
@output_option("--out", "The hardened model; MODEL-hardened.h5 by default.")
@output_option("--report", "Folder for a report of both models on test images.")
@limit_option("test images there")
@option("--card/--no-card", group="Output", default=True, help="Write a model card, in --report or beside the model.")
def command(model: str, out: Path | None, report: Path | None, limit: int | None, card: bool, **given: Any) -> None:
    """Hardens MODEL on the saddle point: each batch is attacked on the current weights, then learned."""
    framework()
    from turtlenet import models
    from turtlenet.files import check_folder
    from turtlenet.settings.recipes import with_recipe
    from turtlenet.tracking import opened
    from turtlenet.workflows.card import write_card
    from turtlenet.workflows.models import load_model, save_model
    from turtlenet.workflows.train import harden_model

    settings = with_recipe(given)
    target = out or beside(model, "hardened.h5")
    before = load_model(model)
    models.check_writable(target)
    if report:
        check_folder(report)
    checkpoint = target.with_name(f"{target.name}.resume")
    places = settings.pop("log", ()) if speaks() else ()
    with opened(places, f"train {Path(model).name}", click.echo) as logs:
        settings["log"] = (logs,)
        hardened, run = harden_model(before, checkpoint=checkpoint, out=target, tell=click.echo, **settings)
        kept = target if speaks() else Path(tempfile.mkdtemp()) / target.name
        source = {"name": Path(model).name, "sha256": models.file_sha256(Path(model))}
        save_model(hardened, kept, provenance={"source": source, "recipe": run.recipe, "training": run.told})
        if speaks():
            checkpoint.unlink(missing_ok=True)
            logs.file(kept, "model")
        said, result = [_summary(run, target)], None
        if report:
            click.echo(said.pop())
            result = _report(model, kept, report, limit, settings)
        found = {"out": target, "steps": run.steps, "best_epoch": run.best_epoch, "validation": run.validation}
        give({**found, "report": None if result is None else result.to_dict()})
        if card and speaks():
            path = write_card(kept, report, result, validation=run.validation)
            logs.file(path, "model")
            said.append(f"card: {path}")
        if said:
            click.echo("; ".join(said))


def _report(model: str, kept: Path, folder: Path, limit: int | None, settings: Mapping[str, Any]) -> Any:
    """The report of both models on test images, in its folder."""
    from turtlenet.workflows.evaluate import evaluate
    from turtlenet.workflows.models import wrap

    threat = {key: settings[key] for key in (*_THREAT, "log") if key in settings}
    first: Any = model
    if settings.get("normalize") is not None:
        columns = {key: settings[key] for key in _COLUMNS if key in settings}
        limits = settings.get("bounds")
        how = {"data": settings.get("data"), "bounds": limits if isinstance(limits, tuple) else None}
        first = wrap(model, normalize=settings["normalize"], **how, **columns)
    result = evaluate([first, kept], limit=limit, held_out=True, **threat)
    if speaks():
        result.save(folder)
    click.echo(f"\n{result}\n\nreport: {folder / 'report.html'}")
    return result


def _summary(run: Any, target: Path) -> str:
    from turtlenet.reports.format import several

    if not run.validation:
        return f"saved {target} after {several(run.steps, 'step')}, without validation"
    words = {"accuracy": "clean", "robust_accuracy": "robust", "certified_accuracy": "certified"}
    found = ", ".join(f"{word} {run.validation[name]:.3f}" for name, word in words.items() if name in run.validation)
    best = f"epoch {run.best_epoch} was best on the validation data"
    return f"saved {target} after {several(run.steps, 'step')}: {best}, {found}"
