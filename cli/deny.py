"""`autocomplete deny add`, `list` and `remove`: take suggestions down on a running server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.operators import TIMEOUT_S, Server, Who, calling, pages, parse_time, resource, who
from cli.output import print_json, stdout
from cli.serve import DEFAULT_SERVER

if TYPE_CHECKING:
    from autocomplete.v1 import deny_list_service_pb2 as pb
    from rich.table import Table


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
            help="What is taken down: what is the phrase (`exact`), has its words in it (`contains`) or matches a "
            "regular expression of RE2 (`pattern`); all that models generate; or everything."
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
    with _service(server, entry.model) as service:
        created = service.CreateDenyListEntry(pb.CreateDenyListEntryRequest(deny_list_entry=entry), timeout=TIMEOUT_S)
    print(created.name.partition("/")[2])


def list_entries(
    as_json: Annotated[bool, typer.Option("--json", help="Prints the entries as JSON.")] = False,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Lists what is taken down, newest first."""
    from google.protobuf.json_format import MessageToDict

    with _service(server) as service:
        entries = list(_all(service))
    if as_json:
        print_json({"deny_list_entries": [MessageToDict(each, preserving_proto_field_name=True) for each in entries]})
    else:
        stdout().print(_table(entries))


def remove(
    entries: Annotated[list[str], typer.Argument(metavar="ENTRY...", help="What `add` printed and `list` shows.")],
    by: Who = "",
    server: Server = DEFAULT_SERVER,
) -> None:
    """Lets suggestions be shown again."""
    from autocomplete.v1 import deny_list_service_pb2 as pb

    with _service(server) as service:
        for entry in entries:
            name = f"denyListEntries/{entry.removeprefix('denyListEntries/')}"
            service.DeleteDenyListEntry(
                pb.DeleteDenyListEntryRequest(name=name, remover=by or who()), timeout=TIMEOUT_S
            )
            print(f"{entry}: removed")


def _service(address: str, model: str = "") -> AbstractContextManager[Any]:
    return calling(address, "deny_list_service_pb2_grpc", "DenyListService", model=model)


def _all(service: Any) -> Iterator[pb.DenyListEntry]:
    from autocomplete.v1 import deny_list_service_pb2 as pb

    for page in pages(service.ListDenyListEntries, pb.ListDenyListEntriesRequest()):
        yield from page.deny_list_entries


def _table(entries: list[pb.DenyListEntry]) -> Table:
    from autocomplete.v1 import deny_list_service_pb2 as pb
    from rich.markup import escape
    from rich.table import Table

    table = Table(caption=f"{len(entries)} entries", caption_justify="left")
    for column in ("entry", "match", "phrase", "model", "since", "until", "by", "reason"):
        table.add_column(column, overflow="fold", no_wrap=column in ("entry", "match"))
    for each in entries:
        match = pb.DenyListEntry.MatchOperator.Name(each.match_operator).removeprefix("MATCH_OPERATOR_").lower()
        times = [each.create_time.ToDatetime(), each.expire_time.ToDatetime() if each.HasField("expire_time") else None]
        since, until = ("" if time is None else f"{time:%Y-%m-%d %H:%M}" for time in times)
        model = each.model.removeprefix("models/") or "all"
        cells = (each.name.partition("/")[2], match, each.phrase, model, since, until, each.creator, each.reason)
        table.add_row(*map(escape, cells))
    return table
