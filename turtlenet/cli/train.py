"""`turtlenet train`: a model in, a hardened model out."""

import tempfile
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from turtlenet.cli.options import (
    BatchSize,
    ClassWeight,
    Count,
    Numbers,
    device_options,
    framework,
    loading_options,
    speaks,
    threat_options,
)
from turtlenet.errors import OutputError

__all__ = ["command"]


@click.command("train")
@click.argument("model")
@click.option(
    "--attack",
    multiple=True,
    default=("pgd",),
    show_default="pgd",
    help="The inner attack: pgd, pgd:steps=7,step_size=0.3, advgan, ...; of several one is drawn.",
)
@click.option("--attack-weights", type=Numbers(), default=(), help="How often each is drawn: 2,1; alike by default.")
@click.option("--attack-drawn", default="batch", show_default=True, help="One for each batch, or for each example.")
@click.option(
    "--generator-moves", type=int, default=1, show_default=True, help="Of advgan, before each step; 0: none."
)
@click.option("--recipe", help="Settings by name or path, such as qusecnets-tq; options given beside it count.")
@click.option("--preset", help="quick, balanced or strong: a good choice for minutes, an hour or a night.")
@threat_options
@device_options
@loading_options
@click.option("--objective", default="madry", show_default=True, help="madry, madry:clean_share=0.5, natural, ...")
@click.option("--defence", "defences", multiple=True, help="A layer to put in front: trainable-quantization, ...")
@click.option("--source", "sources", multiple=True, help="Another model to craft on (objective craft_on=...).")
@click.option("--epochs", type=int, help="Passes over the data; 20, or as many as --time allows.")
@click.option("--time", help="How long training may take, such as 2h or 45m: chooses epochs, and steps of the attack.")
@click.option("--steps-per-epoch", type=int, default=0, help="Steps that count as an epoch; a pass by default.")
@click.option("--batch-size", type=BatchSize(), default=128, show_default=True, help="auto: 128, as memory allows.")
@click.option("--accumulate", type=int, default=1, show_default=True, help="Parts of a batch, one after the other.")
@click.option("--learning-rate", type=float, default=1e-3, show_default=True, help="Peak of the cosine schedule.")
@click.option("--optimizer", default="adam", show_default=True, help="adam, sgd, rmsprop or compiled (the model's).")
@click.option("--warmup", type=float, default=0.25, show_default=True, help="Share of the run in which eps grows.")
@click.option("--validation", type=int, help="Training images held out to choose the best epoch.")
@click.option("--validation-attack", help="The attack of validation; 20 steps of pgd by default.")
@click.option("--class-weight", type=ClassWeight(), help="balanced, or weights of classes: 0:1,3:2.5; 1 by default.")
@click.option("--augment", multiple=True, help="Changes of training images: shift:pixels=2, flip, mnist, cifar, ...")
@click.option("--extra", help="Further data to mix in, by name or path.")
@click.option("--extra-share", type=float, help="Their share of each batch; 0.7 by default.")
@click.option("--out", type=click.Path(path_type=Path), help="The hardened model; MODEL-hardened.h5 by default.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for a report of both models on test images.")
@click.option("--limit", type=Count(), default=1000, show_default=True, help="Most test images there; 0 for all.")
@click.option("--resume", is_flag=True, help="Continue a run that was stopped.")
@click.option("--verbose", is_flag=True, help="A line for each epoch where no terminal shows the bar.")
@click.pass_context
def command(
    context: click.Context,
    /,
    model: str,
    recipe: str | None,
    preset: str | None,
    out: Path | None,
    report: Path | None,
    limit: int,
    resume: bool,
    **settings: Any,
) -> None:
    """Hardens MODEL on the saddle point: each batch is attacked on the current weights, then learned."""
    framework()
    from turtlenet import models
    from turtlenet.evaluation import save
    from turtlenet.files import check_folder
    from turtlenet.training import recipes
    from turtlenet.workflows.evaluate import evaluate
    from turtlenet.workflows.models import load_model, save_model
    from turtlenet.workflows.train import harden_model

    given = {name for name in settings if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    said = recipes.said(preset, recipe)
    settings |= {name: value for name, value in said.items() if name not in given}
    norm = settings.pop("norm")
    target = out or Path(model).with_name(f"{Path(model).stem}-hardened.h5")
    before = load_model(model)
    models.check_writable(target)
    if report:
        check_folder(report)
        if target.exists() and target.samefile(model):
            raise OutputError(f"Expected --out to be another file than {model}: the report compares the two.")
    checkpoint = target.with_name(f"{target.name}.resume")
    hardened, run = harden_model(
        before,
        norm="linf" if norm is None else norm,
        checkpoint=checkpoint,
        out=target,
        resume=resume,
        tell=click.echo,
        **settings,
    )
    kept = target if speaks() else Path(tempfile.mkdtemp()) / target.name
    source = {"name": Path(model).name, "sha256": models.file_sha256(Path(model))}
    save_model(hardened, kept, provenance={"source": source, "recipe": run.recipe})
    if speaks():
        checkpoint.unlink(missing_ok=True)
    click.echo(_summary(run, target))
    if report:
        threat = {key: settings[key] for key in ("data", "eps", "bounds", "head", "precision", "seed")}
        result = evaluate([model, kept], norm=norm, limit=limit or None, held_out=True, **threat)
        if speaks():
            save.save(result, report)
        click.echo(f"\n{result}\n\nreport: {report / 'report.html'}")


def _summary(run: Any, target: Path) -> str:
    if not run.validation:
        return f"saved {target} after {run.steps:,} steps, without validation"
    return (
        f"saved {target} after {run.steps:,} steps: epoch {run.best_epoch} was best on the validation images, "
        f"clean {run.validation['accuracy']:.3f}, robust {run.validation['robust_accuracy']:.3f}"
    )
