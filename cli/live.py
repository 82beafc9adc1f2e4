"""`autocomplete live`: saves and restores the live state, reports what users did, and writes it as a query log."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.operators import Server, Who, parse_time, who
from cli.output import counted, print_json, stderr
from cli.serve import DEFAULT_SERVER

if TYPE_CHECKING:
    from service.config import ServerSettings
    from service.live.changes import Change
    from service.live.stores.store import LiveStore

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


class By(StrEnum):
    """What a verdict can be about, by the names of `service.live.events.experiment.MEASURES`."""

    MRR = "mrr"
    ACCEPTED = "accepted"
    KEYSTROKES_SAVED = "keystrokes_saved"


def report(
    since: Annotated[
        str,
        typer.Option(metavar="TIME", help="From when on: 7d, 12h, or a time with its zone, such as 2026-12-01T06:00Z."),
    ] = "7d",
    until: Annotated[str, typer.Option(metavar="TIME", help="Until when, written alike. If not given, now.")] = "0h",
    *,
    model: Annotated[str, typer.Option(help="The one model to report on. If not given, all.")] = "",
    by: Annotated[By, typer.Option(help="What the verdict is about.")] = By.MRR,
    count: Annotated[int, typer.Option(min=0, help="Queries without an answer to list, of each kind.")] = 20,
    min_users: Annotated[
        int | None,
        typer.Option(min=1, help="Users who must have sent a query that is listed. If not given, --live-min-users."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the users of the intervals.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Prints the report as JSON.")] = False,
    live: _Live = None,
    registry: _Registry = None,
) -> None:
    """Reports what users did with each version of a model, which is better, and which queries had no answer."""
    import time

    from cli.live_report import print_report, report_document
    from service.live.events.experiment import MEASURES
    from service.live.events.report import made_report

    now_s = time.time()
    from_s, to_s = (moment_s(text, now_s, option) for text, option in ((since, "--since"), (until, "--until")))
    if from_s >= to_s:
        raise typer.BadParameter("it must be after --since.", param_hint="--until")
    measure = next(each for each in MEASURES if each.name == by.value)
    least = min_users or _settings(live, registry).live_min_users
    store = _open(live, registry, create=False)
    try:
        found = made_report(store.events, from_s, to_s, model=model, min_users=least, seed=seed, by=measure)
    finally:
        store.close()
    if as_json:
        print_json(report_document(found, count))
    else:
        print_report(found, count)


def events(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Parquet file to write.")],
    since: Annotated[
        str,
        typer.Option(metavar="TIME", help="From when on: 7d, 12h, or a time with its zone, such as 2026-12-01T06:00Z."),
    ] = "30d",
    *,
    model: Annotated[str, typer.Option(help="The one model whose events to write. If not given, all.")] = "",
    live: _Live = None,
    registry: _Registry = None,
) -> None:
    """Writes the queries that users submitted or selected as a query log for training.

    Columns: query, time, user (a keyed hash), session, shown (texts and sources, best first), place (of the one that
    was selected, from 0), typed_length, model, version.
    """
    import time

    from cli.live_log import write_log

    since_s = moment_s(since, time.time(), "--since")
    store = _open(live, registry, create=False)
    try:
        count = write_log(store.events, out, since_s=since_s, model=model)
    finally:
        store.close()
    stderr().print(f"{out}: {counted(count, 'query', 'queries')}.", soft_wrap=True)


def forget(
    user: Annotated[str, typer.Argument(help="What requests and events of the user have as `user_pseudo_id`.")],
    by: Who = "",
    server: Server = DEFAULT_SERVER,
) -> None:
    """Removes what a running server keeps of a user: own queries and events. The audit does not say of whom."""
    from autocomplete_client import Client
    from cli.suggestions import reaching

    with reaching(server), Client(server) as client:
        removed = client.delete_user_data(user, remover=by or who())
    print(f"{counted(removed.event_count, 'event', 'events')} and the user's own queries are removed.")


_AGO = re.compile(r"(\d{1,5}(?:\.\d{1,3})?)([mhd])")
_SECONDS = {"m": 60.0, "h": 3600.0, "d": 86400.0}


def moment_s(text: str, now_s: float, option: str) -> float:
    """The time, in seconds since 1970, that is so long ago, or that a text with a time zone says.

    Args:
        option: where it is written, for messages.

    Raises:
        typer.BadParameter: it is none.
    """
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now_s - float(ago[1]) * _SECONDS[ago[2]]
    return parse_time(text, option, such_as="7d, 12h or 2027-01-31T18:00Z").timestamp()


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


def _settings(live: str | None, registry: str | None) -> ServerSettings:
    from gateway.config import GatewaySettings
    from service.config import load_settings

    return load_settings({"live": live, "registry": registry}, others=(GatewaySettings,))


def _open(live: str | None, registry: str | None, *, create: bool) -> LiveStore:
    from lm.errors import ConfigError
    from service.live.stores.store import OFF, open_store, store_location

    settings = _settings(live, registry)
    location = store_location(settings)
    if location == OFF:
        raise ConfigError("There is no live state.", remedy="Name its file, or the URL of its Redis, by --live.")
    return open_store(location, replicas=settings.live_replicas, create=create)
