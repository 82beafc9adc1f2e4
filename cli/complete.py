"""`autocomplete complete` and `autocomplete shell`, which ask for suggestions."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from cli.bundles import find_bundle
from cli.output import print_json, stdout
from cli.serve import DEFAULT_SERVER


def complete(
    text: Annotated[str, typer.Argument(help="The typed text. A space at its end ends the last word.")],
    *,
    server: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help=f"Server to ask. If not given, {DEFAULT_SERVER}.")
    ] = None,
    bundle: Annotated[
        str | None,
        typer.Option(help="Bundle to open instead of asking a server, or REGISTRY/NAME; also a URL."),
    ] = None,
    words: Annotated[bool, typer.Option("--words", help="Suggests next words of a text, not whole queries.")] = False,
    model: Annotated[str, typer.Option(help="Model to ask. If not given, the server's default one.")] = "",
    limit: Annotated[int, typer.Option("--max", help="Maximum number of suggestions.")] = 10,
    generated: Annotated[
        Literal["off", "fill", "mix"] | None,
        typer.Option(help="Whether generated queries are suggested, and where. If not given, as server and model say."),
    ] = None,
    min_probability: Annotated[
        float | None,
        typer.Option(
            help="Suggestions that are less probable are left out. If not given, as server and model say, or with"
            " --words none."
        ),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Shows the terms of each score.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Prints the response message as JSON.")] = False,
) -> None:
    """Completes a query, or predicts the next word of a text."""
    if bundle is not None and (server is not None or model):
        raise typer.BadParameter("it already names the model: leave out --server and --model.", param_hint="--bundle")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("it is not UTF-8 text.", param_hint="TEXT") from None
    if words and generated is not None:
        raise typer.BadParameter("it is for whole queries: leave out --words.", param_hint="--generated")
    from google.protobuf.json_format import MessageToDict

    from cli.suggestions import Choice, ask_bundle, ask_server, build_request, suggestions_table

    choice = Choice(model, limit, explain, generated, min_probability)
    request = build_request(text, choice, words=words)
    if bundle is not None:
        response = ask_bundle(request, find_bundle(bundle))
    else:
        response = ask_server(request, server or DEFAULT_SERVER)
    if as_json:
        document = MessageToDict(response, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        print_json(document)
    else:
        stdout().print(suggestions_table(text, response, explain=explain))


def shell(
    address: Annotated[str, typer.Option(metavar="HOST:PORT", help="Server to ask.")] = DEFAULT_SERVER,
    model: Annotated[str, typer.Option(help="Model to ask. If not given, the server's default one.")] = "",
    limit: Annotated[int, typer.Option("--max", min=1, max=20, help="Maximum number of suggestions.")] = 10,
    words: Annotated[bool, typer.Option("--words", help="Starts with next words, not whole queries.")] = False,
) -> None:
    """Opens a search box in the terminal that completes as you type."""
    import asyncio
    import sys

    from autocomplete_client import AsyncClient
    from cli.shell_box import Box
    from cli.suggestions import reaching
    from lm.errors import ConfigError

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError("This is not a terminal.", remedy="Use `autocomplete complete TEXT`.")

    async def run() -> None:
        async with AsyncClient(address) as client:
            await Box(client, address=address, model=model, limit=limit, words=words).run()

    with reaching(address):
        asyncio.run(run())
