"""A circuit breaker: after failures in a row, a helper that is down is asked no more until it is known to be back."""

from __future__ import annotations

import threading


class CircuitBreaker:
    """Counts failures in a row; who calls asks `is_open` first, and somebody else tries until it `succeeded`."""

    def __init__(self, *, failures: int) -> None:
        self._limit = failures
        self._lock = threading.Lock()
        self._failures = 0

    @property
    def is_open(self) -> bool:
        """Whether to keep away from it."""
        return self._failures >= self._limit

    def succeeded(self) -> bool:
        """Notes a success; True if it ended an outage."""
        if self._failures == 0:  # the usual case takes no lock
            return False
        with self._lock:
            ended = self._failures >= self._limit
            self._failures = 0
            return ended

    def failed(self) -> bool:
        """Notes a failure; True if it began an outage."""
        with self._lock:
            self._failures += 1
            return self._failures == self._limit
