"""`turtlenet detect`: a detector by uncertainty, fitted and scored."""

from pathlib import Path
from typing import Any

import click

from turtlenet.cli.options import BATCH_SIZE, COUNT, device_options, framework, loading_options, speaks, threat_options
from turtlenet.errors import OutputError, did_you_mean


class _Parts(click.Group):
    """Two commands; another word gets one line."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            raise click.UsageError(f"Unknown command 'detect {args[0]}'.{did_you_mean(args[0], self.commands)}")
        return super().resolve_command(ctx, args)


@click.group("detect", cls=_Parts)
def command() -> None:
    """Tells adversarial inputs from clean ones by how much a random model's answers differ (paper 001)."""


@command.command("fit")
@click.argument("model")
@click.option("--attack", "attacks", multiple=True, help="May be given several times; fgsm and pgd if none is.")
@click.option("--detector", default="logistic", show_default=True, help="logistic, mixture, ...")
@click.option("--population", default="successes", show_default=True, help="successes, or all images as in the paper.")
@threat_options
@device_options
@loading_options
@click.option("--draws", type=int, default=50, show_default=True, help="Stochastic inferences behind a score.")
@click.option("--attack-draws", type=int, default=10, show_default=True, help="Draws in an attack's mean.")
@click.option("--gradient", default="adaptive", show_default=True, help="Of defences: adaptive, or naive.")
@click.option("--limit", type=COUNT, default=1000, show_default=True, help="Most training images; 0 for all.")
@click.option("--batch-size", type=BATCH_SIZE, default=64, show_default=True, help="Images at a time, or auto.")
@click.option("--out", type=click.Path(path_type=Path), help="The detector; MODEL-detector.json by default.")
def _fit(model: str, out: Path | None, limit: int, norm: str | None, **settings: Any) -> None:
    """Fits a detector of MODEL on clean and adversarial images of the training part of the data."""
    target = out or Path(f"{Path(model).stem}-detector.json")
    _check_out(target)
    framework()
    from turtlenet.workflows.detect import fit_detector

    fitted = fit_detector(model, limit=limit or None, norm=norm or "linf", tell=click.echo, **settings)
    if speaks():
        fitted.save(target)
    click.echo(f"{fitted}\n\nsaved {target}")


@command.command("score")
@click.argument("model")
@click.argument("detector", type=click.Path(path_type=Path))
@click.option("--attack", "attacks", multiple=True, help="May be given several times; those of the fit if none is.")
@click.option(
    "--adaptive",
    default="undetected",
    show_default=True,
    help="Is told the detector's edges; none for no such attack.",
)
@threat_options
@device_options
@loading_options
@click.option("--attack-draws", type=int, help="Draws in an attack's mean; as in the fit.")
@click.option("--gradient", help="Of defences: adaptive, or naive; as in the fit.")
@click.option("--split", help="Part to score: test (the usual one), train or all.")
@click.option("--limit", type=COUNT, default=1000, show_default=True, help="Most images; 0 for all.")
@click.option("--batch-size", type=BATCH_SIZE, default=64, show_default=True, help="Images at a time, or auto.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder of the report; MODEL-detection by default.")
@click.pass_context
def _score(
    context: click.Context,
    /,
    model: str,
    detector: Path,
    adaptive: str,
    report: Path | None,
    limit: int,
    seed: int,
    **settings: Any,
) -> None:
    """Scores DETECTOR on test images of MODEL, attacks it, and writes report.json, report.md and report.html."""
    folder = report or Path(f"{Path(model).stem}-detection")
    framework()
    from click.core import ParameterSource

    from turtlenet.files import check_folder
    from turtlenet.workflows.detect import score_detector

    check_folder(folder)
    given = context.get_parameter_source("seed") is ParameterSource.COMMANDLINE
    result = score_detector(
        model,
        detector,
        limit=limit or None,
        adaptive="" if adaptive == "none" else adaptive,
        seed=seed if given else None,
        **settings,
    )
    if speaks():
        result.save(folder)
    click.echo(f"{result}\n\nreport: {folder / 'report.html'}")


def _check_out(out: Path) -> None:
    """Finds out, before any work, whether the detector can be written."""
    from turtlenet.files import check_folder

    if out.suffix != ".json":
        raise OutputError(f"Expected --out with the suffix .json; got {str(out)!r}.")
    if out.is_dir():
        raise OutputError(f"Expected --out to be a file; {out} is a folder.")
    if not out.parent.is_dir():
        raise OutputError(f"Expected a folder to write {out.name} in; there is no folder {out.parent}.")
    check_folder(out.parent)
