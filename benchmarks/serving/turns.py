"""One call at a time to several servers by turns, so that whatever else the machine does meets all of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.calls import Call

_BLOCK = 25


@dataclass(frozen=True, slots=True)
class Times:
    """How long each call took as the caller sees it, in seconds, float64 (n,), and what was answered."""

    taken_s: NDArray[np.float64]
    answers: list[bytes]

    def percentile(self, share: float) -> float:
        """Seconds that this share of the calls took at most."""
        return float(np.quantile(self.taken_s, share))

    def of(self, chosen: NDArray[np.bool_]) -> Times:
        """Some of the calls."""
        answers = [answer for answer, kept in zip(self.answers, chosen, strict=True) if kept]
        return Times(self.taken_s[chosen], answers)


def take_turns(
    calls: Mapping[str, Call], requests: Sequence[bytes], *, warm_up: Sequence[bytes] = ()
) -> dict[str, Times]:
    """Sends every request to every server in short rounds; an error of a call ends the measurement.

    Args:
        warm_up: sent before; others than the requests, for a server remembers what it worked out.
    """
    for call in calls.values():
        for request in warm_up:
            call(request)
    taken: dict[str, list[float]] = {name: [] for name in calls}
    answers: dict[str, list[bytes]] = {name: [] for name in calls}
    for start in range(0, len(requests), _BLOCK):
        for name, call in calls.items():
            for request in requests[start : start + _BLOCK]:
                begun = time.perf_counter()
                answer = call(request)
                taken[name].append(time.perf_counter() - begun)
                answers[name].append(answer)
    return {name: Times(np.array(taken[name]), answers[name]) for name in calls}
