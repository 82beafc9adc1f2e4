"""Open `StreamCompleteQuery` sessions in a process of their own, so that they take no turn of the client beside them.

Run as `python -m benchmarks.serving.stream_clients ADDRESS SESSIONS QUERIES_FILE`. It opens the sessions, types a
letter into each and says as JSON how many there are. Each line `RATE SECONDS` that it is sent makes all of them
together type so many keystrokes a second for so long, and it answers with what came of them.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc

from benchmarks.serving.typing_traffic import prefixes

_PER_CONNECTION = 50
"""Below the 100 streams that many servers let one connection have."""
_ANSWER_S = 30.0
_LAST_ANSWERS_S = 2.0
_Request = pb.StreamCompleteQueryRequest


class StreamClients:
    """The process, as the suite talks to it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.opened: dict[str, float] = self._read()

    def type(self, rate_per_s: float, duration_s: float) -> None:
        """Begins to type."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{rate_per_s} {duration_s}\n")
        self._process.stdin.flush()

    def outcome(self) -> dict[str, float]:
        """What came of the keystrokes, once all are typed."""
        return self._read()

    def _read(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found: dict[str, float] = json.loads(line) if line else {}
        return found


@contextmanager
def stream_clients(address: str, sessions: int, queries: Sequence[str], folder: Path) -> Iterator[StreamClients]:
    """Sessions that are open until this is left; they run where this process does."""
    path = folder / "queries.txt"
    path.write_text("\n".join(queries), encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.serving.stream_clients", address, str(sessions), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield StreamClients(process)
        assert process.stdin is not None
        process.stdin.close()


class _Session:
    """One user's stream."""

    def __init__(self, stub: Any, queries: Sequence[str]) -> None:
        self._call = stub.StreamCompleteQuery()
        self._typed = prefixes(queries)
        self._sent_s: list[float] = []
        self.latencies_s: list[float] = []
        self.degraded = 0
        self.failed = False

    async def open(self) -> None:
        """Says what holds for the stream, types a letter and waits for its answer."""
        try:
            await self._call.write(_Request(config=_Request.Config()))
            await self.type()
            await asyncio.wait_for(self._read_one(), _ANSWER_S)
        except (TimeoutError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
            self.failed = True

    async def type(self) -> None:
        """One more letter."""
        self._sent_s.append(time.perf_counter())
        keystroke = _Request.Keystroke(sequence_number=len(self._sent_s), query=next(self._typed, ""))
        try:
            await self._call.write(_Request(keystroke=keystroke))
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            self.failed = True

    async def read(self) -> None:
        """Notes each final answer until the stream ends."""
        try:
            while await self._read_one():
                pass
        except grpc.aio.AioRpcError:
            self.failed = True

    async def _read_one(self) -> bool:
        response = await self._call.read()
        if response is grpc.aio.EOF:
            self.failed = True
            return False
        if response.is_final:
            self.latencies_s.append(time.perf_counter() - self._sent_s[response.sequence_number - 1])
            self.degraded += response.completion.degraded
        return True


async def _main(address: str, count: int, queries: list[str]) -> None:
    chance = random.Random(1)
    options = (("grpc.use_local_subchannel_pool", 1),)
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(-(-count // _PER_CONNECTION))]
    stubs = [pb_grpc.AutocompleteServiceStub(channel) for channel in channels]
    own = (chance.sample(queries, len(queries)) for _ in range(count))
    sessions = [_Session(stubs[number % len(stubs)], mixed) for number, mixed in enumerate(own)]
    for session in sessions:
        await session.open()
    live = [session for session in sessions if not session.failed]
    readers = [asyncio.create_task(session.read()) for session in live]
    _say(open=len(live), failed=count - len(live))
    while line := await asyncio.to_thread(sys.stdin.readline):
        rate_per_s, duration_s = map(float, line.split())
        await _type(live, rate_per_s, duration_s, chance)
    for reader in readers:
        reader.cancel()
    for channel in channels:
        await channel.close()


async def _type(sessions: list[_Session], rate_per_s: float, duration_s: float, chance: random.Random) -> None:
    for session in sessions:
        session.latencies_s.clear()
        session.degraded = 0
    due_s = time.perf_counter()
    end_s, keystrokes = due_s + duration_s, 0
    while sessions and due_s < end_s:
        await asyncio.sleep(max(due_s - time.perf_counter(), 0))
        await chance.choice(sessions).type()
        keystrokes += 1
        due_s += chance.expovariate(rate_per_s)
    await asyncio.sleep(_LAST_ANSWERS_S)
    latencies_s = [latency_s for session in sessions for latency_s in session.latencies_s] or [float("nan")]
    p50, p99 = np.quantile(latencies_s, (0.5, 0.99)).tolist()
    broken = sum(session.failed for session in sessions)
    degraded = sum(session.degraded for session in sessions)
    _say(keystrokes=keystrokes, answered=len(latencies_s), degraded=degraded, broken=broken, p50_s=p50, p99_s=p99)


def _say(**facts: float) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]).read_text(encoding="utf-8").splitlines()))
