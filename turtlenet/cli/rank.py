"""`turtlenet rank`: a folder of reports in, a leaderboard out."""

from pathlib import Path

import click

from turtlenet.cli.command import Command, output_option
from turtlenet.cli.output import finish

_EXAMPLES = (
    ("a leaderboard of all reports below a folder", "turtlenet rank runs"),
    ("the same, written elsewhere", "turtlenet rank runs --out board"),
)


@click.command("rank", cls=Command, examples=_EXAMPLES)
@click.argument("folder", type=click.Path(path_type=Path))
@output_option("--out", "Folder of the leaderboard; FOLDER by default.")
def command(folder: Path, out: Path | None) -> None:
    """Ranks the models of all reports below FOLDER, each setting by itself.

    Writes leaderboard.json, leaderboard.md and leaderboard.html.

    It reads what `turtlenet evaluate` wrote (report.json): no model is loaded and nothing is attacked.
    """
    from turtlenet.files import check_folder
    from turtlenet.workflows.rank import rank

    target = out or folder
    result = rank(folder)
    check_folder(target)
    result.save(target)
    finish(result, target, "leaderboard.html", "leaderboard")
