"""What learning from events promises, measured: on real servers, and in a replayed log.

Run from the checkout: `python -m benchmarks.live_events PART`, after `autocomplete demo`. The parts:

- `spread`: how long after the third user's event is acknowledged a new query is suggested by every worker of the other
  replicas.
- `load`: how long completions take at an even rate, without and with events beside them, and how many the cache has.
- `trend`: after how long a query that users begin to search for is among the first three for its first four letters.
"""

from __future__ import annotations

import asyncio
import lzma
import random
import statistics
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import grpc
import typer
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import user_event_service_pb2 as event_pb
from autocomplete.v1 import user_event_service_pb2_grpc as event_grpc

from benchmarks.command import ROOT
from benchmarks.live_servers import Replica, Store, replicas, store_of
from lm.bundle.registry import open_registry
from lm.text.normalize import normalize_query
from service.live.events.event import Event, EventKind, number_at
from service.live.events.trending import NO_TRENDS
from service.live.events.trends import Trends
from suggest.live import NOTHING, Live
from suggest.model import Model, open_model
from suggest.types import QueryOptions
from tests.redis_process import free_port

_DEMO = ROOT / "var" / "demo" / "registry"
_LOG = ROOT.parent / "shared" / "data" / "queries" / "tb05-first40k.txt.xz"
_TRENDS = ROOT.parent / "shared" / "data" / "trends" / "bing-covid-country-2020-01.tsv.xz"
_TYPED = 300
"""Queries that are typed, again and again."""
_TIMEOUT_S, _OBEY_S = 10.0, 30.0
_BEGIN_S = 1_800_000_000.0
_SUBMISSION = event_pb.UserEvent.EVENT_TYPE_SUBMISSION
app = typer.Typer(help=__doc__, no_args_is_help=True)
_Registry = Annotated[Path, typer.Argument(help="The registry of the demo.")]


@app.command()
def spread(
    registry: _Registry = _DEMO,
    *,
    store: Annotated[Store, typer.Option(help="Where events are kept.")] = Store.SQLITE,
    queries: Annotated[int, typer.Option(help="New queries, one after the other.")] = 200,
) -> None:
    """From the third user's event to a suggestion elsewhere."""
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
    print(f"{store.value}, {queries} queries, 2 other replicas: {_spread(waited_s)}")


@app.command()
def load(
    registry: _Registry = _DEMO,
    *,
    store: Annotated[Store, typer.Option(help="Where events are kept.")] = Store.SQLITE,
    events: Annotated[int, typer.Option(help="Events a second.")] = 2000,
    batch: Annotated[int, typer.Option(help="Events in a call.")] = 20,
    completions: Annotated[int, typer.Option(help="Completions a second.")] = 500,
    rounds: Annotated[int, typer.Option(help="Of a measurement without and one with events.")] = 3,
    seconds: Annotated[float, typer.Option(help="Of each measurement.")] = 15.0,
) -> None:
    """Completions without and with events beside them."""
    texts = _log()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        location, _ = stack.enter_context(store_of(store, Path(name)))
        server = _Measured(registry, location, Path(name) / "server.log")
        stack.callback(server.kill)
        server.start()
        found = [asyncio.run(_measure(server, texts, seconds, completions, 0, batch))]  # warms up
        for number in range(2 * rounds):
            found.append(asyncio.run(_measure(server, texts, seconds, completions, events * (number % 2), batch)))
    alone, beside = found[1::2], found[2::2]
    for label, each in (("alone", alone), (f"beside {events} events/s", beside)):
        rounds_said = ", ".join(f"{p50:.2f} / {p99:.2f} ms, {hits:.0%} of the cache" for p50, p99, hits, _ in each)
        print(f"{label}: p50 / p99 {rounds_said}; {[said for *_, said in each]}")
    ratio = statistics.median(each[1] for each in beside) / statistics.median(each[1] for each in alone)
    print(f"p99 {ratio:.2f} times")


@app.command()
def trend(
    registry: _Registry = _DEMO,
    *,
    queries: Annotated[int, typer.Option(help="Queries that come up, one in each replay.")] = 40,
    share: Annotated[
        float, typer.Option(help="Of the searches that are for it at first, ten times that later.")
    ] = 0.002,
) -> None:
    """Hours until a query that comes up is among the first three for its first four letters."""
    model = _model(registry)
    background, new = _log()[36_000:], _new_queries(model, queries)
    for rate in (1_000, 10_000, 100_000):
        hours = [_hours(model, query, background, rate, share, seed) for seed, query in enumerate(new)]
        never = sum(each is None for each in hours)
        known = sorted(each for each in hours if each is not None)
        median = f"{statistics.median(known):.3f}" if known else "-"
        print(
            f"{rate:>7,} searches an hour, {share:.1%} for it at first: median {median} hours, under 0.1 in "
            f"{sum(each < 0.1 for each in known)} of {len(new)}, never within the hour in {never}"
        )


class _Measured(Replica):
    """A server of one worker with metrics."""

    def __init__(self, registry: Path, live: str, log: Path) -> None:
        super().__init__(registry, live, log)
        self.metrics = f"127.0.0.1:{free_port()}"
        self._command[self._command.index("off")] = self.metrics
        self._command[-1] = "1"

    def value(self, name: str) -> float:
        """The sum of a metric's samples whose name and labels begin so."""
        with urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=_TIMEOUT_S) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


