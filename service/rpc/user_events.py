"""`autocomplete.v1.UserEventService`: takes in what users did, and lists what is trending."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from autocomplete.v1 import user_event_service_pb2 as pb

from lm.errors import RequestError
from service.live.events.event import MAX_EVENTS_AT_ONCE, Event, EventKind
from service.live.events.trending import Trending
from service.live.follower import Follower
from service.live.users.keys import UserKeys
from service.models.served_models import ServedModels
from service.rpc.admission import Lanes
from service.rpc.calls import Call, Calls
from service.rpc.completer import SOURCES
from service.rpc.event_writer import EventWriter
from service.rpc.live_writes import STORE_AWAY, LiveWrites, no_store
from service.rpc.requests import (
    MAX_QUERY_LENGTH,
    MAX_SUGGESTIONS,
    MAX_USER_ID_LENGTH,
    check_length,
    check_range,
    read_model_name,
    read_page_place,
    read_page_size,
)
from service.telemetry.metrics import Metrics

USER_EVENT_SERVICE = pb.DESCRIPTOR.services_by_name["UserEventService"].full_name
MAX_ID_LENGTH = 128
MAX_AHEAD_S, MAX_BEHIND_S = 5 * 60.0, 30 * 24 * 3600.0
"""How far an event's time may be from the server's."""
MAX_TOKEN_LENGTH = 512
_KINDS = {
    pb.UserEvent.EVENT_TYPE_IMPRESSION: EventKind.IMPRESSION,
    pb.UserEvent.EVENT_TYPE_SELECTION: EventKind.SELECTION,
    pb.UserEvent.EVENT_TYPE_SUBMISSION: EventKind.SUBMISSION,
}
_LABELS = {0: ""} | {number: source.value for source, number in SOURCES.items()}


class UserEventServicer:
    """Checks events and has them written; what they lead to comes back from the store.

    Args:
        writer: None if there is no store.
    """

    def __init__(
        self,
        *,
        writer: EventWriter | None,
        writes: LiveWrites,
        users: UserKeys,
        models: ServedModels,
        trending: Trending,
        follower: Follower,
        metrics: Metrics,
    ) -> None:
        self._writer = writer
        self._writes = writes
        self._users = users
        self._models = models
        self._trending = trending
        self._follower = follower
        self._refused = metrics.live_events.labels("refused")

    async def write_event(self, request: pb.WriteUserEventRequest, _call: Call) -> bytes:
        """`WriteUserEvent`."""
        await self._write([("user_event", request.user_event)])
        return bytes(request.user_event.SerializeToString())

    async def write_events(self, request: pb.WriteUserEventsRequest, _call: Call) -> bytes:
        """`WriteUserEvents`."""
        size = len(request.user_events)
        if not 0 < size <= MAX_EVENTS_AT_ONCE:
            self._refused.inc(size)
            check_range("user_events", size, 1, MAX_EVENTS_AT_ONCE, shown=f"1 to {MAX_EVENTS_AT_ONCE} events")
        named = [(f"user_events[{place}]", each) for place, each in enumerate(request.user_events)]
        new = await self._write(named)
        return bytes(pb.WriteUserEventsResponse(written_count=new, duplicate_count=size - new).SerializeToString())

    async def list_trending(self, request: pb.ListTrendingQueriesRequest, call: Call) -> bytes:
        """`ListTrendingQueries`."""
        name = read_model_name("model", request.model)
        size, start = read_page_size(request), read_page_place(request)
        model = self._models.get(name)
        listed = await call.compute(self._listed, model.name, model.version)
        end = start + size
        return bytes(
            pb.ListTrendingQueriesResponse(
                trending_queries=listed[start:end], next_page_token=str(end) if end < len(listed) else ""
            ).SerializeToString()
        )

    def handlers(self, calls: Calls, lanes: Lanes) -> dict[str, Any]:
        """gRPC's handlers by method."""
        one, many, listed = "WriteUserEvent", "WriteUserEvents", "ListTrendingQueries"
        return {
            one: calls.unary(one, lanes.events, pb.WriteUserEventRequest, self.write_event),
            many: calls.unary(many, lanes.events, pb.WriteUserEventsRequest, self.write_events),
            listed: calls.unary(listed, lanes.curation, pb.ListTrendingQueriesRequest, self.list_trending),
        }

    async def _write(self, named: list[tuple[str, pb.UserEvent]]) -> int:
        if self._writer is None:
            raise no_store()
        try:
            return await self._writer.write(len(named), lambda: self._read(named))
        except RequestError:
            self._refused.inc(len(named))
            raise

    def _read(self, named: list[tuple[str, pb.UserEvent]]) -> list[Event]:
        now_s = self._writes.wall_clock()
        with self._writes.noted(STORE_AWAY):  # the users' secret may be the store's
            return [self._event(field, message, now_s) for field, message in named]

    def _event(self, field: str, message: pb.UserEvent, now_s: float) -> Event:
        """The event that a message describes.

        Raises:
            RequestError: a field is wrong.
        """
        kind = _KINDS.get(message.event_type)
        if kind is None:
            raise _wrong(f"{field}.event_type", "is missing or unknown.", "IMPRESSION, SELECTION or SUBMISSION.")
        _check_texts(field, message)
        if kind is not EventKind.IMPRESSION and not message.query.strip():
            raise _wrong(f"{field}.query", "is missing.", "A selection and a submission say which query it was.")
        check_range(f"{field}.typed_length", message.typed_length, 0, MAX_QUERY_LENGTH)
        model, version = self._model(f"{field}.attribution_token", message.attribution_token)
        return Event(
            event_id=message.event_id,
            kind=kind,
            at_s=_time_s(f"{field}.event_time", message, now_s),
            model=model,
            version=version,
            query=message.query,
            typed_length=message.typed_length,
            place=_place(f"{field}.selected_position", message, kind),
            user=self._users.of(message.user_pseudo_id) if message.user_pseudo_id else "",
            session=message.session_id,
            shown=tuple(_shown(f"{field}.shown", message)),
        )

    def _model(self, field: str, token: str) -> tuple[str, str]:
        """Name and version of the model that an event is of; the version is empty if the event does not say."""
        if not token:
            return self._models.default, ""
        name, version = read_attribution_token(field, token)
        if name not in self._models.names:
            problem, remedy = (
                f"is of models/{name}, which this server does not have.",
                "`ListModels` says which it has.",
            )
            raise _wrong(field, problem, remedy)
        return name, version

    def _listed(self, name: str, version: str) -> list[pb.TrendingQuery]:
        trends, view = self._trending.of(name, version), self._follower.view(name).denied
        return [
            pb.TrendingQuery(
                query=written,
                decayed_count=trend.amount,
                shown=trends.shows(written) and not (view.has_texts and view.blocks(trends.texts[written])),
            )
            for written, trend in sorted(trends.trends.items(), key=lambda each: -each[1].level)
        ]


