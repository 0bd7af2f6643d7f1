"""`turtlenet attack`: the adversarial examples themselves."""

from pathlib import Path
from typing import Any

import click

from turtlenet.cli.command import MODEL, Command, output_option
from turtlenet.cli.options import check_file, framework, speaks, workflow_options
from turtlenet.cli.output import give
from turtlenet.reports.frames import FORMATS, check_suffix, to_bytes
from turtlenet.settings.attack import KeptAttackSettings

_EXAMPLES = (
    (
        "keep what a hundred steps find on the first thousand test images",
        "turtlenet attack model.h5 --attack pgd:steps=100 --out found.npz",
    ),
    (
        "every image towards class 3, on your own data",
        "turtlenet attack model.h5 --data mine.npz --target 3 --out to-3.npz",
    ),
)


@click.command("attack", cls=Command, examples=_EXAMPLES)
@click.argument("model", type=MODEL)
@workflow_options(KeptAttackSettings)
@output_option("--out", "A .npz, .csv or .parquet.", required=True)
def command(model: str, out: Path, **given: Any) -> None:
    """Attacks test images of MODEL and keeps what was found: x, y, x_adversarial, prediction, reached."""
    check_file(out, ".npz", *FORMATS)
    if out.suffix in FORMATS:
        check_suffix(out)
    framework()
    import numpy as np

    from turtlenet.files import write_whole
    from turtlenet.reports.examples import check_width
    from turtlenet.workflows.attack import attack_data

    kept = attack_data(model, tell=click.echo, check=lambda shape: check_width(shape, out.suffix), **given)
    outcome = kept.outcome
    if speaks():
        table = None if out.suffix == ".npz" else to_bytes(kept.columns(out.suffix), out.suffix)
        write_whole(out, lambda file: file.write(table) if table else np.savez_compressed(file, **kept.arrays()))
    give(
        {
            "out": out,
            "count": len(kept.y),
            "part": kept.part.words,
            "accuracy": kept.accuracy,
            "reached": float(outcome.reached.mean()),
        }
    )
    words = f" ({kept.part.words})" if kept.part.words else ""
    click.echo(
        f"saved {out}: {kept.part.examples.kind.count(len(kept.y))}{words}, accuracy under attack "
        f"{kept.accuracy:.3f}, "
        f"goal reached on {outcome.reached.mean():.3f}"
    )
