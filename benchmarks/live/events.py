"""What learning from users' events promises, on real servers."""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, closing
from pathlib import Path

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import user_event_service_pb2 as event_pb
from autocomplete.v1 import user_event_service_pb2_grpc as event_grpc

from benchmarks.live.servers import Store, replicas, spread_of, store_of
from benchmarks.live.trend import web_queries
from benchmarks.serving.calls import OWN_CONNECTION
from benchmarks.serving.servers import ALL_CORES, Started, real_server
from lm.bundle.registry import open_registry
from service.live.events.event import Checkpoint, Event, EventKind, number_at
from service.live.events.trending import CHECKPOINT
from service.live.events.trends import Trends
from service.live.stores.store import open_store

_TYPED = 300
"""Queries that are typed, again and again."""
_USERS = 50_000
_CONNECTIONS = 8
_TIMEOUT_S, _OBEY_S = 10.0, 30.0
_SUBMISSION = event_pb.UserEvent.EVENT_TYPE_SUBMISSION


def measure_event_spread(registry: Path, store: Store, queries: int) -> None:
    """Prints how long after a third user's event is acknowledged all workers of two other replicas suggest a query."""
    waited_s = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        location, _ = stack.enter_context(store_of(store, Path(name)))
        servers = stack.enter_context(replicas(registry, Path(name), *[location] * 3))
        here = event_grpc.UserEventServiceStub(stack.enter_context(grpc.insecure_channel(servers[0].address)))
        others = [caller for server in servers[1:] for caller in server.callers(stack)]
        for number in range(queries):
            query = f"{_name(number)} zyntrix"
            for user in ("ann", "bob", "cid"):
                event = event_pb.UserEvent(query=query, event_type=_SUBMISSION, user_pseudo_id=user)
                here.WriteUserEvent(event_pb.WriteUserEventRequest(user_event=event), timeout=_TIMEOUT_S)
            begun_s = time.monotonic()
            while not all(query in each.shown(query[:6]) for each in others):
                if time.monotonic() - begun_s > _OBEY_S:
                    raise RuntimeError(f"{query} is not suggested")
                time.sleep(0.005)
            waited_s.append(time.monotonic() - begun_s)
    print(f"{store.value}, {queries} queries, 2 other replicas: {spread_of(waited_s)}")


def measure_load(
    registry: Path,
    store: Store,
    events: int,
    batch: int,
    completions: int,
    rounds: int,
    seconds: float,
    *,
    minutes: float,
    workers: int,
) -> None:
    """Prints how long completions take at an even rate without and with events beside them, and what the cache has.

    Args:
        minutes: for which events have come at this rate before.
    """
    texts = web_queries()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        location, _ = stack.enter_context(store_of(store, Path(name)))
        _count_before(location, open_registry(registry).models()[0], texts, events, minutes)
        flags = {"--live": location, "--workers": workers}
        server = stack.enter_context(real_server(registry, flags, cores=ALL_CORES))
        found = [asyncio.run(_measure(server, texts, seconds, completions, 0, batch))]  # warms up
        for number in range(2 * rounds):
            found.append(asyncio.run(_measure(server, texts, seconds, completions, events * (number % 2), batch)))
    alone, beside = found[1::2], found[2::2]
    for label, each in (("alone", alone), (f"beside {events} events/s", beside)):
        rounds_said = ", ".join(f"{p50:.2f} / {p99:.2f} ms, {hits:.0%} of the cache" for p50, p99, hits, _ in each)
        print(f"{label}: p50 / p99 {rounds_said}; {[said for *_, said in each]}")
    ratio = statistics.median(each[1] for each in beside) / statistics.median(each[1] for each in alone)
    print(f"p99 {ratio:.2f} times")


