"""Retries beyond those of gRPC's service config: after the delay that the server asks for."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import grpc

from autocomplete_client.errors import CallError

_MAX_ATTEMPTS = 4
_FIRST_BACK_OFF_S, _MAX_BACK_OFF_S = 0.1, 1.0
_RETRYABLE = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)


class Attempts:
    """The tries of one call, all within its deadline.

    Args:
        timeout_s: time for all tries together.
        back_off: also tries again where the server is not there and names no delay. Unary calls leave this to gRPC.
        clock: seconds that only grow.
        jitter: in [0, 1), so that callers who were refused together do not come back together.
    """

    def __init__(
        self,
        timeout_s: float,
        *,
        back_off: bool = False,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._back_off = back_off
        self._deadline_s = clock() + timeout_s
        self._made = 0

    @property
    def left_s(self) -> float:
        """Time left, not below 0."""
        return max(self._deadline_s - self._clock(), 0.0)

    def pause_s(self, failure: CallError) -> float:
        """How long to wait before the next try.

        Raises:
            CallError: the failure itself, if another try is no use or would come after the deadline.
        """
        self._made += 1
        delay_s = self._delay_s(failure)
        if delay_s is None or delay_s >= self.left_s:
            raise failure
        return delay_s

    def _delay_s(self, failure: CallError) -> float | None:
        # gRPC itself says INTERNAL if a keystroke is written to a stream that has just ended
        lost = self._back_off and failure.code is grpc.StatusCode.INTERNAL and not failure.from_service
        if failure.code not in _RETRYABLE and not lost:
            return None
        back_off_s = min(_FIRST_BACK_OFF_S * 2.0 ** (self._made - 1), _MAX_BACK_OFF_S)
        if failure.retry_delay_s is not None and (self._back_off or self._made < _MAX_ATTEMPTS):
            return max(failure.retry_delay_s, back_off_s) * (1 + 0.2 * self._jitter())
        if self._back_off:
            return back_off_s * (0.8 + 0.4 * self._jitter())
        return None
