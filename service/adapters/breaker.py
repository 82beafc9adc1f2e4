"""A circuit breaker: after failures in a row, a helper that is down is asked only now and then."""

from __future__ import annotations

import threading
from collections.abc import Callable


class CircuitBreaker:
    """Counts failures in a row; while open, lets one attempt through every `retry_after_s`."""

    def __init__(self, *, failures: int, retry_after_s: float, clock: Callable[[], float]) -> None:
        self._limit = failures
        self._retry_after_s = retry_after_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._retry_at_s = 0.0

    def allows(self) -> bool:
        """Whether to try now."""
        if self._failures < self._limit:  # the usual case takes no lock
            return True
        with self._lock:
            if self._failures < self._limit:
                return True
            now_s = self._clock()
            if now_s < self._retry_at_s:
                return False
            self._retry_at_s = now_s + self._retry_after_s
            return True

    def succeeded(self) -> bool:
        """Notes a success; True if it ended an outage."""
        if self._failures == 0:
            return False
        with self._lock:
            ended = self._failures >= self._limit
            self._failures = 0
            return ended

    def failed(self) -> bool:
        """Notes a failure; True if it began an outage."""
        with self._lock:
            self._failures += 1
            self._retry_at_s = self._clock() + self._retry_after_s
            return self._failures == self._limit