def _count_before(location: str, model: str, texts: Sequence[str], rate: int, minutes: float) -> None:
    """Leaves in a store what a server has counted that took events at a rate until now."""
    chance, trends, now_s = random.Random(2), Trends(), time.time()
    for second in range(-int(60 * minutes), 0):
        trends.take(
            Event(
                kind=EventKind.SUBMISSION,
                at_s=now_s + second,
                model=model,
                query=chance.choice(texts),
                user=f"{chance.randrange(_USERS):08x}".ljust(16, "0"),
                number=number_at(now_s + second) + number,
            )
            for number in range(rate)
        )
    if minutes:
        with closing(open_store(location)) as store:
            store.events.keep_checkpoint(CHECKPOINT, Checkpoint(trends.number, trends.pack()))


async def _measure(
    server: Started, texts: Sequence[str], seconds: float, completions: int, events: int, batch: int
) -> tuple[float, float, float, str]:
    """Median and 99th percentile in milliseconds, the cache's share, and what became of the events."""
    chance, doing, taken_s = random.Random(1), random.Random(), list[float]()  # the same texts each time, other events
    before = _counted(server)
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(server.address, options=OWN_CONNECTION))
            for _ in range(2 * _CONNECTIONS)
        ]
        asked = itertools.cycle([pb_grpc.AutocompleteServiceStub(each) for each in channels[:_CONNECTIONS]])
        told = itertools.cycle([event_grpc.UserEventServiceStub(each) for each in channels[_CONNECTIONS:]])

        async def complete() -> None:
            text = chance.choice(texts[:_TYPED])
            begun_s = time.perf_counter()
            request = pb.CompleteQueryRequest(query=text[: chance.randint(1, len(text))])
            await next(asked).CompleteQuery(request, timeout=_TIMEOUT_S)
            taken_s.append(time.perf_counter() - begun_s)

        async def write() -> None:
            await next(told).WriteUserEvents(
                event_pb.WriteUserEventsRequest(user_events=[_event(doing, texts) for _ in range(batch)]),
                timeout=_TIMEOUT_S,
            )

        loads = [_evenly(complete, completions, seconds)]
        if events:
            loads.append(_evenly(write, events / batch, seconds))
        failed = sum(await asyncio.gather(*loads))
    hits, looked, taken = (now - was for now, was in zip(_counted(server), before, strict=True))
    said = f"{taken / seconds:.0f} events/s, {failed} calls failed"
    ordered = sorted(taken_s)
    p99_ms = ordered[len(ordered) * 99 // 100] * 1000
    return statistics.median(ordered) * 1000, p99_ms, hits / max(looked, 1), said


def _counted(server: Started) -> tuple[float, float, float]:
    """Answers that the cache had, answers looked for there, and events taken."""
    lookups = "autocomplete_cache_lookups_total"
    return (
        server.counted(lookups, outcome="hit", tier="process"),
        server.counted(lookups),
        server.counted("autocomplete_live_events_total", outcome="taken"),
    )


async def _evenly(call: Callable[[], Awaitable[None]], rate: float, seconds: float) -> int:
    """Makes calls at an even rate, however long they take; returns how many failed."""
    begun_s, calls = time.perf_counter(), list[asyncio.Task[None]]()
    for number in range(int(rate * seconds)):
        wait_s = begun_s + number / rate - time.perf_counter()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        calls.append(asyncio.ensure_future(call()))
    return sum(isinstance(each, Exception) for each in await asyncio.gather(*calls, return_exceptions=True))


def _event(chance: random.Random, texts: Sequence[str]) -> event_pb.UserEvent:
    return event_pb.UserEvent(
        event_id=str(uuid.UUID(int=chance.getrandbits(128))),
        event_type=_SUBMISSION,
        query=chance.choice(texts),
        user_pseudo_id=f"user {chance.randrange(_USERS)}",
        typed_length=4,
    )


def _name(number: int) -> str:
    """A word of its own for each number, whose first letters are its own too."""
    letters = "bcdfghjklmnpqrstvwxz"
    word = ""
    for _ in range(6):
        number, letter = divmod(number, len(letters))
        word += letters[letter]
    return word
