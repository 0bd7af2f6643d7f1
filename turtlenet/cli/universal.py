"""`turtlenet universal`: one perturbation that fools a model on most images."""

import shlex
from pathlib import Path
from typing import Any

import click

from turtlenet.cli.command import MODEL, Command, output_option
from turtlenet.cli.options import check_file, framework, speaks, workflow_options
from turtlenet.cli.output import give
from turtlenet.settings.measure import UniversalSettings

_BY_FEATURE = ("eps", "bounds", "features", "movable")
_LISTS = {"constraint": "constraints"}
_EXAMPLES = (("one perturbation for all images, and how to use it", "turtlenet universal model.h5 --out delta.npy"),)


@click.command("universal", cls=Command, examples=_EXAMPLES)
@click.argument("model", type=MODEL)
@workflow_options(UniversalSettings)
@output_option("--out", "An .npy of the perturbation.", required=True)
def command(model: str, out: Path, **settings: Any) -> None:
    """Fits one perturbation on training images of MODEL, tries it on test images, and keeps it."""
    check_file(out, ".npy")
    framework()
    from turtlenet.attacks import Universal
    from turtlenet.attacks.threat import describe_ball
    from turtlenet.balls import is_plain
    from turtlenet.evaluation.views.again import as_said, exact
    from turtlenet.files import write_array
    from turtlenet.input_kind import kind_of
    from turtlenet.workflows.universal import universal

    fitted = universal(model, tell=click.echo, **settings)
    if speaks():
        write_array(out, fitted.delta)
    plain, kind = is_plain(fitted.ball), kind_of(fitted.delta.shape)
    click.echo(
        f"saved {out}: {describe_ball(fitted.ball, fitted.delta.shape)}\n"
        f"{fitted.count:,} test {kind.examples}, accuracy {fitted.clean_accuracy:.3f} without it and "
        f"{fitted.accuracy:.3f} with it: {fitted.fooled:.3f} of the right answers fooled"
    )
    give(
        {
            "out": out,
            "count": fitted.count,
            "clean_accuracy": fitted.clean_accuracy,
            "accuracy": fitted.accuracy,
            "fooled": fitted.fooled,
        }
    )
    said = {name: settings.get(name) for name in ("data", "head", "precision")}
    said |= {} if plain else {name: as_said(settings.get(name)) for name in _BY_FEATURE}
    said |= {"label": settings.get("label"), "split": "test"}
    said |= {"bounds": f"{exact(fitted.ball.low)},{exact(fitted.ball.high)}"} if plain else {}
    said |= {"attack": Universal(file=str(out)), "norm": fitted.ball.norm}
    said |= {"eps": exact(float(fitted.ball.eps))} if plain else {}
    pairs = [(name, value) for name, value in said.items() if value not in (None, "auto")]
    pairs += [(name, each) for name in ("drop", "constraint") for each in settings.get(_LISTS.get(name, name)) or ()]
    more = " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in pairs)
    click.echo(f"to use it: turtlenet evaluate {shlex.quote(model)} {more}")
