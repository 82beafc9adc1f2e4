"""`autocomplete curate`: changes what a running server suggests, without training."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.operators import TIMEOUT_S, Row, Server, Who, calling, lister, parse_time, remover, resource, who
from cli.output import counted, stderr
from cli.serve import DEFAULT_SERVER

_BATCH, _BATCH_BYTES = 1000, 200_000
"""A request may have 1,000 items and 1 MiB."""
_IN_JSON_ALONE = ("create_time", "creator", "model", "payload")
"""Fields that a table has no room for."""
_OF_BATCH = re.compile(r"(?:requests|hit_counts)\[(\d+)\]\.(?:catalogue_entry\.)?(.+)", re.DOTALL)
"""How the server names a field of one message of many."""
_Placed = tuple[int, Any]
"""A message and the line of the file that holds it."""
_Model = Annotated[str, typer.Option(help="The model that it holds for. If not given, the server's default one.")]
_SERVICE = "CurationService"
_LISTS = "Lists them, changed last first."
_RESTORES = "Removes what was added. What the model itself has then holds again."


def add_entry(
    text: Annotated[str, typer.Argument(help="The title, as it is shown.")],
    *,
    weight: Annotated[float, typer.Option(help="How much it is wanted, on the scale of the catalogue.")] = 1.0,
    payload: Annotated[str, typer.Option(help="What is handed out with it.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="What requests may filter by; may be given again.")] = None,
    model: _Model = "",
    by: Who = "",
    server: Server = DEFAULT_SERVER,
) -> None:
    """Adds an entry to the catalogue, or changes the one with this text."""
    _create_entry(
        server, text=text, weight=weight, payload=payload, tags=tag or [], model=resource(model), creator=by or who()
    )


def withdraw_entry(
    text: Annotated[str, typer.Argument(help="The title; case does not count.")],
    *,
    model: _Model = "",
    by: Who = "",
    server: Server = DEFAULT_SERVER,
) -> None:
    """Stops suggesting a text, such as what is out of stock, also one of the model's own catalogue or log."""
    _create_entry(server, text=text, withdrawn=True, model=resource(model), creator=by or who())


def load_entries(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help='Lines of JSON, `-` for stdin: {"text": "Red Shoes", "weight": 3, "payload": "17", "tags": ["shoes"]},'
            ' or {"text": "Old Hat", "withdrawn": true}.',
        ),
    ],
    *,
    model: _Model = "",
    by: Who = "",
    server: Server = DEFAULT_SERVER,
) -> None:
    """Adds or changes many entries. Those that are there as they are given stay as they are."""
    from autocomplete.v1 import curation_service_pb2 as pb

    entries = list(_messages(file, pb.CatalogueEntry, model=resource(model), creator=by or who()))
    with calling(server, _SERVICE, model=resource(model)) as service:
        for batch in _batches(entries):
            requests = [pb.CreateCatalogueEntryRequest(catalogue_entry=entry) for _, entry in batch]
            request = pb.BatchCreateCatalogueEntriesRequest(requests=requests)
            with _naming_lines(file, batch):
                service.BatchCreateCatalogueEntries(request, timeout=TIMEOUT_S)
    stderr().print(f"{counted(len(entries), 'entry', 'entries')}.")


def add_pin(
    query: Annotated[str, typer.Argument(help="What is typed; empty for the empty box.")],
    text: Annotated[str, typer.Argument(help="What is suggested for it, as it is shown.")],
    *,
    place: Annotated[
        int | None, typer.Option(min=1, help="Where it stands, 1 to 20. If not given, and no boost, 1.")
    ] = None,
    boost: Annotated[float, typer.Option(help="Or what its probability is multiplied with.")] = 0.0,
    begins: Annotated[bool, typer.Option("--begins", help="Holds for all that begins with QUERY.")] = False,
    payload: Annotated[str, typer.Option(help="What is handed out with it.")] = "",
    since: Annotated[str, typer.Option(metavar="TIME", help="When it begins, such as 2027-01-31T18:00Z.")] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="When it ends by itself.")] = "",
    model: _Model = "",
    by: Who = "",
    server: Server = DEFAULT_SERVER,
) -> None:
    """Puts a text at a place of the list, or boosts it."""
    from autocomplete.v1 import curation_service_pb2 as pb

    pin = pb.Pin(
        query=query,
        text=text,
        match=pb.Pin.MATCH_BEGINS if begins else pb.Pin.MATCH_TYPED,
        place=place or (0 if boost else 1),
        boost=boost,
        payload=payload,
        model=resource(model),
        creator=by or who(),
    )
    if since:
        pin.start_time.FromDatetime(parse_time(since, "--since"))
    if until:
        pin.expire_time.FromDatetime(parse_time(until, "--until"))
    with calling(server, _SERVICE, model=pin.model) as service:
        print(service.CreatePin(pb.CreatePinRequest(pin=pin), timeout=TIMEOUT_S).name)


def add_synonym(
    phrase: Annotated[str, typer.Argument(help="What is typed, such as `tv`.")],
    replacement: Annotated[str, typer.Argument(help="What is also looked for in its place, such as `television`.")],
    *,
    two_way: Annotated[bool, typer.Option("--two-way", help="Also the other way round.")] = False,
    model: _Model = "",
    by: Who = "",
    server: Server = DEFAULT_SERVER,
) -> None:
    """Lets words also find what has other words."""
    from autocomplete.v1 import curation_service_pb2 as pb

    synonym = pb.Synonym(
        phrase=phrase, replacement=replacement, two_way=two_way, model=resource(model), creator=by or who()
    )
    with calling(server, _SERVICE, model=synonym.model) as service:
        print(service.CreateSynonym(pb.CreateSynonymRequest(synonym=synonym), timeout=TIMEOUT_S).name)


