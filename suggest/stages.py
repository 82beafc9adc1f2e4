"""How long each stage of an answer takes."""

from __future__ import annotations

import time
from types import TracebackType

from suggest.types import StageTiming


class Stages:
    """Durations of an answer's stages, in the order they were left; one at a time."""

    def __init__(self) -> None:
        self._timings: list[StageTiming] = []
        self._name = ""
        self._start_s = 0.0

    def stage(self, name: str) -> Stages:
        """Times what runs inside."""
        self._name = name
        self._start_s = time.perf_counter()
        return self

    def __enter__(self) -> None:
        """Begins what `stage` named."""

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Ends it; what fails has no duration."""
        if kind is None:
            self._timings.append(StageTiming(self._name, time.perf_counter() - self._start_s))

    @property
    def timings(self) -> tuple[StageTiming, ...]:
        """All stages so far."""
        return tuple(self._timings)
