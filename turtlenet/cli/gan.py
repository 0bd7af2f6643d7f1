"""`turtlenet gan`: a generator of adversarial examples, trained and shown."""

from pathlib import Path
from typing import Any

import click

from turtlenet.cli.command import MODEL, Parts, output_option
from turtlenet.cli.options import (
    beside,
    data_option,
    framework,
    limit_option,
    loading_options,
    settings_options,
    speaks,
)
from turtlenet.cli.output import give
from turtlenet.errors import OutputError, SettingError
from turtlenet.settings.base import check_of_use
from turtlenet.settings.gan import GanSettings, ShowSettings


@click.group("gan", cls=Parts)
def command() -> None:
    """Trains a generator that makes adversarial examples in one forward pass (AdvGAN, paper 003)."""


@command.command(
    "train",
    examples=(
        ("train a generator, and use it", "turtlenet gan train model.h5 --out generator.h5"),
        ("then", "turtlenet evaluate model.h5 --attack advgan:generator=generator.h5"),
    ),
)
@click.argument("model", type=MODEL)
@output_option("--out", "The generator; MODEL-generator.h5 by default.")
@data_option
@settings_options(GanSettings)
@loading_options
@output_option("--report", "Folder for a report on test images.")
@limit_option("test images there")
def _train(model: str, out: Path | None, report: Path | None, limit: int | None, **given: Any) -> None:
    """Trains a generator against MODEL and saves it as an .h5 for --attack advgan:generator=FILE."""
    target = out or beside(model, "generator.h5")
    framework()
    from turtlenet import models
    from turtlenet.files import check_folder
    from turtlenet.reports.format import several
    from turtlenet.workflows import gan

    models.check_writable(target)
    for source in (model, *given.get("pool", ()), given.get("substitute", GanSettings.substitute)):
        if target.exists() and Path(source).exists() and target.samefile(source):
            raise OutputError(f"Expected --out to be another file than the model {source}.")
    if report:
        check_folder(report)
    checkpoint = None if given.get("access") == "dynamic" else target.with_name(f"{target.name}.resume")
    made = gan.train_generator(model, checkpoint=checkpoint, tell=click.echo, **given)
    if not speaks():
        return
    gan.save_generator(made, target)
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    whom = " against the substitute" if made.facts["substitute"] else ""
    kept = "" if made.run.val_success is None else f", success on held-out images{whom} {made.run.val_success:.3f}"
    click.echo(f"saved {target} after {several(made.run.steps, 'step')}{kept}")
    same = {name: given[name] for name in ("data", "bounds", "head", "seed") if name in given}
    found, samples = gan.show_generator(target, model, limit=limit, **same)
    give(found)
    click.echo(f"\n{found}")
    if report:
        found.save(report, samples)
        click.echo(f"\nreport: {report / 'report.html'}")


@command.command(
    "show",
    examples=(("what it was trained for, and what it does", "turtlenet gan show generator.h5 --model model.h5"),),
)
@click.argument("generator", type=click.Path(path_type=Path))
@click.option("--model", help="A model to try it on.")
@data_option
@settings_options(ShowSettings)
@output_option("--report", "Folder for report.html, .md and .json, and pictures.")
@loading_options
def _show(generator: Path, model: str | None, report: Path | None, **given: Any) -> None:
    """Says what GENERATOR was trained for, and with --model what it does to unseen images."""
    framework()
    from turtlenet.attacks.advgan import loaded_generator
    from turtlenet.files import check_folder
    from turtlenet.workflows import gan

    if report and not model:
        raise click.UsageError("Expected --model for a --report: a generator alone has no success.")
    check_of_use(ShowSettings, {} if model else given, given, "--model", "none")
    if given["data"] is not None and not model:
        raise SettingError("Expected --model for --data; got none: leave it out.")
    if report:
        check_folder(report)
    found = loaded_generator(str(generator))
    facts = found.facts
    lines = {name: value for name, value in facts.items() if name not in ("epochs", "schedule", "victims")}
    lines |= {f"schedule: {name}": value for name, value in facts.get("schedule", {}).items()}
    width = max(map(len, lines))
    give({"parameters": found.model.count_params(), **facts})
    click.echo(f"{generator}: {found.model.count_params():,} parameters")
    click.echo(
        "\n".join(f"  {name.ljust(width)}  {value}" for name, value in lines.items() if value not in (None, ""))
    )
    if model:
        result, samples = gan.show_generator(generator, model, **given)
        give(result)
        click.echo(f"\n{result}")
        if report:
            result.save(report, samples)
            click.echo(f"\nreport: {report / 'report.html'}")
