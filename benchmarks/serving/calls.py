"""Calls as bytes, so that the client spends its time on nothing but calling; answers are read afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb

COMPLETE, PREDICT, SCORE, GENERATE = "CompleteQuery", "PredictNextWord", "ScoreText", "GenerateText"
SERVICE = "/autocomplete.v1.AutocompleteService/"
_ANSWERS: dict[str, Any] = {COMPLETE: pb.CompleteQueryResponse, PREDICT: pb.PredictNextWordResponse}

Call = Callable[[bytes], bytes]


@contextmanager
def channel(address: str, *, stream: bool = False, connection: int = 0) -> Iterator[Callable[[str], Any]]:
    """A connection of its own; gives a method's callable, from bytes to bytes.

    Args:
        connection: channels to one address share a connection unless this differs.
    """
    options = (("grpc.use_local_subchannel_pool", 1), ("benchmark.connection", connection))
    with grpc.insecure_channel(address, options=options) as opened:
        grpc.channel_ready_future(opened).result(timeout=30)
        kind = opened.unary_stream if stream else opened.unary_unary
        yield lambda method: kind(SERVICE + method)


def completion_request(query: str) -> bytes:
    """A `CompleteQueryRequest`."""
    return pb.CompleteQueryRequest(query=query).SerializeToString()


def words_request(text: str) -> bytes:
    """A `PredictNextWordRequest`."""
    return pb.PredictNextWordRequest(text=text).SerializeToString()


def count_degraded(method: str, answers: Iterable[bytes]) -> int:
    """How many answers say that time was too short for a part of the ensemble."""
    return sum(_ANSWERS[method].FromString(answer).degraded for answer in answers)


def median_answer(answers: Iterable[bytes]) -> bytes:
    """The answer of median length."""
    by_length = sorted(answers, key=len)
    return by_length[len(by_length) // 2]
