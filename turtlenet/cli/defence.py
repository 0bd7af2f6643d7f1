"""`turtlenet defence`: fronts that are trained, and what they are worth."""

from pathlib import Path
from typing import Any

import click

from turtlenet.cli.command import MODEL, Parts, output_option
from turtlenet.cli.options import beside, check_file, data_option, framework, loading_options, settings_options
from turtlenet.cli.output import finish, give
from turtlenet.settings.fronts import FrontSettings, ShowFrontSettings


@click.group("defence", cls=Parts)
def command() -> None:
    """Trains a network that cleans images in front of a model (APE-GAN, Defense-GAN, MagNet, ...), or measures one."""


@command.command(
    "train",
    examples=(
        ("train a front, then put it in front", "turtlenet defence train magnet model.h5 --out magnet.h5"),
        ("then", "turtlenet wrap model.h5 --defence magnet:front=magnet.h5 --out defended.h5"),
    ),
)
@click.argument("name")
@click.argument("model", type=MODEL)
@output_option("--out", "The front; MODEL-NAME.h5 by default.")
@data_option
@settings_options(FrontSettings)
@loading_options
@output_option("--report", "Folder for a report on test images.")
def _train(name: str, model: str, out: Path | None, report: Path | None, **given: Any) -> None:
    """Trains the front NAME of MODEL and saves it as an .h5 for --defence NAME:front=FILE.

    NAME is ape-gan, contractive-autoencoder, defense-gan or magnet, also with settings of the layer:
    defense-gan:steps=50,restarts=4.
    """
    kind, _, settings = name.partition(":")
    target = out or beside(model, f"{kind}.h5")
    framework()
    from turtlenet import models
    from turtlenet.files import check_folder
    from turtlenet.registry import parse_spec
    from turtlenet.reports.format import several
    from turtlenet.training.fronts.train import check_front
    from turtlenet.workflows import fronts

    check_front(parse_spec(name))
    check_file(target, ".h5")
    models.check_writable(target)
    if report:
        check_folder(report)
    checkpoint = target.with_name(f"{target.name}.resume")
    made = fronts.train_front(name, model, checkpoint=checkpoint, tell=click.echo, **given)
    fronts.save_front(made, target)
    checkpoint.unlink(missing_ok=True)
    last = made.run.epochs[(made.run.best_epoch or len(made.run.epochs)) - 1]
    kept = "" if last.val_error is None else f", error {last.val_error:.4g} on held-out images"
    click.echo(f"saved {target} after {several(made.run.steps, 'step')}{kept}")
    spec = f"{kind}:front={target}{',' if settings else ''}{settings}"
    facts = {"out": target, "spec": spec, "steps": made.run.steps, "error": last.val_error}
    give({**facts, "report": None})
    if report:
        shared = ("data", "bounds", "head", "seed", "eps", "norm", "label", "drop", "classes", "weight")
        found = fronts.show_front(spec, model, **{each: given[each] for each in shared if each in given})
        found.save(report)
        give({**facts, "report": found.to_dict()})
        click.echo(f"\n{found}\n\nreport: {report / 'report.html'}")
    click.echo(f"\nturtlenet wrap {model} --defence {spec}")


@command.command(
    "show",
    examples=(("what a front is worth on unseen images", "turtlenet defence show magnet:front=magnet.h5 model.h5"),),
)
@click.argument("defence")
@click.argument("model", type=MODEL)
@data_option
@settings_options(ShowFrontSettings)
@output_option("--report", "Folder for report.html, .md and .json.")
@loading_options
def _show(defence: str, model: str, report: Path | None, **given: Any) -> None:
    """Says what a front is worth in front of MODEL on unseen images.

    DEFENCE is its spec, such as magnet:front=FRONT.h5.
    """
    framework()
    from turtlenet.files import check_folder
    from turtlenet.workflows import fronts

    if report:
        check_folder(report)
    found = fronts.show_front(defence, model, **given)
    if report:
        found.save(report)
    finish(found, report, "report.html", "report")
