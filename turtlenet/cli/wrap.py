"""`turtlenet wrap`: layers around a model, no training."""

from pathlib import Path
from typing import Any

import click

from turtlenet.cli.command import MODEL, Command, option, output_option
from turtlenet.cli.options import Text, beside, framework, loading_options, settings_options
from turtlenet.cli.output import give
from turtlenet.settings import text
from turtlenet.settings.inputs import ColumnSettings

_EXAMPLES = (
    ("a layer in front, without training", "turtlenet wrap model.h5 --defence constant-quantization:levels=4"),
    (
        "put the normalization of ImageNet into the file",
        "turtlenet wrap model.h5 --normalize imagenet --out with-layer.h5",
    ),
)


@click.command("wrap", cls=Command, examples=_EXAMPLES)
@click.argument("model", type=MODEL)
@option(
    "--defence", "defences", group="Model", multiple=True, help="constant-quantization:levels=4; from the input on."
)
@option(
    "--bounds",
    group="Model",
    type=Text(text.bounds),
    help="Smallest and largest value, e.g. 0,255; one for each feature, with ; between; told from the model.",
)
@option(
    "--normalize", group="Data", help="imagenet, cifar10, torchvision, mean=...,std=... or data; behind the defences."
)
@option(
    "--data",
    group="Data",
    help="Data by name or path: their training part normalizes, and tells the bounds of a table.",
)
@settings_options(ColumnSettings)
@output_option("--out", "The wrapped model; MODEL-defended.h5 by default.")
@loading_options
def command(
    model: str,
    defences: tuple[str, ...],
    bounds: Any,
    normalize: str | None,
    data: str | None,
    out: Path | None,
    **columns: Any,
) -> None:
    """Puts defences in front of MODEL as they are; most defend little until the model is trained behind them.

    With --normalize also, or alone, the layer that normalizes inputs as the model was trained on them.
    """
    if not defences and normalize is None:
        raise click.UsageError("Missing option '--defence' or '--normalize'.")
    framework()
    from turtlenet import models
    from turtlenet.workflows.models import save_model, wrap

    target = out or beside(model, "defended.h5")
    models.check_writable(target)
    wrapped = wrap(model, *defences, bounds=bounds, normalize=normalize, data=data, **columns)
    source = {"name": Path(model).name, "sha256": models.file_sha256(Path(model))}
    shields = [str(each) for each in models.defences_of(wrapped)]
    told = {} if normalize is None else {"normalize": normalize}
    save_model(wrapped, target, provenance={"source": source, "defences": shields, **told})
    give({"out": target, "defences": shields, **told})
    more = [*shields, *(["normalization"] if normalize is not None else [])]
    loads = "; it loads after `import turtlenet`" if shields else "; plain Keras loads it"
    click.echo(f"saved {target}: {' then '.join(more)}, then {Path(model).name}{loads}")
