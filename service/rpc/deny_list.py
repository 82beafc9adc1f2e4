"""`autocomplete.v1.DenyListService`: takes suggestions down."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from autocomplete.v1 import deny_list_service_pb2 as pb
from google.protobuf.empty_pb2 import Empty

from lm.errors import RequestError
from service.live.changes import Change
from service.live.deny_list import (
    KIND,
    MAX_ENTRIES,
    MAX_PATTERNS,
    DenyEntry,
    Operator,
    creation,
    entry_of,
)
from service.live.follower import Follower
from service.rpc.admission import Lanes
from service.rpc.calls import Call, Calls
from service.rpc.completer import model_resource
from service.rpc.live_writes import LiveWrites, read_time, write_time
from service.rpc.requests import read_model_name

DENY_LIST_SERVICE = pb.DESCRIPTOR.services_by_name["DenyListService"].full_name
_COLLECTION = "denyListEntries"
_OPERATORS = {
    pb.DenyListEntry.MATCH_OPERATOR_EXACT: Operator.EXACT,
    pb.DenyListEntry.MATCH_OPERATOR_CONTAINS: Operator.CONTAINS,
    pb.DenyListEntry.MATCH_OPERATOR_PATTERN: Operator.PATTERN,
    pb.DenyListEntry.MATCH_OPERATOR_GENERATED: Operator.GENERATED,
    pb.DenyListEntry.MATCH_OPERATOR_EVERYTHING: Operator.EVERYTHING,
}
_NUMBERS = {operator: number for number, operator in _OPERATORS.items()}


class DenyListServicer:
    """Writes entries to the store; answers obey once they come back from there."""

    def __init__(self, writes: LiveWrites, follower: Follower) -> None:
        self._writes = writes
        self._follower = follower

    async def create_entry(self, request: pb.CreateDenyListEntryRequest, call: Call) -> bytes:
        """`CreateDenyListEntry`."""
        entry = read_entry(request.deny_list_entry, now_s=self._writes.wall_clock())
        self._check_room(entry)
        change = await call.compute(self._writes.written, partial(self._create, entry))
        return entry_message(change).SerializeToString()

    async def delete_entry(self, request: pb.DeleteDenyListEntryRequest, call: Call) -> bytes:
        """`DeleteDenyListEntry`."""
        await call.compute(self._writes.remove, KIND, _COLLECTION, request)
        return Empty().SerializeToString()

    async def list_entries(self, request: pb.ListDenyListEntriesRequest, call: Call) -> bytes:
        """`ListDenyListEntries`."""
        found, next_token = await call.compute(self._writes.page, KIND, request)
        return pb.ListDenyListEntriesResponse(
            deny_list_entries=[*_messages(found, self._writes.wall_clock())], next_page_token=next_token
        ).SerializeToString()

    def handlers(self, calls: Calls, lanes: Lanes) -> dict[str, Any]:
        """gRPC's handlers by method."""
        lane = lanes.changes
        create, delete, listed = "CreateDenyListEntry", "DeleteDenyListEntry", "ListDenyListEntries"
        return {
            create: calls.unary(create, lane, pb.CreateDenyListEntryRequest, self.create_entry),
            delete: calls.unary(delete, lane, pb.DeleteDenyListEntryRequest, self.delete_entry),
            listed: calls.unary(listed, lane, pb.ListDenyListEntriesRequest, self.list_entries),
        }

    def _check_room(self, entry: DenyEntry) -> None:
        if not entry.operator.has_phrase:
            return  # there is always room for a kill switch
        denied = self._follower.overlay.denied
        is_pattern = entry.operator is Operator.PATTERN
        if denied.size >= MAX_ENTRIES or (is_pattern and denied.pattern_count >= MAX_PATTERNS):
            most = f"{MAX_PATTERNS:,} patterns" if is_pattern else f"{MAX_ENTRIES:,} entries"
            raise RequestError(
                "deny_list_entry", f"is one too many: there are {most}.", fault="OUT_OF_RANGE", remedy="Delete others."
            )

    def _create(self, entry: DenyEntry) -> Change | None:
        """The change that made the entry; None if somebody else has changed it at the same time."""
        now_s, store = self._writes.wall_clock(), self._writes.store
        there = store.get(KIND, entry.key)
        if there is None:
            return store.put(creation(entry, at_s=now_s, by=entry.creator), expected=0)
        known = entry_of(there)
        if known.ends_s <= now_s:
            return store.put(creation(entry, at_s=now_s, by=entry.creator), expected=there.number)
        if known.ends_s >= entry.ends_s:
            return there
        return store.put(creation(known.until(entry.ends_s), at_s=now_s, by=entry.creator), expected=there.number)


def read_entry(message: pb.DenyListEntry, *, now_s: float) -> DenyEntry:
    """The entry that a message describes.

    Raises:
        RequestError: a field is wrong.
    """
    field = "deny_list_entry"
    operator = _OPERATORS.get(message.match_operator)
    if operator is None:
        remedy = f"One of {', '.join(each.name for each in Operator)}, as MATCH_OPERATOR_EXACT."
        raise RequestError(f"{field}.match_operator", "is missing or unknown.", fault="MALFORMED", remedy=remedy)
    ends_s = read_time(f"{field}.expire_time", message, "expire_time")
    return DenyEntry(
        operator=operator,
        phrase=message.phrase,
        model=read_model_name(f"{field}.model", message.model),
        reason=message.reason,
        creator=message.creator,
        created_s=now_s,
        ends_s=math.inf if ends_s is None else ends_s,
    ).checked()


def _messages(changes: Iterable[Change], now_s: float) -> Iterator[pb.DenyListEntry]:
    """The entries that changes made and that have not ended."""
    for change in changes:
        try:
            if entry_of(change).ends_s > now_s:
                yield entry_message(change)
        except ValueError:  # of a later release: as the follower, this one leaves it out
            continue


def entry_message(change: Change) -> pb.DenyListEntry:
    """What a change made, as the API shows it."""
    entry = entry_of(change)
    message = pb.DenyListEntry(
        name=f"{_COLLECTION}/{change.key}",
        phrase=entry.phrase,
        match_operator=_NUMBERS[entry.operator],
        model=model_resource(entry.model) if entry.model else "",
        reason=entry.reason,
        creator=entry.creator,
    )
    write_time(message.create_time, entry.created_s)
    if entry.ends_s < math.inf:
        write_time(message.expire_time, entry.ends_s)
    return message
