"""How a call with many answers ends, for whoever counts or traces it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc


def told_of_end(answers: Iterator[Any], context: Any, ended: Callable[[Any], None]) -> Iterator[Any]:
    """The answers; once there are no more, for whatever reason, `ended` is told gRPC's code."""
    outcome = grpc.StatusCode.UNKNOWN
    try:
        yield from answers
        outcome = grpc.StatusCode.OK
    except GeneratorExit:
        outcome = grpc.StatusCode.CANCELLED
        raise
    finally:
        ended(context.code() or outcome)
