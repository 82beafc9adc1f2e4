"""`autocomplete.v1.CurationService`: changes what a model suggests without training it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from autocomplete.v1 import curation_service_pb2 as pb
from google.protobuf.empty_pb2 import Empty

from lm.errors import RequestError
from service.live.changes import Change, removal
from service.live.curation import (
    MAX_CREATOR,
    MOST,
    CuratedEntry,
    CuratedItem,
    Hits,
    Pin,
    Synonym,
    When,
    creation,
    item_of,
)
from service.live.follower import Follower
from service.rpc.admission import Lanes
from service.rpc.calls import Call, Calls
from service.rpc.completer import model_resource
from service.rpc.live_writes import LiveWrites, read_time, write_time
from service.rpc.requests import check_length, read_model_name

CURATION_SERVICE = pb.DESCRIPTOR.services_by_name["CurationService"].full_name
MAX_BATCH = 1000
_WHENS = {pb.Pin.MATCH_TYPED: When.TYPED, pb.Pin.MATCH_BEGINS: When.BEGINS}
_NUMBERS = {when: number for number, when in _WHENS.items()}
_COLLECTIONS = {CuratedEntry.kind: "catalogueEntries", Pin.kind: "pins", Synonym.kind: "synonyms"}
_FOUND = {"entry": "entries", "pin": "pins", "synonym": "synonyms", "hits": "queries that find nothing"}


_Item = TypeVar("_Item", bound=CuratedItem)


class CurationServicer:
    """Writes to the store what is curated; answers follow once it comes back from there.

    Args:
        default: the model that is meant where none is named.
    """

    def __init__(self, writes: LiveWrites, follower: Follower, default: str) -> None:
        self._writes = writes
        self._follower = follower
        self._default = default

    async def create_entry(self, request: pb.CreateCatalogueEntryRequest, call: Call) -> bytes:
        """`CreateCatalogueEntry`."""
        entry = self._read_entry(request.catalogue_entry, "catalogue_entry")
        await call.compute(self._create, [entry])
        return entry_message(entry).SerializeToString()

    async def create_entries(self, request: pb.BatchCreateCatalogueEntriesRequest, call: Call) -> bytes:
        """`BatchCreateCatalogueEntries`."""
        _check_batch("requests", request.requests)
        names = await call.compute(self._create_entries, request)
        return pb.BatchCreateCatalogueEntriesResponse(names=names).SerializeToString()

    async def create_pin(self, request: pb.CreatePinRequest, call: Call) -> bytes:
        """`CreatePin`."""
        pin = self._read_pin(request.pin)
        await call.compute(self._create, [pin])
        return pin_message(pin).SerializeToString()

    async def create_synonym(self, request: pb.CreateSynonymRequest, call: Call) -> bytes:
        """`CreateSynonym`."""
        synonym = self._read_synonym(request.synonym)
        await call.compute(self._create, [synonym])
        return synonym_message(synonym).SerializeToString()

    async def set_hit_counts(self, request: pb.SetHitCountsRequest, call: Call) -> bytes:
        """`SetHitCounts`."""
        _check_batch("hit_counts", request.hit_counts)
        check_length("creator", request.creator, MAX_CREATOR)
        await call.compute(self._set_hit_counts, request)
        return pb.SetHitCountsResponse().SerializeToString()

    async def delete(self, kind: str, request: Any, call: Call) -> bytes:
        """`DeleteCatalogueEntry` and the others that delete."""
        check_length("remover", request.remover, MAX_CREATOR)
        match = re.fullmatch(rf"{_COLLECTIONS[kind]}/([0-9a-f]{{16}})", request.name)
        if match is None:
            remedy = f"Format: `{_COLLECTIONS[kind]}/ID`; the method that lists them has all."
            raise RequestError("name", "is not a name of this kind.", fault="MALFORMED", remedy=remedy)
        await call.compute(self._writes.remove, kind, request.name, match.group(1), request.remover)
        return Empty().SerializeToString()

    async def list_entries(self, request: pb.ListCatalogueEntriesRequest, call: Call) -> bytes:
        """`ListCatalogueEntries`."""
        found, token = await call.compute(self._writes.page, CuratedEntry.kind, request)
        entries = [entry_message(each) for each in _items(found)]
        return pb.ListCatalogueEntriesResponse(catalogue_entries=entries, next_page_token=token).SerializeToString()

    async def list_pins(self, request: pb.ListPinsRequest, call: Call) -> bytes:
        """`ListPins`."""
        found, token = await call.compute(self._writes.page, Pin.kind, request)
        now_s = self._writes.wall_clock()
        pins = [pin_message(each) for each in _items(found) if each.ends_s is None or now_s < each.ends_s]
        return pb.ListPinsResponse(pins=pins, next_page_token=token).SerializeToString()

    async def list_synonyms(self, request: pb.ListSynonymsRequest, call: Call) -> bytes:
        """`ListSynonyms`."""
        found, token = await call.compute(self._writes.page, Synonym.kind, request)
        synonyms = [synonym_message(each) for each in _items(found)]
        return pb.ListSynonymsResponse(synonyms=synonyms, next_page_token=token).SerializeToString()

    async def list_hit_counts(self, request: pb.ListHitCountsRequest, call: Call) -> bytes:
        """`ListHitCounts`."""
        found, token = await call.compute(self._writes.page, Hits.kind, request)
        response = pb.ListHitCountsResponse(next_page_token=token)
        for each in _items(found):
            hidden = response.hidden_queries.add(
                query=each.query, model=model_resource(each.model), creator=each.creator
            )
            write_time(hidden.create_time, each.created_s)
        return response.SerializeToString()

    def handlers(self, calls: Calls, lanes: Lanes) -> dict[str, Any]:
        """gRPC's handlers by method."""
        methods: dict[str, tuple[Any, Any]] = {
            "CreateCatalogueEntry": (pb.CreateCatalogueEntryRequest, self.create_entry),
            "BatchCreateCatalogueEntries": (pb.BatchCreateCatalogueEntriesRequest, self.create_entries),
            "DeleteCatalogueEntry": (pb.DeleteCatalogueEntryRequest, partial(self.delete, CuratedEntry.kind)),
            "ListCatalogueEntries": (pb.ListCatalogueEntriesRequest, self.list_entries),
            "CreatePin": (pb.CreatePinRequest, self.create_pin),
            "DeletePin": (pb.DeletePinRequest, partial(self.delete, Pin.kind)),
            "ListPins": (pb.ListPinsRequest, self.list_pins),
            "CreateSynonym": (pb.CreateSynonymRequest, self.create_synonym),
            "DeleteSynonym": (pb.DeleteSynonymRequest, partial(self.delete, Synonym.kind)),
            "ListSynonyms": (pb.ListSynonymsRequest, self.list_synonyms),
            "SetHitCounts": (pb.SetHitCountsRequest, self.set_hit_counts),
            "ListHitCounts": (pb.ListHitCountsRequest, self.list_hit_counts),
        }
        return {name: calls.unary(name, lanes.curation, *method) for name, method in methods.items()}

    def _create_entries(self, request: pb.BatchCreateCatalogueEntriesRequest) -> list[str]:
        """Names of the entries. To read a thousand takes too long for the event loop."""
        entries = [
            self._read_entry(each.catalogue_entry, f"requests[{place}].catalogue_entry")
            for place, each in enumerate(request.requests)
        ]
        self._create(entries)
        return [_name(entry) for entry in entries]

    def _set_hit_counts(self, request: pb.SetHitCountsRequest) -> None:
        said = {"model": self._model("model", request.model), "creator": request.creator}
        now_s = self._writes.wall_clock()
        counts = [
            _placed(f"hit_counts[{place}]", Hits(query=each.query, hits=each.hits, created_s=now_s, **said))
            for place, each in enumerate(request.hit_counts)
        ]
        self._create(counts)

    def _create(self, items: Sequence[CuratedItem]) -> None:
        """Writes what is not there as it is; of several for one key the last counts."""
        store, now_s = self._writes.store, self._writes.wall_clock()
        changes, new = list[Change](), 0
        with self._writes.noted():
            for item in {item.key: item for item in items}.values():
                there, change = store.get(item.kind, item.key), creation(item, at_s=now_s)
                if isinstance(item, Hits) and item.hits > 0:
                    changes += [removal(there, at_s=now_s, by=item.creator)] if there else []
                elif there is None or _said(there) != _said(change):
                    new += there is None
                    changes.append(change)
            if new:
                self._check_room(items[0].kind, new)
            if changes:
                store.append(changes)

    def _check_room(self, kind: str, new: int) -> None:
        if self._follower.overlay.sizes[kind] + new > MOST[kind]:
            field = {"entry": "catalogue_entry", "hits": "hit_counts"}.get(kind, kind)
            problem = f"is one too many: there may be {MOST[kind]:,} {_FOUND[kind]}."
            raise RequestError(field, problem, fault="OUT_OF_RANGE", remedy="Delete others.")

    def _model(self, field: str, value: str) -> str:
        return read_model_name(field, value) or self._default

    def _read_entry(self, message: pb.CatalogueEntry, path: str) -> CuratedEntry:
        entry = CuratedEntry(
            model=self._model(f"{path}.model", message.model),
            text=message.text,
            weight=message.weight,
            payload=message.payload,
            tags=tuple(sorted(set(message.tags))),
            withdrawn=message.withdrawn,
            creator=message.creator,
            created_s=self._writes.wall_clock(),
        )
        return _placed(path, entry)

    def _read_pin(self, message: pb.Pin) -> Pin:
        when = _WHENS.get(message.match)
        if when is None:
            remedy = "MATCH_TYPED, or MATCH_BEGINS."
            raise RequestError("pin.match", "is not one of its values.", fault="MALFORMED", remedy=remedy)
        return Pin(
            model=self._model("pin.model", message.model),
            query=message.query,
            when=when,
            text=message.text,
            payload=message.payload,
            place=message.place,
            boost=message.boost,
            starts_s=read_time("pin.start_time", message, "start_time"),
            ends_s=read_time("pin.expire_time", message, "expire_time"),
            creator=message.creator,
            created_s=self._writes.wall_clock(),
        ).checked()

    def _read_synonym(self, message: pb.Synonym) -> Synonym:
        return Synonym(
            model=self._model("synonym.model", message.model),
            phrase=message.phrase,
            replacement=message.replacement,
            two_way=message.two_way,
            creator=message.creator,
            created_s=self._writes.wall_clock(),
        ).checked()


