"""Open `StreamCompleteQuery` sessions that type into the server together, in the event loop of the open-loop client."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc
import numpy as np
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc

from benchmarks.serving.calls import OWN_CONNECTION
from benchmarks.serving.open_loop import EVENT_LOOP
from benchmarks.serving.typing_traffic import prefixes

_PER_CONNECTION = 50
"""Below the 100 streams that many servers let one connection have."""
_ANSWER_S = 30.0
_LAST_ANSWERS_S = 2.0
_Request = pb.StreamCompleteQueryRequest


class Typed(NamedTuple):
    """What came of keystrokes: how many got a final answer, and the time until then."""

    keystrokes: int
    answered: int
    degraded: int
    p50_s: float
    p99_s: float


class Session:
    """One user's stream."""

    def __init__(self, stub: Any, queries: Sequence[str]) -> None:
        self._call = stub.StreamCompleteQuery()
        self._typed = prefixes(queries)
        self._sent_s: list[float] = []
        self.latencies_s: list[float] = []
        self.degraded = 0
        self.failed = False

    async def open(self) -> None:
        """Says what holds for the stream, types a letter, waits for its answer and goes on reading."""
        try:
            await self._call.write(_Request(config=_Request.Config()))
            await self.type()
            await asyncio.wait_for(self._read_one(), _ANSWER_S)
        except (TimeoutError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
            self.failed = True
        self.reading = asyncio.create_task(self._read())

    async def type(self) -> None:
        """One more letter."""
        self._sent_s.append(time.perf_counter())
        keystroke = _Request.Keystroke(sequence_number=len(self._sent_s), query=next(self._typed, ""))
        try:
            await self._call.write(_Request(keystroke=keystroke))
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            self.failed = True

    async def _read(self) -> None:
        try:
            while not self.failed:
                await self._read_one()
        except grpc.aio.AioRpcError:
            self.failed = True

    async def _read_one(self) -> None:
        """Notes the answer if it is a final one."""
        response = await self._call.read()
        if response is grpc.aio.EOF:
            self.failed = True
        elif response.is_final:
            self.latencies_s.append(time.perf_counter() - self._sent_s[response.sequence_number - 1])
            self.degraded += response.completion.degraded


@contextmanager
def open_sessions(address: str, count: int, queries: Sequence[str]) -> Iterator[list[Session]]:
    """Sessions that are open until this is left."""
    chance, run = random.Random(1), EVENT_LOOP.run_until_complete

    async def connect() -> tuple[list[grpc.aio.Channel], list[Session]]:
        connections = range(-(-count // _PER_CONNECTION))
        channels = [grpc.aio.insecure_channel(address, options=OWN_CONNECTION) for _ in connections]
        stubs = [pb_grpc.AutocompleteServiceStub(channel) for channel in channels]
        sessions = [Session(stubs[n % len(stubs)], chance.sample(queries, len(queries))) for n in range(count)]
        for session in sessions:
            await session.open()
        return channels, sessions

    async def disconnect() -> None:
        for session in sessions:
            session.reading.cancel()
        for channel in channels:
            await channel.close()

    channels, sessions = run(connect())
    yield sessions
    run(disconnect())


def begin_typing(sessions: Sequence[Session], rate_per_s: float, duration_s: float) -> asyncio.Task[Typed]:
    """All of them together type so many keystrokes a second, while the event loop runs."""
    return EVENT_LOOP.create_task(_type(sessions, rate_per_s, duration_s))


async def _type(sessions: Sequence[Session], rate_per_s: float, duration_s: float) -> Typed:
    for session in sessions:
        session.latencies_s.clear()
        session.degraded = 0
    chance = random.Random(1)
    due_s = time.perf_counter()
    end_s, keystrokes = due_s + duration_s, 0
    while due_s < end_s:
        await asyncio.sleep(max(due_s - time.perf_counter(), 0))
        await chance.choice(sessions).type()
        keystrokes += 1
        due_s += chance.expovariate(rate_per_s)
    await asyncio.sleep(_LAST_ANSWERS_S)
    latencies_s = [latency_s for session in sessions for latency_s in session.latencies_s]
    p50_s, p99_s = np.quantile(latencies_s or [float("nan")], (0.5, 0.99)).tolist()
    degraded = sum(session.degraded for session in sessions)
    return Typed(keystrokes, len(latencies_s), degraded, p50_s, p99_s)
