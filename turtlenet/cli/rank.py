"""`turtlenet rank`: a folder of reports in, a leaderboard out."""

from pathlib import Path

import click

from turtlenet.cli.options import framework


@click.command("rank")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the leaderboard; FOLDER by default.")
def command(folder: Path, out: Path | None) -> None:
    """Ranks the models of all reports below FOLDER, each setting by itself.

    Writes leaderboard.json, leaderboard.md and leaderboard.html.

    It reads what `turtlenet evaluate` wrote (report.json): no model is loaded and nothing is attacked.
    """
    framework()
    from turtlenet.files import check_folder
    from turtlenet.workflows.rank import rank

    target = out or folder
    result = rank(folder)
    check_folder(target)
    result.save(target)
    click.echo(f"{result}\n\nleaderboard: {target / 'leaderboard.html'}")
