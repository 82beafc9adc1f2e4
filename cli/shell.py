"""`autocomplete shell`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.complete import DEFAULT_SERVER


def shell(
    address: Annotated[str, typer.Option(metavar="HOST:PORT", help="Server to ask.")] = DEFAULT_SERVER,
    model: Annotated[str, typer.Option(help="Model of the server; its default one if not given.")] = "",
    limit: Annotated[int, typer.Option("--max", min=1, max=20, help="At most this many suggestions.")] = 10,
    words: Annotated[bool, typer.Option("--words", help="Begins with next words, not whole queries.")] = False,
) -> None:
    """A box in the terminal that completes as you type."""
    import asyncio
    import sys

    from autocomplete_client import AsyncClient
    from cli.ask import reaching
    from cli.shell_box import Box
    from lm.errors import ConfigError

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError("This is no terminal.", remedy="Use `autocomplete complete TEXT`.")

    async def run() -> None:
        async with AsyncClient(address) as client:
            await Box(client, address=address, model=model, limit=limit, words=words).run()

    with reaching(address):
        asyncio.run(run())
