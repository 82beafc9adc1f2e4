"""An open-loop client: calls are sent when they are due, whether or not earlier ones are answered.

Latency counts from the time a call was due, so that waiting counts, that in the client's own queue included
(Tene's "coordinated omission" is what happens otherwise).

One thread sends and reads, on HTTP/2 of its own: the client has to be several times as fast as the server, on one core
as well. With the empty handler at 1,000 calls/s it takes 66 us a call, sends 99% within 0.13 ms, and sees a p99 of 0.48
ms; gRPC for asyncio takes 168 us, sends within 1.1 ms (event loops count in milliseconds) and sees 1.7 ms, uvloop or
not; gRPC's futures, with a thread a connection that all want Python's lock, were late by 2 ms at that rate.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import grpc
import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.calls import COMPLETE, count_degraded
from benchmarks.serving.http2_connection import Connection, wait
from benchmarks.serving.typing_traffic import fixed_arrivals

_TIMEOUT_S = 10
_HEAD_START_S = 0.02
_LATE_S = 0.002
_CEILING_S = 1.0
_RATES_PER_S = tuple(round(500 * 2 ** (step / 2)) for step in range(12))


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
    def unanswered(self) -> int:
        """Calls that got neither an answer nor a refusal that says when to try again."""
        return len(self.codes) - self.outcomes["OK"] - self.outcomes["RESOURCE_EXHAUSTED"]

    @property
    def degraded(self) -> float:
        """Share of the answers in which a part of the ensemble was left out."""
        return count_degraded(COMPLETE, filter(None, self.answers)) / max(self.outcomes["OK"], 1)

    @property
    def lateness_s(self) -> float:
        """99th percentile of how late the client itself sent a call."""
        return float(np.quantile(self.sent_s - self.due_s, 0.99))


def offer(
    address: str, requests: Sequence[bytes], due_s: NDArray[np.float64], *, method: str = COMPLETE, connections: int = 4
) -> Load:
    """Sends the requests when they are due, over some connections by turns, and waits for what comes of them.

    Raises:
        UnavailableError: nobody there speaks HTTP/2.
    """
    with ExitStack() as stack:
        opened = [
            stack.enter_context(closing(Connection(address, method, _TIMEOUT_S)))
            for _ in range(min(connections, len(requests)))
        ]
        return _offer(opened, requests, due_s)


def _offer(connections: Sequence[Connection], requests: Sequence[bytes], due_s: NDArray[np.float64]) -> Load:
    count, sent, ended = len(requests), 0, 0
    sent_s, done_s, last_s = np.zeros(count), np.zeros(count), 0.0
    codes, answers = [grpc.StatusCode.DEADLINE_EXCEEDED.name] * count, [b""] * count
    due = [*due_s.tolist(), math.inf]
    start_s = time.perf_counter() + _HEAD_START_S
    while ended < count:
        now_s = time.perf_counter() - start_s
        if due[sent] <= now_s:
            connections[sent % len(connections)].call(sent, requests[sent])
            sent_s[sent] = last_s = now_s
            sent += 1
        elif sent < count or now_s < last_s + _TIMEOUT_S:
            for number, code, answer in wait(connections, min(due[sent], last_s + _TIMEOUT_S) - now_s):
                done_s[number] = time.perf_counter() - start_s
                codes[number], answers[number] = code, answer
                ended += 1
        else:
            break
    done_s = np.where(done_s > 0, done_s, last_s + _TIMEOUT_S)
    return Load(began_s=start_s, due_s=due_s, sent_s=sent_s, done_s=done_s, codes=codes, answers=answers)


def ceiling(address: str, request: bytes) -> int:
    """Calls a second that the client can offer to a server before it is late itself: those of the empty one tell."""
    reached = 0
    for rate in _RATES_PER_S:
        count = int(rate * _CEILING_S)
        load = offer(address, [request] * count, fixed_arrivals(count, rate))
        if load.lateness_s > _LATE_S or not load.answered.all():
            break
        reached = rate
    return reached
