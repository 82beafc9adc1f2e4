"""When a call arrived, known wherever it is worked on: gRPC carries an interceptor's context to the handler."""

from __future__ import annotations

from contextvars import ContextVar

_arrived_s: ContextVar[float] = ContextVar("arrived_s")


def note_arrival(now_s: float) -> None:
    """Says that this call arrives now."""
    _arrived_s.set(now_s)


def arrived_s() -> float:
    """When this call arrived, on the interceptor's clock."""
    return _arrived_s.get()
