"""`autocomplete.v1.DenyListService`: takes suggestions down."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import structlog
from autocomplete.v1 import deny_list_service_pb2 as pb
from google.protobuf.empty_pb2 import Empty

from lm.errors import EntryNotFoundError, RequestError, StoreUnavailableError, UnsupportedError
from service.live.changes import Change
from service.live.deny_list import (
    KIND,
    MAX_CREATOR,
    MAX_ENTRIES,
    MAX_PATTERNS,
    DenyEntry,
    Operator,
    creation,
    entry_of,
    removal,
)
from service.live.follower import Follower
from service.live.store import LiveStore
from service.rpc.admission import Clock, Lanes
from service.rpc.calls import Call, Calls
from service.rpc.completer import model_resource
from service.rpc.requests import check_length, check_range, read_model_name
from service.telemetry.metrics import Metrics

DENY_LIST_SERVICE = pb.DESCRIPTOR.services_by_name["DenyListService"].full_name
DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 100, 1000
_NAME = re.compile(r"denyListEntries/([0-9a-f]{16})")
_OPERATORS = {
    pb.DenyListEntry.MATCH_OPERATOR_EXACT: Operator.EXACT,
    pb.DenyListEntry.MATCH_OPERATOR_CONTAINS: Operator.CONTAINS,
    pb.DenyListEntry.MATCH_OPERATOR_PATTERN: Operator.PATTERN,
    pb.DenyListEntry.MATCH_OPERATOR_GENERATED: Operator.GENERATED,
    pb.DenyListEntry.MATCH_OPERATOR_EVERYTHING: Operator.EVERYTHING,
}
_NUMBERS = {operator: number for number, operator in _OPERATORS.items()}
_TRIES = 10
"""Others may change the same entry at the same time."""
_log = structlog.get_logger("service.live")


class DenyListServicer:
    """Writes entries to the store; answers obey once they come back from there.

    Args:
        store: None if there is none.
        wall_clock: seconds since 1970.
    """

    def __init__(self, store: LiveStore | None, follower: Follower, metrics: Metrics, wall_clock: Clock) -> None:
        self._given_store = store
        self._follower = follower
        self._failures = metrics.live_write_failures
        self._wall_clock = wall_clock

    async def create_entry(self, request: pb.CreateDenyListEntryRequest, call: Call) -> bytes:
        """`CreateDenyListEntry`."""
        entry = read_entry(request.deny_list_entry, now_s=self._wall_clock())
        self._check_room(entry)
        change = await call.compute(self._written, partial(self._create, entry))
        return entry_message(change).SerializeToString()

    async def delete_entry(self, request: pb.DeleteDenyListEntryRequest, call: Call) -> bytes:
        """`DeleteDenyListEntry`."""
        check_length("remover", request.remover, MAX_CREATOR)
        key = _read_name(request.name)
        await call.compute(self._written, partial(self._delete, key, request.remover))
        return Empty().SerializeToString()

    async def list_entries(self, request: pb.ListDenyListEntriesRequest, call: Call) -> bytes:
        """`ListDenyListEntries`."""
        check_range("page_size", request.page_size, 0, math.inf)
        size = min(request.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        before = _read_token(request.page_token)
        found: list[Change] = await call.compute(partial(self._store.page, KIND, before=before, count=size + 1))
        now_s = self._wall_clock()
        return pb.ListDenyListEntriesResponse(
            deny_list_entries=[*_messages(found[:size], now_s)],
            next_page_token=str(found[size - 1].number) if len(found) > size else "",
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

    @property
    def _store(self) -> LiveStore:
        if self._given_store is None:
            raise UnsupportedError(
                "This server keeps no live state.", remedy="Start it with --live FILE, or with the URL of a Redis."
            )
        return self._given_store

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

    def _written(self, write: Callable[[], Change | None]) -> Change:
        try:
            for _ in range(_TRIES):
                change = write()
                if change is not None:
                    return change
        except StoreUnavailableError as error:
            self._failures.inc()
            _log.error("live_write_failed", error=str(error))
            raise
        raise StoreUnavailableError("Others change this entry all the time.")

    def _create(self, entry: DenyEntry) -> Change | None:
        """The change that made the entry; None if somebody else has changed it at the same time."""
        now_s, store = self._wall_clock(), self._store
        there = store.get(KIND, entry.key)
        if there is None:
            return store.put(creation(entry, at_s=now_s, by=entry.creator), expected=0)
        known = entry_of(there)
        if known.ends_s <= now_s:
            return store.put(creation(entry, at_s=now_s, by=entry.creator), expected=there.number)
        if known.ends_s >= entry.ends_s:
            return there
        return store.put(creation(known.until(entry.ends_s), at_s=now_s, by=entry.creator), expected=there.number)

    def _delete(self, key: str, remover: str) -> Change | None:
        """The change that removed the entry; None as for `_create`."""
        there = self._store.get(KIND, key)
        if there is None:
            raise EntryNotFoundError(f"There is no denyListEntries/{key}.", remedy="`ListDenyListEntries` has all.")
        return self._store.put(removal(there, at_s=self._wall_clock(), by=remover), expected=there.number)


def read_entry(message: pb.DenyListEntry, *, now_s: float) -> DenyEntry:
    """The entry that a message describes.

    Raises:
        RequestError: a field is wrong.
    """
    field = "deny_list_entry"
    operator = _OPERATORS.get(message.match_operator)
    if operator is None:
        remedy = f"One of {', '.join(each.name for each in Operator)}, as MATCH_OPERATOR_EXACT."
        raise RequestError(f"{field}.match_operator", "is none.", fault="MALFORMED", remedy=remedy)
    return DenyEntry(
        operator=operator,
        phrase=message.phrase,
        model=read_model_name(f"{field}.model", message.model),
        reason=message.reason,
        creator=message.creator,
        created_s=now_s,
        ends_s=_end_s(message),
    ).checked()


def _messages(changes: Iterable[Change], now_s: float) -> Iterator[pb.DenyListEntry]:
    """The entries that changes made and that have not ended."""
    for change in changes:
        try:
            if entry_of(change).ends_s > now_s:
                yield entry_message(change)
        except ValueError:  # of a later release: as the follower, this one leaves it out
            continue


def _end_s(message: pb.DenyListEntry) -> float:
    """When an entry ends, in seconds since 1970."""
    if not message.HasField("expire_time"):
        return math.inf
    try:
        return float(message.expire_time.ToNanoseconds() / 1e9)
    except ValueError:
        remedy = "Give one before the year 10000, or leave it out."
        raise RequestError("deny_list_entry.expire_time", "is no time.", fault="OUT_OF_RANGE", remedy=remedy) from None


def entry_message(change: Change) -> pb.DenyListEntry:
    """What a change made, as the API shows it."""
    entry = entry_of(change)
    message = pb.DenyListEntry(
        name=f"denyListEntries/{change.key}",
        phrase=entry.phrase,
        match_operator=_NUMBERS[entry.operator],
        model=model_resource(entry.model) if entry.model else "",
        reason=entry.reason,
        creator=entry.creator,
    )
    message.create_time.FromNanoseconds(round(entry.created_s * 1e9))
    if entry.ends_s < math.inf:
        message.expire_time.FromNanoseconds(round(entry.ends_s * 1e9))
    return message


def _read_name(name: str) -> str:
    match = _NAME.fullmatch(name)
    if match is None:
        remedy = "Format: `denyListEntries/ENTRY`; `ListDenyListEntries` has all."
        raise RequestError("name", "is no entry's name.", fault="MALFORMED", remedy=remedy)
    return match.group(1)


def _read_token(token: str) -> int | None:
    if not token:
        return None
    if not (token.isascii() and token.isdigit() and len(token) < 16):
        remedy = "Start again without one."
        raise RequestError("page_token", "is none that this server gave out.", fault="MALFORMED", remedy=remedy)
    return int(token)
