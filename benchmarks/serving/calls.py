"""Calls as bytes, so that the client spends its time on calling alone. Answers are read afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from autocomplete.v1 import autocomplete_service_pb2 as pb
from numpy.typing import NDArray

COMPLETE, PREDICT, SCORE, GENERATE = "CompleteQuery", "PredictNextWord", "ScoreText", "GenerateText"
SERVICE = "/autocomplete.v1.AutocompleteService/"
_ANSWERS: dict[str, Any] = {COMPLETE: pb.CompleteQueryResponse, PREDICT: pb.PredictNextWordResponse}

OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)
"""The option of a channel that shares no connection with others."""

Call = Callable[[bytes], bytes]


@contextmanager
def channel(address: str) -> Iterator[Callable[[str], Call]]:
    """A connection of its own; gives a method's callable, from bytes to bytes."""
    with grpc.insecure_channel(address, options=OWN_CONNECTION) as opened:
        grpc.channel_ready_future(opened).result(timeout=30)
        yield lambda method: opened.unary_unary(SERVICE + method)


def completion_request(query: str) -> bytes:
    """A `CompleteQueryRequest`."""
    return pb.CompleteQueryRequest(query=query).SerializeToString()


def words_request(text: str) -> bytes:
    """A `PredictNextWordRequest`."""
    return pb.PredictNextWordRequest(text=text).SerializeToString()


def count_degraded(method: str, answers: Iterable[bytes]) -> int:
    """How many answers say that time was too short for a part of the ensemble."""
    return sum(_ANSWERS[method].FromString(answer).degraded for answer in answers)


_BLOCK = 25


@dataclass(frozen=True, slots=True)
class Times:
    """How long each call took as the caller sees it, in seconds, float64 (n,), and what was answered."""

    taken_s: NDArray[np.float64]
    answers: list[bytes]

    def percentile(self, share: float) -> float:
        """Seconds that this share of the calls took at most."""
        return float(np.quantile(self.taken_s, share))

    def chosen(self, chosen: NDArray[np.bool_]) -> Times:
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
