"""The `autocomplete` command. Each subcommand imports what it needs when it runs, so that `--help` is fast."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

from cli.bundles import activate, inspect, rollback
from cli.complete import complete, shell
from cli.curate import COMMANDS
from cli.demo import demo
from cli.deny import add, list_entries, remove
from cli.evaluate import evaluate
from cli.init import init
from cli.live import events, export, forget, import_changes, report
from cli.output import EXIT_CODES, reported
from cli.serve import TAKES_SETTINGS, gateway, health, serve
from cli.train import print_configuration, train


class _Command(TyperCommand):
    """A subcommand. What goes wrong in it becomes one paragraph and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Runs it."""
        with reported(ctx.command_path.partition(" ")[2]):
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
deny = typer.Typer(help="Takes suggestions down on a running server.", no_args_is_help=True)
deny.command("add", cls=_Command)(add)
deny.command("list", cls=_Command)(list_entries)
deny.command("remove", cls=_Command)(remove)
app.add_typer(deny, name="deny")
live = typer.Typer(help="Saves and restores the live state, and reports what users did.", no_args_is_help=True)
live.command("export", cls=_Command)(export)
live.command("import", cls=_Command)(import_changes)
live.command("report", cls=_Command)(report)
live.command("events", cls=_Command)(events)
live.command("forget", cls=_Command)(forget)
app.add_typer(live, name="live")
curate = typer.Typer(help="Changes what a running server suggests, without training.", no_args_is_help=True)
for group, (text, curating) in COMMANDS.items():
    curated = typer.Typer(help=text, no_args_is_help=True)
    for name, function in curating.items():
        curated.command(name, cls=_Command)(function)
    curate.add_typer(curated, name=group)
app.add_typer(curate, name="curate")


def main() -> None:
    """Entry point of the console script; ends the process with its exit code."""
    app(prog_name="autocomplete")


if __name__ == "__main__":
    main()
