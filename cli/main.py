"""The `autocomplete` command: one small module a subcommand, each importing what it needs when it runs."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from cli.activate import activate
from cli.complete import complete
from cli.demo import demo
from cli.errors import reported
from cli.evaluate import evaluate
from cli.gateway import GatewayCommand, gateway
from cli.health import health
from cli.inspect import inspect
from cli.rollback import rollback
from cli.serve import ServeCommand, serve
from cli.shell import shell
from cli.train import TrainCommand, train


class _Commands(TyperGroup):
    """Runs a subcommand; what goes wrong in it becomes one paragraph and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Invokes the subcommand."""
        with reported():
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Commands,
    name="autocomplete",
    help="Autocomplete that you run yourself: trains on your text and query logs, serves over gRPC.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(cls=TrainCommand)(train)
app.command(cls=ServeCommand)(serve)
app.command(cls=GatewayCommand)(gateway)
app.command()(complete)
app.command()(shell)
app.command()(evaluate)
app.command()(inspect)
app.command()(activate)
app.command()(rollback)
app.command()(health)
app.command()(demo)


def main() -> None:
    """Entry point of the console script; ends the process with its exit code."""
    app(prog_name="autocomplete")


if __name__ == "__main__":
    main()
