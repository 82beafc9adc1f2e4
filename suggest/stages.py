"""How long each stage of an answer takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from suggest.types import StageTiming


class Stages:
    """Durations of an answer's stages, in the order they were entered."""

    def __init__(self) -> None:
        self._timings: list[StageTiming] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times what runs inside."""
        start_s = time.perf_counter()
        yield
        self._timings.append(StageTiming(stage=name, duration_s=time.perf_counter() - start_s))

    @property
    def timings(self) -> tuple[StageTiming, ...]:
        """All stages so far."""
        return tuple(self._timings)
