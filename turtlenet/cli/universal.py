"""`turtlenet universal`: one perturbation that fools a model on most images."""

import shlex
from pathlib import Path
from typing import Any

import click

from turtlenet.cli.command import MODEL, Command, option
from turtlenet.cli.options import check_file, framework, speaks, workflow_options
from turtlenet.settings.measure import UniversalSettings

_EXAMPLES = (("one perturbation for all images, and how to use it", "turtlenet universal model.h5 --out delta.npy"),)


@click.command("universal", cls=Command, examples=_EXAMPLES)
@click.argument("model", type=MODEL)
@workflow_options(UniversalSettings)
@option("--out", group="Output", type=click.Path(path_type=Path), required=True, help="An .npy of the perturbation.")
def command(model: str, out: Path, **settings: Any) -> None:
    """Fits one perturbation on training images of MODEL, tries it on test images, and keeps it."""
    check_file(out, ".npy")
    framework()
    import numpy as np

    from turtlenet.attacks import Universal
    from turtlenet.attacks.threat import describe_ball
    from turtlenet.evaluation.again import exact
    from turtlenet.files import write_whole
    from turtlenet.workflows.universal import universal

    fitted = universal(model, tell=click.echo, **settings)
    if speaks():
        write_whole(out, lambda file: np.save(file, fitted.delta))
    click.echo(
        f"saved {out}: {describe_ball(fitted.ball, fitted.delta.shape)}\n"
        f"{fitted.count:,} test images, accuracy {fitted.clean_accuracy:.3f} without it and {fitted.accuracy:.3f} "
        f"with it: {fitted.fooled:.3f} of the right answers fooled"
    )
    said = {name: settings.get(name) for name in ("data", "head", "precision")}
    said = {name: value for name, value in said.items() if value not in (None, "auto")}
    said |= {"split": "test", "bounds": f"{exact(fitted.ball.low)},{exact(fitted.ball.high)}"}
    said |= {
        "attack": Universal(file=str(out)),
        "norm": fitted.ball.norm,
        "eps": exact(float(fitted.ball.eps)),
    }
    more = " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in said.items())
    click.echo(f"to use it: turtlenet evaluate {shlex.quote(model)} {more}")
