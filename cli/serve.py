"""`autocomplete serve` and `autocomplete gateway`, which take settings as flags, and `autocomplete health`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import EXIT_FAILED

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from service.settings import ProgramSettings

_WRITTEN = {"str": "TEXT", "int": "NUMBER", "float": "NUMBER", "Path": "PATH", "tuple[str,...]": "NAME,NAME..."}
"""What a person writes for a value, by its type."""
DEFAULT_SERVER = "127.0.0.1:50051"
TAKES_SETTINGS: dict[str, Any] = {
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True},
    "add_help_option": False,
}
"""Registers a command so that typer leaves arguments and `--help` to its settings."""


def serve(context: typer.Context) -> None:
    """Serves the models of a registry over gRPC until it is told to stop."""
    from gateway.config import GatewaySettings
    from service.config import ServerSettings, load_settings

    settings = load_settings(read_flags(ServerSettings, context.args), others=(GatewaySettings,))
    from service.workers.process import serve as run_server

    run_server(settings)


def gateway(context: typer.Context) -> None:
    """Serves JSON over HTTP, browsers' address bars and a page to try it. The gRPC server computes all answers."""
    from gateway.config import GatewaySettings, load_settings

    settings = load_settings(read_flags(GatewaySettings, context.args))
    from gateway.process import serve as run_gateway

    run_gateway(settings)


def health(
    address: Annotated[str, typer.Option(metavar="HOST:PORT", help="Server to ask.")] = DEFAULT_SERVER,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for its answer.")] = 2.0,
) -> None:
    """Asks whether a server is ready. The exit code is 0 if it is, else 1."""
    from autocomplete_client.health import check
    from cli.suggestions import reaching

    with reaching(address):
        ready = check(address, timeout)
    print(f"{address}: {'serving' if ready else 'not serving'}")
    if not ready:
        raise typer.Exit(EXIT_FAILED)


def read_flags(kind: type[ProgramSettings], arguments: list[str]) -> dict[str, Any]:
    """The written values of the flags, by field name. Prints the help if it is asked for.

    Raises:
        typer.BadParameter: there is no such flag, or its value is missing.
    """
    from argparse import HelpFormatter

    from pydantic_settings import CliSettingsSource, SettingsError

    from service.settings import flag_name, nearest

    known = ["--help", *(flag_name(field) for field in kind.model_fields)]
    for argument in arguments:
        flag = argument.partition("=")[0]
        if flag.startswith("--") and flag not in known and flag.replace("--no-", "--", 1) not in known:
            raise typer.BadParameter(f"No such option: {flag}{nearest(flag, known)}")
    try:
        source: CliSettingsSource[Any] = CliSettingsSource(
            kind,
            cli_parse_args=arguments,
            cli_prog_name=kind.command,
            add_argument_method=_add_argument,
            formatter_class=HelpFormatter,
        )
        return source()
    except SettingsError as error:
        raise typer.BadParameter(str(error).removeprefix("error parsing CLI: ")) from None


def _add_argument(parser: ArgumentParser, *flags: str, **options: Any) -> None:
    """Adds a flag, its help in the words of people instead of Python's."""
    if "metavar" in options:
        options["metavar"] = _WRITTEN.get(options["metavar"], options["metavar"])
    for unset in ("None", "()"):
        options["help"] = options["help"].replace(f"(default: {unset})", "(default: unset)")
    parser.add_argument(*flags, **options)
