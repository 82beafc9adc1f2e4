"""Calls with events that are written together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry

from lm.errors import RequestError
from service.live.events.event import Event, EventKind
from service.live.stores.store import open_store
from service.rpc.event_writer import EventWriter
from service.telemetry.metrics import Metrics


def event(event_id: str) -> Event:
    return Event(event_id=event_id, kind=EventKind.SUBMISSION, at_s=time.time(), model="shop", query="red shoes")


def test_each_call_of_a_batch_gets_what_came_of_its_own_events(tmp_path: Path) -> None:
    told: list[Event] = []

    def wrong() -> Sequence[Event]:
        raise RequestError("user_event.query", "is missing.", fault="MALFORMED")

    async def write() -> list[int | BaseException]:
        writer = EventWriter(store.events, Metrics(CollectorRegistry()), time.time, told.extend)
        calls = [
            writer.write(1, lambda: [event("a")]),
            writer.write(1, wrong),
            writer.write(3, lambda: [event("b"), event("a"), event("c")]),
            writer.write(1, lambda: [event("c")]),
        ]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        writer.close()
        return outcomes

    store = open_store(str(tmp_path / "live.sqlite"))
    first, bad, second, third = asyncio.run(write())
    assert (first, second, third) == (1, 2, 0)
    assert isinstance(bad, RequestError)
    assert [each.event_id for each in told] == ["a", "b", "c"]
    assert len(store.events.after(0, 10)) == 3
    store.close()
