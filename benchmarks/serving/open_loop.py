"""An open-loop client: it sends calls when they are due, whether or not earlier calls are answered.

Latency counts from the time a call was due, so that all waiting counts, also waiting in the client's own queue. (If it
counted from the sending, a slow server would slow the client down and hide its own delays: Tene calls this "coordinated
omission".)
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import grpc
import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.calls import COMPLETE, OWN_CONNECTION, SERVICE, count_degraded
from benchmarks.serving.servers import Started
from benchmarks.serving.typing_traffic import fixed_arrivals
from lm.errors import UnavailableError

EVENT_LOOP = asyncio.new_event_loop()
"""One for all clients, so that sessions can type while calls are sent."""
_TIMEOUT_S, _CONNECT_S = 10.0, 30.0
_HEAD_START_S = 0.02
_LATE_S = 0.002
_CEILING_S = 1.0
_RATES_PER_S = tuple(round(500 * 2 ** (step / 2)) for step in range(10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What came of calls, in the order they were due.

    Attributes:
        began_s: the start, of `time.perf_counter`.
        due_s, sent_s, done_s: since the start, float64 (n,).
        codes: gRPC's name of each outcome.
        answers: empty where there was none.
    """

    began_s: float
    due_s: NDArray[np.float64]
    sent_s: NDArray[np.float64]
    done_s: NDArray[np.float64]
    codes: list[str]
    answers: list[bytes]

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which calls got what they asked for, bool (n,)."""
        return np.array([code == "OK" for code in self.codes])

    @property
    def latencies_s(self) -> NDArray[np.float64]:
        """Of the answered calls, in their order."""
        chosen = self.answered
        found: NDArray[np.float64] = (self.done_s - self.due_s)[chosen]
        return found

    def percentile(self, share: float) -> float:
        """Seconds that this share of the answered calls took at most; infinite if there is none."""
        return float(np.quantile(self.latencies_s, share)) if self.answered.any() else float("inf")

    @property
    def outcomes(self) -> Counter[str]:
        """How many calls ended how."""
        return Counter(self.codes)

    @property
    def failed(self) -> int:
        """Calls that got no answer."""
        return len(self.codes) - self.outcomes["OK"]

    @property
    def unanswered(self) -> int:
        """Calls that got neither an answer nor a refusal that says when to try again."""
        return self.failed - self.outcomes["RESOURCE_EXHAUSTED"]

    @property
    def degraded(self) -> float:
        """Share of the answers in which a part of the ensemble was left out."""
        return count_degraded(COMPLETE, filter(None, self.answers)) / max(self.outcomes["OK"], 1)

    @property
    def lateness_s(self) -> float:
        """99th percentile of how late the client itself sent a call."""
        return float(np.quantile(self.sent_s - self.due_s, 0.99))


def offer(
    address: str,
    requests: Sequence[bytes],
    due_s: NDArray[np.float64],
    *,
    connections: int = 4,
    method: str = COMPLETE,
) -> Load:
    """Sends the requests when they are due, over some connections by turns, and waits for what comes of them.

    Raises:
        UnavailableError: no gRPC server answers there.
    """
    return EVENT_LOOP.run_until_complete(_offer(address, requests, due_s, min(connections, len(requests)), method))


async def _offer(
    address: str, requests: Sequence[bytes], due_s: NDArray[np.float64], connections: int, method: str
) -> Load:
    sent_s, done_s = np.zeros(len(requests)), np.zeros(len(requests))
    codes, answers = [""] * len(requests), [b""] * len(requests)
    async with AsyncExitStack() as stack:
        calls = [await _connect(stack, address, method) for _ in range(connections)]
        start_s = time.perf_counter() + _HEAD_START_S

        async def send(number: int) -> None:
            sent_s[number] = time.perf_counter() - start_s
            try:
                answers[number] = await calls[number % connections](requests[number], timeout=_TIMEOUT_S)
                codes[number] = "OK"
            except grpc.aio.AioRpcError as error:
                codes[number] = error.code().name
            done_s[number] = time.perf_counter() - start_s

        async with asyncio.TaskGroup() as sending:
            for number, due in enumerate(due_s.tolist()):
                await asyncio.sleep(max(start_s + due - time.perf_counter(), 0))
                sending.create_task(send(number))
    return Load(began_s=start_s, due_s=due_s, sent_s=sent_s, done_s=done_s, codes=codes, answers=answers)


async def _connect(stack: AsyncExitStack, address: str, method: str) -> grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]:
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(address, options=OWN_CONNECTION))
    try:
        await asyncio.wait_for(channel.channel_ready(), _CONNECT_S)
    except TimeoutError:
        raise UnavailableError(f"No gRPC at {address}.", remedy="See that a server without TLS listens.") from None
    return channel.unary_unary(SERVICE + method)


def offer_by_turns(
    servers: Mapping[str, Started], rounds: Sequence[tuple[Sequence[bytes], NDArray[np.float64]]], connections: int = 4
) -> tuple[dict[str, list[Load]], dict[str, float]]:
    """Offers each round's requests to one server after the other; the loads, and processor seconds a call.

    Args:
        rounds: requests, and when they are due.
    """
    loads: dict[str, list[Load]] = {name: [] for name in servers}
    used_s = dict.fromkeys(servers, 0.0)
    for requests, due_s in rounds:
        for name, server in servers.items():
            before_s = server.cpu_s()
            loads[name].append(offer(server.address, requests, due_s, connections=connections))
            used_s[name] += server.cpu_s() - before_s
    count = sum(len(requests) for requests, _ in rounds)
    return loads, {name: max(seconds, 1e-9) / count for name, seconds in used_s.items()}


def ceiling(address: str, request: bytes) -> int:
    """Calls a second that the client can offer to a server before it is late itself: those of the empty one tell."""
    reached = 0
    for rate in _RATES_PER_S:
        count = int(rate * _CEILING_S)
        load = offer(address, [request] * count, fixed_arrivals(count, rate))
        if load.lateness_s > _LATE_S or load.failed:
            break
        reached = rate
    return reached
