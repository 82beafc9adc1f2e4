"""The `autocomplete` command. Each subcommand imports what it needs when it runs, so that `--help` is fast."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

from cli.bundles import activate, inspect, rollback
from cli.complete import complete, shell
from cli.demo import demo
from cli.evaluate import evaluate
from cli.init import init
from cli.output import EXIT_CODES, reported
from cli.serve import TAKES_SETTINGS, gateway, health, serve
from cli.train import print_configuration, train


class _Command(TyperCommand):
    """A subcommand. What goes wrong in it becomes one paragraph and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Runs it."""
        with reported(self.name or ""):
            return super().invoke(ctx)


class _Train(_Command):
    """Its help ends with an example and all fields of the configuration."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Prints the help."""
        super().format_help(ctx, formatter)
        print_configuration()


app = typer.Typer(
    name="autocomplete",
    help="Autocomplete that you run yourself: trains on your text and query logs, serves over gRPC.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(cls=_Command)(init)
app.command(cls=_Train)(train)
for served in (serve, gateway):
    app.command(cls=_Command, **TAKES_SETTINGS)(served)
for command in (complete, shell, evaluate, inspect, activate, rollback, health, demo):
    app.command(cls=_Command)(command)


def main() -> None:
    """Entry point of the console script; ends the process with its exit code."""
    app(prog_name="autocomplete")


if __name__ == "__main__":
    main()
