"""The time that an answer may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """A moment at which the answer must be ready, on a clock in seconds."""

    expires_at_s: float
    clock: Callable[[], float]

    def remaining_s(self) -> float:
        """Seconds left; negative once it is too late."""
        return self.expires_at_s - self.clock()
