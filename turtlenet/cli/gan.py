"""`turtlenet gan`: a generator of adversarial examples, trained and shown."""

from pathlib import Path
from typing import Any

import click

from turtlenet.cli.options import BATCH_SIZE, COUNT, NUMBER, RADIUS, framework, loading_options, speaks, threat_options
from turtlenet.errors import OutputError, did_you_mean

__all__ = ["command"]


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
@threat_options
@loading_options
@click.option("--variant", default="strong", show_default=True, help="strong, or paper: as paper 003 says.")
@click.option("--target", help="Class that the model shall answer; any wrong one by default.")
@click.option(
    "--access",
    default="semi-white-box",
    show_default=True,
    help="semi-white-box; static or dynamic: against a substitute that learns from the model's answers.",
)
@click.option("--substitute", default="cleverhans", show_default=True, help="Its architecture: a name or a file.")
@click.option("--distillation", type=int, default=10, show_default=True, help="Passes of its first training.")
@click.option("--pool", multiple=True, help="Another model to train against at the same time.")
@click.option("--epochs", type=int, default=20, show_default=True)
@click.option("--steps-per-epoch", type=int, default=0, help="Steps that count as an epoch; a pass by default.")
@click.option("--batch-size", type=int, default=128, show_default=True)
@click.option("--learning-rate", type=float, default=1e-3, show_default=True, help="Peak of the cosine schedule.")
@click.option("--patience", type=int, default=0, help="Epochs without more success after which to stop; 0: never.")
@click.option("--validation", type=int, help="Training images held out to choose the best epoch.")
@click.option("--network", help="residual or unet; unet for color images.")
@click.option("--budget", help="Who keeps the ball in training: hinge or network.")
@click.option("--adversarial", help="cross_entropy or margin.")
@click.option("--gan", "gan", help="log, non-saturating or least-squares.")
@click.option("--alpha", type=float, help="Weight of the GAN loss; 0 plays without a discriminator.")
@click.option("--beta", type=float, help="Weight of the hinge.")
@click.option("--c", "c", type=NUMBER, help="Length that the hinge allows, in input units; eps by default.")
@click.option("--hinge", help="Norm of the hinge: linf or l2.")
@click.option("--kappa", type=float, help="Confidence that the margin is after.")
@click.option("--noise", type=int, help="Numbers of noise that an example depends on besides its image.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for a report on test images.")
@click.option("--limit", type=COUNT, default=1000, show_default=True, help="Most test images there; 0 for all.")
@click.option("--resume", is_flag=True, help="Continue a run that was stopped.")
@click.option("--verbose", is_flag=True, help="A line for each epoch where no terminal shows the bar.")
def _train(
    model: str,
    out: Path | None,
    variant: str,
    norm: str | None,
    access: str,
    report: Path | None,
    limit: int,
    resume: bool,
    **settings: Any,
) -> None:
    """Trains a generator against MODEL and saves it as an .h5 for --attack advgan:generator=FILE."""
    target = out or Path(model).with_name(f"{Path(model).stem}-generator.h5")
    framework()
    from turtlenet import models
    from turtlenet.files import check_folder
    from turtlenet.workflows import gan

    models.check_writable(target)
    for source in (model, *settings["pool"], settings["substitute"]):
        if target.exists() and Path(source).exists() and target.samefile(source):
            raise OutputError(f"Expected --out to be another file than the model {source}.")
    if report:
        check_folder(report)
    checkpoint = None if access == "dynamic" else target.with_name(f"{target.name}.resume")
    made = gan.train_generator(
        model,
        norm=norm or "linf",
        name=variant,
        access=access,
        checkpoint=checkpoint,
        resume=resume,
        tell=click.echo,
        **settings,
    )
    if not speaks():
        return
    gan.save_generator(made, target)
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    whom = " against the substitute" if made.facts["substitute"] else ""
    kept = "" if made.run.val_success is None else f", success on held-out images{whom} {made.run.val_success:.3f}"
    click.echo(f"saved {target} after {made.run.steps:,} steps{kept}")
    same = {name: settings[name] for name in ("data", "bounds", "head", "seed")}
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
