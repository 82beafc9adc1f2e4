"""An open-loop client: calls are sent when they are due, whether or not earlier ones are answered.

Latency counts from the time a call was due, so that waiting counts, that in the client's own queue included
(Tene's "coordinated omission" is what happens otherwise).
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.calls import COMPLETE, channel, count_degraded
from benchmarks.serving.typing_traffic import fixed_arrivals

_TIMEOUT_S = 10.0
_SWITCH_S = 0.0005
"""Python lets another thread run after this time: the sender must not wait 5 ms for a receiver."""
_LATE_S = 0.002
_CEILING_S = 1.0
_RATES_PER_S = tuple(round(250 * 2 ** (step / 2)) for step in range(14))


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
    """Sends the requests when they are due, over some connections by turns, and waits for what comes of them."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    try:
        with ExitStack() as stack:
            calls = [
                stack.enter_context(channel(address, connection=number))(method)
                for number in range(min(connections, len(requests)))
            ]
            return _offer(calls, requests, due_s)
    finally:
        sys.setswitchinterval(before_s)


def _offer(calls: Sequence[Any], requests: Sequence[bytes], due_s: NDArray[np.float64]) -> Load:
    sent_s, done_s = np.zeros(len(requests)), np.zeros(len(requests))
    ended = threading.Semaphore(0)

    def note(number: int, _future: object) -> None:
        done_s[number] = time.perf_counter()
        ended.release()

    futures = []
    start_s = time.perf_counter() + 0.02
    for number, (request, due) in enumerate(zip(requests, due_s.tolist(), strict=True)):
        wait_s = start_s + due - time.perf_counter()
        if wait_s > 0:
            time.sleep(wait_s)
        sent_s[number] = time.perf_counter()
        future = calls[number % len(calls)].future(request, timeout=_TIMEOUT_S)
        future.add_done_callback(lambda future, number=number: note(number, future))
        futures.append(future)
    for _ in futures:
        ended.acquire()
    codes = [future.code().name for future in futures]
    answers = [future.result() if future.code() is grpc.StatusCode.OK else b"" for future in futures]
    sent_s, done_s = sent_s - start_s, done_s - start_s
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
