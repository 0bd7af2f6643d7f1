"""`turtlenet reproduce`: the tables of the papers, row by row."""

from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from turtlenet.cli.command import Command, option, output_option
from turtlenet.cli.options import check_file, framework, settings_options
from turtlenet.cli.output import give
from turtlenet.errors import SettingError
from turtlenet.settings.reproduce import ReproduceSettings

_EXAMPLES = (
    ("the papers and their rows", "turtlenet reproduce --list"),
    ("a trial of a paper's whole table, minutes", "turtlenet reproduce qusecnets --quick"),
    ("what some rows would cost", "turtlenet reproduce guan --rows bnn,2-bit --cost"),
    ("all papers, days; the same command continues", "turtlenet reproduce --out papers"),
)


def _completed(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    from turtlenet.reproduction.paper import names

    return [CompletionItem(name) for name in names() if name.startswith(typed)]


@click.command("reproduce", cls=Command, examples=_EXAMPLES)
@click.argument("papers", nargs=-1, metavar="[PAPER]...", shell_complete=_completed)
@option("--list", "listing", is_flag=True, help="Print the papers and their rows, and measure nothing.")
@option("--cost", is_flag=True, help="Print what it would cost, and measure nothing.")
@option("--only-page", is_flag=True, help="Write the page of the rows that are there, and measure nothing.")
@settings_options(ReproduceSettings)
@output_option("--out", "Folder of rows and models; reproduction, or reproduction-quick with --quick.")
@output_option("--page", "The page, an .md; papers.md in --out.")
@output_option("--template", "What the page is made of, in Jinja; the tables alone without it.")
def command(
    papers: tuple[str, ...],
    listing: bool,
    cost: bool,
    only_page: bool,
    out: Path | None,
    page: Path | None,
    template: Path | None,
    **given: Any,
) -> None:
    """Makes the tables of papers: trains what each row asks for, attacks it as the paper did and as one who knows of
    the defence would, and writes a page with both beside the paper's number.

    PAPER is a name (--list) or a TOML file; all papers without one. The cost is said first. Each figure is kept as
    soon as it is known: the same command continues where a run was stopped.
    """
    if listing:
        _list(papers)
        return
    if only_page and (cost or given.get("quick") or given.get("rows")):
        raise SettingError("Expected --only-page without --cost, --quick and --rows: it measures nothing.")
    folder = out or Path("reproduction-quick" if given.get("quick") else "reproduction")
    target = page or folder / "papers.md"
    if page:
        check_file(page, ".md", option="--page")
    framework()
    from turtlenet.files import make_folder
    from turtlenet.reproduction.run import check_page, reproduce, write_page

    check_page(papers, template)
    result: dict[str, Any] = {}
    if not only_page:
        options = ReproduceSettings(**{**given, "tell": click.echo})
        result = reproduce(papers, folder, options, _tools(), cost_only=cost)
    elif not (folder / "results").is_dir():
        raise SettingError(f"Expected rows in {folder / 'results'} to make a page of; there is no such folder.")
    if not cost:
        make_folder(folder)
        write_page(papers, folder, target, template)
        click.echo(f"page: {target}")
    give({**result, "page": None if cost else target})


def _tools() -> Any:
    """The workflows of training and evaluation, which the rows are made by."""
    from turtlenet.reproduction.workshop import Tools
    from turtlenet.workflows.evaluate import evaluate
    from turtlenet.workflows.train import harden_model

    return Tools(train=harden_model, evaluate=evaluate)


def _list(papers: tuple[str, ...]) -> None:
    from turtlenet.reproduction.paper import find, paths

    found = [find(name) for name in papers or paths()]
    give({paper.name: {"title": paper.title, "rows": {row.name: row.title for row in paper.rows}} for paper in found})
    for paper in found:
        width = max(len(row.name) for row in paper.rows)
        click.echo(f"{paper.name}: {paper.title}")
        for row in paper.rows:
            figures = "figure " if len(row.cells) == 1 else "figures"
            click.echo(f"  {row.name:{width}}  {len(row.cells):3} {figures}  {row.title}".rstrip())
