"""`turtlenet gan`: a generator of adversarial examples, trained and shown."""

from pathlib import Path
from typing import Any

import click

from turtlenet.cli.options import (
    BATCH_SIZE,
    COUNT,
    RADIUS,
    data_option,
    framework,
    loading_options,
    settings_options,
    speaks,
)
from turtlenet.errors import OutputError, did_you_mean
from turtlenet.settings.gan import GanSettings


class _Parts(click.Group):
    """Two commands; another word gets one line."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            raise click.UsageError(f"Unknown command 'gan {args[0]}'.{did_you_mean(args[0], self.commands)}")
        return super().resolve_command(ctx, args)


@click.group("gan", cls=_Parts)
def command() -> None:
    """Trains a generator that makes adversarial examples in one forward pass (AdvGAN, paper 003)."""


@command.command("train")
@click.argument("model")
@click.option("--out", type=click.Path(path_type=Path), help="The generator; MODEL-generator.h5 by default.")
@data_option
@settings_options(GanSettings)
@loading_options
@click.option("--report", type=click.Path(path_type=Path), help="Folder for a report on test images.")
@click.option("--limit", type=COUNT, default=1000, show_default=True, help="Most test images there; 0 for all.")
def _train(model: str, out: Path | None, report: Path | None, limit: int, **given: Any) -> None:
    """Trains a generator against MODEL and saves it as an .h5 for --attack advgan:generator=FILE."""
    target = out or Path(model).with_name(f"{Path(model).stem}-generator.h5")
    framework()
    from turtlenet import models
    from turtlenet.files import check_folder
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
    click.echo(f"saved {target} after {made.run.steps:,} steps{kept}")
    same = {name: given[name] for name in ("data", "bounds", "head", "seed") if name in given}
    found, samples = gan.show_generator(target, model, limit=limit or None, **same)
    click.echo(f"\n{found}")
    if report:
        found.save(report, samples)
        click.echo(f"\nreport: {report / 'report.html'}")


@command.command("show")
@click.argument("generator", type=click.Path(path_type=Path))
@click.option("--model", help="A model to try it on.")
@click.option("--data", help="Name of a data set or path of one; the embedded mnist-sample where it fits.")
@click.option("--eps", type=RADIUS, help="Radius, as 0.3, 8px or 3%; at most the generator's, that by default.")
@click.option("--samples", type=int, default=1, show_default=True, help="Perturbations to try for each image.")
@click.option("--split", help="Part to try it on: test (the usual one), train or all.")
@click.option("--limit", type=COUNT, default=1000, show_default=True, help="Most images; 0 for all.")
@click.option("--batch-size", type=BATCH_SIZE, default=256, show_default=True, help="Images at a time, or auto.")
@click.option("--seed", type=int, default=0, show_default=True, help="Repeats every draw.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for report.html, .md and .json, and pictures.")
@loading_options
def _show(generator: Path, model: str | None, report: Path | None, limit: int, **settings: Any) -> None:
    """Says what GENERATOR was trained for, and with --model what it does to unseen images."""
    framework()
    from turtlenet.attacks.advgan import loaded_generator
    from turtlenet.files import check_folder
    from turtlenet.workflows import gan

    if report and not model:
        raise click.UsageError("Expected --model for a --report: a generator alone has no success.")
    if report:
        check_folder(report)
    found = loaded_generator(str(generator))
    facts = found.facts
    lines = {name: value for name, value in facts.items() if name not in ("epochs", "schedule", "victims")}
    lines |= {f"schedule: {name}": value for name, value in facts.get("schedule", {}).items()}
    width = max(map(len, lines))
    click.echo(f"{generator}: {found.model.count_params():,} parameters")
    click.echo(
        "\n".join(f"  {name.ljust(width)}  {value}" for name, value in lines.items() if value not in (None, ""))
    )
    if model:
        result, samples = gan.show_generator(generator, model, limit=limit or None, **settings)
        click.echo(f"\n{result}")
        if report:
            result.save(report, samples)
            click.echo(f"\nreport: {report / 'report.html'}")