def set_hits(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help='Lines of JSON, `-` for stdin: {"query": "red shoes", "hits": 0}.')
    ],
    *,
    model: _Model = "",
    by: Who = "",
    server: Server = DEFAULT_SERVER,
) -> None:
    """Says how much queries find. Those that find nothing are not suggested until they do."""
    from autocomplete.v1 import curation_service_pb2 as pb

    counts = list(_messages(file, pb.HitCount))
    with calling(server, _SERVICE, model=resource(model)) as service:
        for batch in _batches(counts):
            given = [count for _, count in batch]
            request = pb.SetHitCountsRequest(model=resource(model), hit_counts=given, creator=by or who())
            with _naming_lines(file, batch):
                service.SetHitCounts(request, timeout=TIMEOUT_S)
    stderr().print(f"{counted(len(counts), 'query', 'queries')}.")


def _cells(message: Row) -> Mapping[str, str]:
    cells = {field.replace("_", " "): _cell(value) for field, value in message.items() if field not in _IN_JSON_ALONE}
    return cells | ({"name": message["name"].partition("/")[2]} if "name" in message else {})


def _cell(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value).removeprefix("MATCH_")


COMMANDS: Mapping[str, tuple[str, Mapping[str, Callable[..., None]]]] = {
    "entries": (
        "Entries of the catalogue.",
        {
            "add": add_entry,
            "load": load_entries,
            "withdraw": withdraw_entry,
            "list": lister(_SERVICE, "ListCatalogueEntries", "catalogue_entries", _cells, _LISTS),
            "remove": remover(_SERVICE, "DeleteCatalogueEntry", "catalogueEntries", _RESTORES),
        },
    ),
    "pins": (
        "Texts that stand where you want them.",
        {
            "add": add_pin,
            "list": lister(_SERVICE, "ListPins", "pins", _cells, _LISTS),
            "remove": remover(_SERVICE, "DeletePin", "pins", _RESTORES),
        },
    ),
    "synonyms": (
        "Words that find what has other words.",
        {
            "add": add_synonym,
            "list": lister(_SERVICE, "ListSynonyms", "synonyms", _cells, _LISTS),
            "remove": remover(_SERVICE, "DeleteSynonym", "synonyms", _RESTORES),
        },
    ),
    "hits": (
        "Queries that find nothing.",
        {"set": set_hits, "list": lister(_SERVICE, "ListHitCounts", "hidden_queries", _cells, _LISTS)},
    ),
}
"""What it does and its commands, by the name of each group."""


def _create_entry(server: str, **fields: Any) -> None:
    from autocomplete.v1 import curation_service_pb2 as pb

    request = pb.CreateCatalogueEntryRequest(catalogue_entry=pb.CatalogueEntry(**fields))
    with calling(server, _SERVICE, model=fields["model"]) as service:
        print(service.CreateCatalogueEntry(request, timeout=TIMEOUT_S).name)


def _messages(file: str, kind: Any, **fields: str) -> Iterator[_Placed]:
    """The messages that a file has, one a line, with some fields for all of them.

    Raises:
        InputError: a line holds none.
    """
    from google.protobuf.json_format import ParseDict, ParseError

    from lm.errors import InputError

    for place, line in enumerate(_lines(file), 1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
            wrong = _wrong(kind, document)
            message = None if wrong else ParseDict(document, kind())
        except json.JSONDecodeError as error:
            wrong = f"not JSON: {error.msg}, column {error.colno}."
        except (ValueError, TypeError, ParseError) as error:
            wrong = f"{str(error).rstrip('.')}."
        if wrong:
            raise InputError(_shown(file), wrong, line=place, remedy="`--help` shows what a line holds.") from None
        for field, value in fields.items():
            setattr(message, field, value)
        yield place, message


def _wrong(kind: Any, document: Any) -> str:
    """What keeps a document from being such a message, as far as its fields' names show it; empty if nothing."""
    if not isinstance(document, dict):
        return "not a JSON object."
    known = {*kind.DESCRIPTOR.fields_by_name, *kind.DESCRIPTOR.fields_by_camelcase_name}
    unknown = next((name for name in document if name not in known), None)
    return "" if unknown is None else f"there is no field {unknown!r}."


@contextmanager
def _naming_lines(file: str, batch: list[_Placed]) -> Iterator[None]:
    """Names the line of the file where the server refuses a message of a batch.

    Raises:
        InputError: it does.
    """
    import grpc

    from autocomplete_client.errors import from_rpc
    from lm.errors import InputError

    try:
        yield
    except grpc.RpcError as error:
        found = _OF_BATCH.fullmatch(from_rpc(error).message)
        if found is None:
            raise
        place, _ = batch[int(found[1])]
        raise InputError(_shown(file), found[2], line=place) from None


def _shown(file: str) -> str:
    return "stdin" if file == "-" else file


def _lines(file: str) -> list[str]:
    from lm.errors import InputError

    try:
        return (sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")).split("\n")
    except UnicodeDecodeError:
        raise InputError(_shown(file), "not UTF-8 text.", remedy="Write it as UTF-8.") from None


def _batches(messages: list[_Placed]) -> Iterator[list[_Placed]]:
    batch, size = list[_Placed](), 0
    for place, message in messages:
        if len(batch) == _BATCH or (batch and size + message.ByteSize() > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((place, message))
        size += message.ByteSize() + 8
    if batch:
        yield batch
