"""The group of commands, and how every one of them ends: a result, a gate, or one clear line."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from turtlenet.cli.examples import write_examples
from turtlenet.cli.exit_codes import ExitCode
from turtlenet.cli.output import with_output
from turtlenet.errors import TurtlenetError, did_you_mean
from turtlenet.optional import BACKENDS
from turtlenet.registry import import_also_from
from turtlenet.version import __version__

# Commands live in modules of their own and are imported when they are run: `--help` waits for no framework.
_COMMANDS = {
    "attack": "Keep the adversarial examples themselves.",
    "certify": "Prove which answers no attack in the ball can change.",
    "convert": "Write a model of any Keras as a file of Keras 3.",
    "defence": "Train a network that cleans images in front of a model, or show one.",
    "detect": "Tell adversarial inputs from clean ones, and attack that too.",
    "evaluate": "Attack models and write a robustness report.",
    "gan": "Train a generator of adversarial examples (AdvGAN), or show one.",
    "init": "Write a file of options for a model and its data, after looking at both.",
    "inspect": "Say what a model file is, and whether it loads safely.",
    "key": "Make a secret key for the defences that have one.",
    "list": "List attacks, defences, detectors, objectives, models, data sets, suites or recipes.",
    "new": "Write an architecture with fresh weights, to train it from its start.",
    "rank": "Rank models by their reports, where these can be compared.",
    "reproduce": "Make the tables of the papers, row by row, beside the papers' own numbers.",
    "sweep": "Attack a model at several radii, and draw the curve.",
    "tolerance": "Measure tolerable noise, and choose the levels of a quantizer.",
    "train": "Harden a model by adversarial training.",
    "universal": "Fit one perturbation that fools a model on most images.",
    "wrap": "Put defences in front of a model, without training.",
}
_RESUMABLE = ("certify", "defence", "evaluate", "gan", "sweep", "train")
_EXAMPLES = (
    ("harden a model in minutes, and see what it is worth", "turtlenet train model.h5 --preset quick --report report"),
    ("attack a model on your own data", "turtlenet evaluate model.h5 --data mine.npz --eps 8/255"),
    ("all options of a command", "turtlenet train --help"),
)


def _choose_backend(context: click.Context, option: click.Parameter, name: str | None) -> None:
    if name is not None:
        os.environ["KERAS_BACKEND"] = name


def _offer_backend(command: click.Command) -> None:
    """Adds `--backend` to a command, or to the commands of a group: read first, before any framework is imported."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            _offer_backend(each)
    elif not any(each.name == "backend" for each in command.params):
        # With it come the settings of all workflows, which the first page of help does without.
        from turtlenet.cli.command import Option

        command.params.append(
            Option(
                ["--backend"],
                group="Computing",
                type=click.Choice(BACKENDS),
                is_eager=True,
                expose_value=False,
                callback=_choose_backend,
                help="Framework that Keras computes with. Default: KERAS_BACKEND, or tensorflow.",
            )
        )


class _Lazy(click.Group):
    """Imports a command's module only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"turtlenet.cli.{name}").command
        _offer_backend(command)
        return with_output(command)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in _COMMANDS and not ctx.resilient_parsing:
            raise click.UsageError(f"Unknown command {args[0]!r}.{did_you_mean(args[0], _COMMANDS)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # Caught here, because click prints an empty line for it.
            resumes = ctx.invoked_subcommand in _RESUMABLE
            more = "run the same command with --resume to continue" if resumes else "nothing was written"
            if ctx.invoked_subcommand == "reproduce":
                more = "run the same command to continue"
            click.echo(f"turtlenet: interrupted; {more}.", err=True)
            return ExitCode.INTERRUPTED

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_examples(formatter, _EXAMPLES)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="turtlenet")
def turtlenet() -> None:
    """Hardens trained Keras models against adversarial examples, and says honestly how robust they became."""


def main(args: list[str] | None = None) -> None:
    """Runs the command line, and exits as `turtlenet.cli.exit_codes` says."""
    # Where a user's own `module:name` lies.
    import_also_from(str(Path.cwd()))
    code: Any = ExitCode.FAULT
    try:
        code = turtlenet.main(args, prog_name="turtlenet", standalone_mode=False)
    except click.ClickException as error:
        code = _help(error) if type(error).__name__ == "NoArgsIsHelpError" else _refuse(error.format_message())
    except TurtlenetError as error:
        code = _refuse(str(error))
    except MemoryError:
        code = _refuse("Expected enough memory for this batch; got none left: lower --batch-size.")
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            # A file that cannot be read or written, where nothing above had words of its own for it.
            code = _refuse(f"Expected to read or write {error.filename}; got: {error.strerror}.")
        else:
            import traceback

            traceback.print_exc()
    _leave(code if isinstance(code, int) else 0)


def _leave(code: int) -> None:
    """Ends the program. Of a cluster's processes one that failed must not wait for the others, who wait for it."""
    if code and _in_cluster():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _in_cluster() -> bool:
    backend = sys.modules.get("turtlenet.backend")
    return backend is not None and backend.process()[1] > 1


def _help(error: click.ClickException) -> int:
    """What Click from 8.2 on raises for a group without a command: its help, which is no mistake of the user's."""
    click.echo(error.format_message())
    return 0


def _refuse(message: str) -> int:
    click.echo(f"turtlenet: {' '.join(message.split())}", err=True)
    return ExitCode.BAD_INPUT
