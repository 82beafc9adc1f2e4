"""The lanes of unary and of long calls: each a pool of threads and an admission, measured from what it has answered."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from service.config import ServerSettings
from service.rpc.admission import Admission, Load
from service.rpc.pools import WorkerPool
from service.rpc.stalls import StallWatch
from service.telemetry.metrics import Metrics

_STALL_LIMIT_S = 10.0
"""For a caller that does not read; one on a bad line is not worth a thread for longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A pool and who is let into it."""

    pool: WorkerPool
    admission: Admission
    load: Load
    threads: int

    @property
    def waiting(self) -> int:
        """Calls that have no thread yet."""
        return max(self.load.calls - self.threads, 0)


class Lanes:
    """Both lanes of a server.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        settings: ServerSettings,
        metrics: Metrics,
        clock: Callable[[], float],
        chance: Callable[[], float] = random.random,
    ) -> None:
        calls, long_calls = Load(clock), Load(clock)
        self.calls = Lane(
            pool=WorkerPool(settings.max_concurrent, "call", calls),
            admission=Admission(
                calls,
                threads=settings.max_concurrent,
                max_wait_s=settings.max_wait_ms / 1000,
                clock=clock,
                chance=chance,
            ),
            load=calls,
            threads=settings.max_concurrent,
        )
        self.long_calls = Lane(
            pool=WorkerPool(settings.max_long_calls, "long-call", long_calls, background=True),
            admission=Admission(
                long_calls,
                threads=settings.max_long_calls,
                max_calls=2 * settings.max_long_calls,
                clock=clock,
                chance=chance,
            ),
            load=long_calls,
            threads=settings.max_long_calls,
        )
        self.pools = (self.calls.pool, self.long_calls.pool)
        self.stalls = StallWatch(_STALL_LIMIT_S, clock)
        metrics.watch(metrics.waiting, lambda: self.waiting)

    @property
    def waiting(self) -> int:
        """Calls that have no thread yet."""
        return self.calls.waiting + self.long_calls.waiting
