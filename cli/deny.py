"""`autocomplete deny add`, `list` and `remove`: take suggestions down on a running server."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import typer

from cli.operators import TIMEOUT_S, Row, Server, Who, calling, lister, parse_time, remover, resource, who
from cli.serve import DEFAULT_SERVER

_SERVICE = "DenyListService"


class Match(StrEnum):
    """What an entry takes down."""

    EXACT = "exact"
    CONTAINS = "contains"
    PATTERN = "pattern"
    GENERATED = "generated"
    EVERYTHING = "everything"


def add(
    phrase: Annotated[
        str, typer.Argument(help="What no suggestion may show. `generated` and `everything` have none.")
    ] = "",
    *,
    match: Annotated[
        Match,
        typer.Option(
            help="What is taken down: texts that are the phrase (`exact`), hold its words (`contains`) or match it as "
            "a regular expression of RE2 (`pattern`); all that models generate; or everything."
        ),
    ] = Match.EXACT,
    model: Annotated[str, typer.Option(help="The one model that it holds for. If not given, all.")] = "",
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    until: Annotated[
        str,
        typer.Option(metavar="TIME", help="When it ends by itself, such as 2027-01-31T18:00Z. If not given, never."),
    ] = "",
    by: Who = "",
    server: Server = DEFAULT_SERVER,
) -> None:
    """Takes suggestions down, on every replica within two seconds."""
    from autocomplete.v1 import deny_list_service_pb2 as pb

    entry = pb.DenyListEntry(
        phrase=phrase,
        match_operator=f"MATCH_OPERATOR_{match.name}",
        model=resource(model),
        reason=reason,
        creator=by or who(),
    )
    if until:
        entry.expire_time.FromDatetime(parse_time(until, "--until"))
    with calling(server, _SERVICE, model=entry.model) as service:
        created = service.CreateDenyListEntry(pb.CreateDenyListEntryRequest(deny_list_entry=entry), timeout=TIMEOUT_S)
    print(created.name.partition("/")[2])


def _shown(entry: Row) -> Mapping[str, str]:
    since, until = (entry.get(field, "")[:16].replace("T", " ") for field in ("create_time", "expire_time"))
    lasts = [since, f"to {until}" if until else "", entry.get("creator", "")]
    return {
        "entry": entry["name"].partition("/")[2],
        "match": entry["match_operator"].removeprefix("MATCH_OPERATOR_").lower(),
        "phrase": entry.get("phrase", ""),
        "model": entry.get("model", "").removeprefix("models/"),
        "reason": entry.get("reason", ""),
        "since (UTC), by": "\n".join(filter(None, lasts)),
    }


list_entries = lister(
    _SERVICE, "ListDenyListEntries", "deny_list_entries", _shown, "Lists what is taken down, newest first."
)
remove = remover(_SERVICE, "DeleteDenyListEntry", "denyListEntries", "Lets suggestions be shown again.")
