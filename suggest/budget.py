"""The time that an answer may take, and what had to be left out of it for want of time."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass


class Shortage(enum.Enum):
    """Why time is short."""

    DEADLINE = "deadline"
    """The caller's deadline allows no more."""
    TIME_BUDGET = "time_budget"
    """The server's own setting allows no more."""
    OVERLOAD = "overload"
    """There would be enough, had the call not waited for its turn."""


class OptionalPart(enum.Enum):
    """A part of an answer that takes part if time allows."""

    NEURAL = "neural"
    SPELLING = "spelling"
    RERANKER = "reranker"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A part that an answer lacks."""

    part: OptionalPart
    reason: Shortage


@dataclass(frozen=True, slots=True)
class Budget:
    """A moment at which the answer must be ready, on a clock in seconds.

    Attributes:
        waited_s: how much of the time that there was has gone by before work on the answer began.
        limit: what set that moment.
    """

    expires_at_s: float
    clock: Callable[[], float]
    waited_s: float = 0.0
    limit: Shortage = Shortage.TIME_BUDGET

    def remaining_s(self) -> float:
        """Seconds left; negative once it is too late."""
        return self.expires_at_s - self.clock()

    def shortage(self, needed_s: float) -> Shortage | None:
        """Why something that takes this long may not be done; None if there is time for it."""
        left_s = self.remaining_s()
        if left_s > needed_s:
            return None
        return Shortage.OVERLOAD if left_s + self.waited_s > needed_s else self.limit
