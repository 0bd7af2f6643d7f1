"""`turtlenet universal`: one perturbation that fools a model on most images."""

import shlex
from pathlib import Path
from typing import Any

import click

from turtlenet.cli.options import (
    COUNT,
    NUMBER,
    check_file,
    device_options,
    framework,
    loading_options,
    speaks,
    threat_options,
)

__all__ = ["command"]


@click.command("universal")
@click.argument("model")
@threat_options
@device_options
@loading_options
@click.option("--epochs", type=int, default=10, show_default=True, help="Passes over the training images.")
@click.option("--step-size", type=NUMBER, default=0.1, show_default=True, help="A step, as a fraction of the radius.")
@click.option("--limit", type=COUNT, default=5000, show_default=True, help="Most images of each part; 0 for all.")
@click.option("--batch-size", type=int, default=128, show_default=True, help="Images in a step.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="An .npy of the perturbation.")
def command(model: str, out: Path, limit: int, norm: str | None, **settings: Any) -> None:
    """Fits one perturbation on training images of MODEL, tries it on test images, and keeps it."""
    check_file(out, ".npy")
    framework()
    import numpy as np

    from turtlenet.attacks import Universal
    from turtlenet.attacks.threat import describe_ball
    from turtlenet.evaluation.again import exact
    from turtlenet.files import write_whole
    from turtlenet.workflows.universal import universal

    found = universal(model, norm="linf" if norm is None else norm, limit=limit or None, tell=click.echo, **settings)
    if speaks():
        write_whole(out, lambda file: np.save(file, found.delta))
    click.echo(
        f"saved {out}: {describe_ball(found.ball, found.delta.shape)}\n"
        f"{found.count:,} test images, accuracy {found.clean_accuracy:.3f} without it and {found.accuracy:.3f} "
        f"with it: {found.fooled:.3f} of the right answers fooled"
    )
    said = {name: settings[name] for name in ("data", "head", "precision") if settings[name] not in (None, "auto")}
    said |= {"split": "test", "bounds": f"{exact(found.ball.low)},{exact(found.ball.high)}"}
    said |= {"attack": Universal(file=str(out)), "norm": found.ball.norm, "eps": exact(float(found.ball.eps))}
    more = " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in said.items())
    click.echo(f"to use it: turtlenet evaluate {shlex.quote(model)} {more}")
