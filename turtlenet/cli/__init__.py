"""The command line: parse, call the API, print. `main` is the entry point."""

from turtlenet.cli.app import main

__all__ = ["main"]
