"""`autocomplete live export` and `import`, which save and restore the live state."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import stderr

if TYPE_CHECKING:
    from service.live.changes import Change
    from service.live.store import LiveStore

_AT_ONCE = 500
_Live = Annotated[
    str | None,
    typer.Option(
        metavar="FILE or URL",
        help="The live state, as the server's --live. If not given, as the server's variables of the environment say.",
    ),
]
_Registry = Annotated[str | None, typer.Option(help="Without a live state, the one beside this registry.")]


def export(live: _Live = None, registry: _Registry = None) -> None:
    """Prints every change of the live state as a line of JSON: what holds now, and all that led to it."""
    from service.live.changes import to_line

    store = _open(live, registry, create=False)
    try:
        for change in _log(store):
            print(to_line(change))
    finally:
        store.close()


def import_changes(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="What `autocomplete live export` printed; `-` for stdin.")
    ],
    live: _Live = None,
    registry: _Registry = None,
) -> None:
    """Takes up those changes of an export that the live state does not have. Servers may run meanwhile."""
    from lm.errors import InputError

    if file == "-":
        changes = _read(sys.stdin, "stdin")
    else:
        try:
            with Path(file).open(encoding="utf-8") as lines:
                changes = _read(lines, file)
        except UnicodeDecodeError:
            raise InputError(file, "not UTF-8 text.", remedy="Give what `autocomplete live export` wrote.") from None
    store = _open(live, registry, create=True)
    try:
        known = {_anywhere(change) for change in _log(store)}
        missing = [change for change in changes if _anywhere(change) not in known]
        for start in range(0, len(missing), _AT_ONCE):
            store.append(missing[start : start + _AT_ONCE])
    finally:
        store.close()
    stderr().print(f"{len(missing)} of {len(changes)} changes were new.")


def _anywhere(change: Change) -> str:
    """A change as it is anywhere, whatever number it has."""
    from service.live.changes import to_line

    return to_line(replace(change, number=0))


def _read(lines: Iterator[str], name: str) -> list[Change]:
    """All changes of an export, in their order.

    Raises:
        InputError: a line is none.
    """
    from lm.errors import InputError, RequestError
    from service.live.changes import from_line
    from service.live.kinds import check

    changes = []
    for place, line in enumerate(lines, 1):
        if line.strip():
            change = from_line(line, name, place)
            try:
                check(change)
            except (ValueError, RequestError) as error:
                raise InputError(name, str(error), line=place) from None
            changes.append(change)
    return sorted(changes, key=lambda change: change.number)


def _log(store: LiveStore) -> Iterator[Change]:
    number = 0
    while page := store.log(after=number, count=_AT_ONCE):
        yield from page
        number = page[-1].number


def _open(live: str | None, registry: str | None, *, create: bool) -> LiveStore:
    from gateway.config import GatewaySettings
    from lm.errors import ConfigError
    from service.config import load_settings
    from service.live.store import OFF, open_store, store_location

    settings = load_settings({"live": live, "registry": registry}, others=(GatewaySettings,))
    location = store_location(settings)
    if location == OFF:
        raise ConfigError("There is no live state.", remedy="Name its file, or the URL of its Redis, by --live.")
    return open_store(location, replicas=settings.live_replicas, create=create)
