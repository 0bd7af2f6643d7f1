"""`turtlenet certify`: a model in, what no attack can break out."""

from pathlib import Path
from typing import Any

import click

from turtlenet.cli.command import MODEL, Command, output_option
from turtlenet.cli.options import data_option, device_options, framework, loading_options, settings_options, speaks
from turtlenet.cli.output import finish
from turtlenet.settings.certify import CertifySettings

_EXAMPLES = (
    ("linear bounds on the first 1,000 test images", "turtlenet certify model.h5 --eps 0.1"),
    ("exact answers, a minute an image", "turtlenet certify model.h5 --eps 0.1 --method exact --limit 20"),
)


@click.command("certify", cls=Command, examples=_EXAMPLES)
@click.argument("model", type=MODEL)
@data_option
@settings_options(CertifySettings)
@device_options
@loading_options
@output_option("--out", "Folder of the result; MODEL-certificate by default.")
def command(model: str, out: Path | None, **settings: Any) -> None:
    """Proves for which images of the data no point of the ball changes MODEL's answer."""
    framework()
    from turtlenet.files import check_folder
    from turtlenet.workflows.certify import certify

    folder = out or Path(f"{Path(model).stem}-certificate")
    check_folder(folder)
    result = certify(model, progress=folder, tell=click.echo, **settings)
    if speaks():
        result.save(folder)
        (folder / ".certify.npz").unlink(missing_ok=True)
    finish(result, folder, "certificate.html", "certificate")
