"""`autocomplete.v1.CurationService`: changes what a model suggests without training it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from autocomplete.v1 import curation_service_pb2 as pb
from google.protobuf.empty_pb2 import Empty

from lm.errors import RequestError
from service.live.changes import MAX_CREATOR, Change, removal
from service.live.curation import (
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

    async def create(self, field: str, read: Callable[[Any, str], CuratedItem], request: Any, call: Call) -> bytes:
        """`CreateCatalogueEntry` and the others that create one item.

        Args:
            field: of the request, which holds the item.
        """
        item = read(getattr(request, field), field)
        await call.compute(self._create, [item])
        return bytes(_message(item).SerializeToString())

    async def create_entries(self, request: pb.BatchCreateCatalogueEntriesRequest, call: Call) -> bytes:
        """`BatchCreateCatalogueEntries`."""
        _check_batch("requests", request.requests)
        names = await call.compute(self._create_entries, request)
        return pb.BatchCreateCatalogueEntriesResponse(names=names).SerializeToString()

    async def set_hit_counts(self, request: pb.SetHitCountsRequest, call: Call) -> bytes:
        """`SetHitCounts`."""
        _check_batch("hit_counts", request.hit_counts)
        check_length("creator", request.creator, MAX_CREATOR)
        await call.compute(self._set_hit_counts, request)
        return pb.SetHitCountsResponse().SerializeToString()

    async def delete(self, kind: str, request: Any, call: Call) -> bytes:
        """`DeleteCatalogueEntry` and the others that delete."""
        await call.compute(self._writes.remove, kind, _COLLECTIONS[kind], request)
        return Empty().SerializeToString()

    async def list_items(self, kind: str, response: Any, field: str, request: Any, call: Call) -> bytes:
        """`ListCatalogueEntries` and the others that list.

        Args:
            field: of the response, which holds the items.
        """
        found, token = await call.compute(self._writes.page, kind, request)
        shown = [_message(each) for each in _items(found, self._writes.wall_clock())]
        return bytes(response(**{field: shown}, next_page_token=token).SerializeToString())

    def handlers(self, calls: Calls, lanes: Lanes) -> dict[str, Any]:
        """gRPC's handlers by method."""
        create, delete, listed = self.create, self.delete, self.list_items
        methods: dict[str, tuple[Any, Any]] = {
            "CreateCatalogueEntry": (
                pb.CreateCatalogueEntryRequest,
                partial(create, "catalogue_entry", self._read_entry),
            ),
            "BatchCreateCatalogueEntries": (pb.BatchCreateCatalogueEntriesRequest, self.create_entries),
            "DeleteCatalogueEntry": (pb.DeleteCatalogueEntryRequest, partial(delete, CuratedEntry.kind)),
            "ListCatalogueEntries": (
                pb.ListCatalogueEntriesRequest,
                partial(listed, CuratedEntry.kind, pb.ListCatalogueEntriesResponse, "catalogue_entries"),
            ),
            "CreatePin": (pb.CreatePinRequest, partial(create, "pin", self._read_pin)),
            "DeletePin": (pb.DeletePinRequest, partial(delete, Pin.kind)),
            "ListPins": (pb.ListPinsRequest, partial(listed, Pin.kind, pb.ListPinsResponse, "pins")),
            "CreateSynonym": (pb.CreateSynonymRequest, partial(create, "synonym", self._read_synonym)),
            "DeleteSynonym": (pb.DeleteSynonymRequest, partial(delete, Synonym.kind)),
            "ListSynonyms": (
                pb.ListSynonymsRequest,
                partial(listed, Synonym.kind, pb.ListSynonymsResponse, "synonyms"),
            ),
            "SetHitCounts": (pb.SetHitCountsRequest, self.set_hit_counts),
            "ListHitCounts": (
                pb.ListHitCountsRequest,
                partial(listed, Hits.kind, pb.ListHitCountsResponse, "hidden_queries"),
            ),
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

    def _read_pin(self, message: pb.Pin, path: str) -> Pin:
        when = _WHENS.get(message.match)
        if when is None:
            remedy = "MATCH_TYPED, or MATCH_BEGINS."
            raise RequestError(f"{path}.match", "is not one of its values.", fault="MALFORMED", remedy=remedy)
        return Pin(
            model=self._model(f"{path}.model", message.model),
            query=message.query,
            when=when,
            text=message.text,
            payload=message.payload,
            place=message.place,
            boost=message.boost,
            starts_s=read_time(f"{path}.start_time", message, "start_time"),
            ends_s=read_time(f"{path}.expire_time", message, "expire_time"),
            creator=message.creator,
            created_s=self._writes.wall_clock(),
        ).checked()

    def _read_synonym(self, message: pb.Synonym, path: str) -> Synonym:
        return Synonym(
            model=self._model(f"{path}.model", message.model),
            phrase=message.phrase,
            replacement=message.replacement,
            two_way=message.two_way,
            creator=message.creator,
            created_s=self._writes.wall_clock(),
        ).checked()


def _message(item: CuratedItem) -> Any:
    """An item as the API shows it."""
    if isinstance(item, CuratedEntry):
        message: Any = pb.CatalogueEntry(
            text=item.text, weight=item.weight, payload=item.payload, tags=item.tags, withdrawn=item.withdrawn
        )
    elif isinstance(item, Pin):
        message = _pin_message(item)
    elif isinstance(item, Synonym):
        message = pb.Synonym(phrase=item.phrase, replacement=item.replacement, two_way=item.two_way)
    else:
        message = pb.ListHitCountsResponse.HiddenQuery(query=item.query)
    if not isinstance(item, Hits):
        message.name = _name(item)
    message.model, message.creator = model_resource(item.model), item.creator
    write_time(message.create_time, item.created_s)
    return message


def _pin_message(pin: Pin) -> pb.Pin:
    message = pb.Pin(
        query=pin.query,
        match=_NUMBERS[pin.when],
        text=pin.text,
        payload=pin.payload,
        place=pin.place,
        boost=pin.boost,
    )
    if pin.starts_s is not None:
        write_time(message.start_time, pin.starts_s)
    if pin.ends_s is not None:
        write_time(message.expire_time, pin.ends_s)
    return message


def _name(item: CuratedItem) -> str:
    return f"{_COLLECTIONS[item.kind]}/{item.key}"


def _said(change: Change) -> dict[str, object]:
    """What a change says, but for who and when."""
    return {name: each for name, each in (change.value or {}).items() if name not in ("creator", "created_s")}


def _items(changes: Iterable[Change], now_s: float) -> Iterator[CuratedItem]:
    """What changes made, but for pins that have ended; what is of a later release is left out, as the follower does."""
    for change in changes:
        try:
            item = item_of(change)
        except ValueError:
            continue
        if not isinstance(item, Pin) or item.ends_s is None or now_s < item.ends_s:
            yield item


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