def read_attribution_token(field: str, token: str) -> tuple[str, str]:
    """Name and version of the model that `service.rpc.completer.attribution_token` put in.

    Raises:
        RequestError: it is none.
    """
    check_length(field, token, MAX_TOKEN_LENGTH)
    try:
        decoded = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
        name, version, _digest = decoded.split("\n")
    except (binascii.Error, ValueError):
        problem, remedy = "did not come with an answer.", "Copy `attribution_token` of the answer, or leave it out."
        raise _wrong(field, problem, remedy) from None
    return name, version


def _check_texts(field: str, message: pb.UserEvent) -> None:
    for name, text, limit in (
        ("event_id", message.event_id, MAX_ID_LENGTH),
        ("query", message.query, MAX_QUERY_LENGTH),
        ("user_pseudo_id", message.user_pseudo_id, MAX_USER_ID_LENGTH),
        ("session_id", message.session_id, MAX_ID_LENGTH),
    ):
        check_length(f"{field}.{name}", text, limit)


def _place(field: str, message: pb.UserEvent, kind: EventKind) -> int | None:
    if kind is not EventKind.SELECTION:
        if message.HasField("selected_position"):
            raise _wrong(field, "is there, but nothing was selected.", "Leave it out, or send a selection.")
        return None
    if not message.HasField("selected_position"):
        raise _wrong(field, "is missing.", "A selection has the place in the list, from 0.")
    check_range(field, message.selected_position, 0, MAX_SUGGESTIONS - 1)
    return int(message.selected_position)


def _time_s(field: str, message: pb.UserEvent, now_s: float) -> float:
    if not message.HasField("event_time"):
        return now_s
    try:
        at_s = float(message.event_time.ToNanoseconds() / 1e9)
    except ValueError:
        raise _wrong(
            field, "is not a valid time.", "Leave it out, or give seconds since 1970.", "OUT_OF_RANGE"
        ) from None
    if at_s > now_s + MAX_AHEAD_S:
        remedy = f"Set the clock right; at most {MAX_AHEAD_S / 60:g} minutes are allowed."
        raise _wrong(field, f"is {at_s - now_s:.0f} s ahead of the server's clock.", remedy, "OUT_OF_RANGE")
    if at_s < now_s - MAX_BEHIND_S:
        remedy = f"Leave out what is older than {MAX_BEHIND_S / 86400:g} days."
        raise _wrong(field, f"is {(now_s - at_s) / 86400:.0f} days ago.", remedy, "OUT_OF_RANGE")
    return min(at_s, now_s)  # else a clock that is fast would end other users' searches


def _shown(field: str, message: pb.UserEvent) -> Iterator[tuple[str, str]]:
    check_range(field, len(message.shown), 0, MAX_SUGGESTIONS, shown=f"at most {MAX_SUGGESTIONS} suggestions")
    for place, each in enumerate(message.shown):
        if not each.text:
            raise _wrong(f"{field}[{place}].text", "is missing.", "Give the text of the suggestion.")
        check_length(f"{field}[{place}].text", each.text, MAX_QUERY_LENGTH)
        yield each.text, _LABELS.get(each.source, "")


def _wrong(field: str, problem: str, remedy: str, fault: Any = "MALFORMED") -> RequestError:
    return RequestError(field, problem, fault=fault, remedy=remedy)