def entry_message(entry: CuratedEntry) -> pb.CatalogueEntry:
    """An entry as the API shows it."""
    message = pb.CatalogueEntry(
        name=_name(entry),
        model=model_resource(entry.model),
        text=entry.text,
        weight=entry.weight,
        payload=entry.payload,
        tags=entry.tags,
        withdrawn=entry.withdrawn,
        creator=entry.creator,
    )
    write_time(message.create_time, entry.created_s)
    return message


def pin_message(pin: Pin) -> pb.Pin:
    """A pin as the API shows it."""
    message = pb.Pin(
        name=_name(pin),
        model=model_resource(pin.model),
        query=pin.query,
        match=_NUMBERS[pin.when],
        text=pin.text,
        payload=pin.payload,
        place=pin.place,
        boost=pin.boost,
        creator=pin.creator,
    )
    write_time(message.create_time, pin.created_s)
    if pin.starts_s is not None:
        write_time(message.start_time, pin.starts_s)
    if pin.ends_s is not None:
        write_time(message.expire_time, pin.ends_s)
    return message


def synonym_message(synonym: Synonym) -> pb.Synonym:
    """A synonym as the API shows it."""
    message = pb.Synonym(
        name=_name(synonym),
        model=model_resource(synonym.model),
        phrase=synonym.phrase,
        replacement=synonym.replacement,
        two_way=synonym.two_way,
        creator=synonym.creator,
    )
    write_time(message.create_time, synonym.created_s)
    return message


def _name(item: CuratedItem) -> str:
    return f"{_COLLECTIONS[item.kind]}/{item.key}"


def _said(change: Change) -> dict[str, object]:
    """What a change says, but for who and when."""
    return {name: each for name, each in (change.value or {}).items() if name not in ("creator", "created_s")}


def _items(changes: Iterable[Change]) -> Iterator[Any]:
    """What changes made; what is of a later release is left out, as the follower does."""
    for change in changes:
        try:
            yield item_of(change)
        except ValueError:
            continue


def _check_batch(field: str, items: Sequence[object]) -> None:
    if not items:
        raise RequestError(field, "is empty.", fault="MALFORMED", remedy="Give at least one.")
    if len(items) > MAX_BATCH:
        remedy = f"Send at most {MAX_BATCH} at once."
        raise RequestError(field, f"has {len(items)} items.", fault="OUT_OF_RANGE", remedy=remedy)


def _placed(path: str, item: _Item) -> _Item:
    """The item, checked; what is wrong is named by its place in the request."""
    try:
        item.checked()
    except RequestError as error:
        field = f"{path}.{error.field.partition('.')[2]}"
        raise RequestError(field, error.problem.partition(": ")[2], fault=error.fault, remedy=error.remedy) from None
    return item