async def _measure(
    server: _Measured, texts: Sequence[str], seconds: float, completions: int, events: int, batch: int
) -> tuple[float, float, float, str]:
    """Median and 99th percentile in milliseconds, the cache's share, and what became of the events."""
    chance, doing, taken_s = random.Random(1), random.Random(), list[float]()  # the same texts each time, other events
    names = 'autocomplete_cache_lookups_total{outcome="hit",tier="process"}', "autocomplete_cache_lookups_total{"
    before = [server.value(name) for name in names]
    taken = server.value('autocomplete_live_events_total{outcome="taken"}')
    async with grpc.aio.insecure_channel(server.address) as channel, grpc.aio.insecure_channel(server.address) as other:
        answers, writes = pb_grpc.AutocompleteServiceStub(channel), event_grpc.UserEventServiceStub(other)

        async def complete() -> None:
            text = chance.choice(texts[:_TYPED])
            begun_s = time.perf_counter()
            request = pb.CompleteQueryRequest(query=text[: chance.randint(1, len(text))])
            await answers.CompleteQuery(request, timeout=_TIMEOUT_S)
            taken_s.append(time.perf_counter() - begun_s)

        async def write() -> None:
            await writes.WriteUserEvents(
                event_pb.WriteUserEventsRequest(user_events=[_event(doing, texts) for _ in range(batch)]),
                timeout=_TIMEOUT_S,
            )

        loads = [_evenly(complete, completions, seconds)]
        if events:
            loads.append(_evenly(write, events / batch, seconds))
        failed = sum(await asyncio.gather(*loads))
    hits, looked = (server.value(name) - was for name, was in zip(names, before, strict=True))
    taken = server.value('autocomplete_live_events_total{outcome="taken"}') - taken
    said = f"{taken / seconds:.0f} events/s, {failed} calls failed"
    ordered = sorted(taken_s)
    p99_ms = ordered[len(ordered) * 99 // 100] * 1000
    return statistics.median(ordered) * 1000, p99_ms, hits / max(looked, 1), said


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
        user_pseudo_id=f"user {chance.randrange(50_000)}",
        typed_length=4,
    )


def _hours(model: Model, query: str, background: Sequence[str], rate: int, share: float, seed: int) -> float | None:
    """Hours until a query is among the first three; None if it is not within one."""
    chance, trends, known, number = random.Random(seed), Trends(), NO_TRENDS, number_at(_BEGIN_S)
    for minute in range(-60, 60):
        now_s, events = _BEGIN_S + 60 * minute, []
        rising = 0.0 if minute < 0 else share * 10 ** (minute / 60)
        for _ in range(_poisson(chance, rate / 60)):
            number += 1
            number = max(number, number_at(now_s))
            text = query if chance.random() < rising else chance.choice(background)
            user = f"{chance.randrange(1 << 32):08x}"
            events.append(
                Event(kind=EventKind.SUBMISSION, at_s=now_s, model=model.name, query=text, user=user, number=number)
            )
        trends.take(events)
        if minute >= 0:
            end_s = now_s + 60
            known = known.with_trends(model, {each.written: each for each in trends.trending(end_s)}, int(end_s // 60))
            if query in _first(model, query[:4], Live(queries=(known.queries,))):
                return (minute + 1) / 60
    return None


def _first(model: Model, typed: str, live: Live = NOTHING) -> list[str]:
    options = QueryOptions(max_suggestions=3, neural=False)
    return [each.text for each in model.complete_query(typed, options, None, live).suggestions]


def _poisson(chance: random.Random, mean: float) -> int:
    return max(round(chance.gauss(mean, mean**0.5)), 0)


def _new_queries(model: Model, count: int) -> list[str]:
    """Queries of January 2020 that the model does not have among its first three."""
    lines = lzma.decompress(_TRENDS.read_bytes()).decode().splitlines()[1:]
    found = sorted({normalize_query(line.split("\t")[1]).rstrip() for line in lines})
    random.Random(1).shuffle(found)
    new = (text for text in found if len(text) > 5 and text.isascii() and text not in _first(model, text[:4]))
    return [text for text, _ in zip(new, range(count), strict=False)]


def _model(registry: Path) -> Model:
    opened = open_registry(registry)
    return open_model(opened.resolve(opened.models()[0]))


def _log() -> list[str]:
    texts = (normalize_query(line).rstrip() for line in lzma.decompress(_LOG.read_bytes()).decode().split("\n"))
    return [text for text in texts if 2 < len(text) < 100]


def _name(number: int) -> str:
    """A word of its own for each number, whose first letters are its own too."""
    letters = "bcdfghjklmnpqrstvwxz"
    word = ""
    for _ in range(6):
        number, letter = divmod(number, len(letters))
        word += letters[letter]
    return word


def _spread(waited_s: Sequence[float]) -> str:
    ordered = sorted(waited_s)
    p99_s = ordered[len(ordered) * 99 // 100]
    return f"median {statistics.median(ordered):.3f} s, p99 {p99_s:.3f} s, worst {ordered[-1]:.3f} s"


if __name__ == "__main__":
    app()
