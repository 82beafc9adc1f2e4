"""The time that an answer may take, what had to be left out of it for want of time, and how long its stages took."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

_KEEP = 0.9
_FORGET = 0.99


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


class CostEstimate:
    """Exponentially weighted means of a cost in seconds and of its deviation; threads may share it, last writer wins.

    A cost fits where its mean and four deviations do, as in TCP's timer (RFC 6298). Where only twice the mean had
    to fit, four times as many answers were late.
    """

    def __init__(self, initial_s: float) -> None:
        self._mean_s = initial_s
        self._deviation_s = initial_s / 4

    @property
    def mean_s(self) -> float:
        """The mean now."""
        return self._mean_s

    def observe(self, cost_s: float) -> None:
        """Takes one measured cost in."""
        self._deviation_s = _KEEP * self._deviation_s + (1 - _KEEP) * abs(cost_s - self._mean_s)
        self._mean_s = _KEEP * self._mean_s + (1 - _KEEP) * cost_s

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Takes in what runs inside."""
        start_s = time.perf_counter()
        yield
        self.observe(time.perf_counter() - start_s)

    def shortage(self, budget: Budget | None) -> Shortage | None:
        """Why the cost would not fit into what is left, if so."""
        if budget is None:
            return None
        short = budget.shortage(self._mean_s + 4 * self._deviation_s)
        if short is not None and budget.remaining_s() > 0:
            # What is left out is not measured: without this, one slow moment would leave it out for good.
            self._mean_s *= _FORGET
            self._deviation_s *= _FORGET
        return short


class StageTiming(NamedTuple):
    """Time that one stage of an answer took."""

    stage: str
    duration_s: float


class Work:
    """The work on one answer: which optional parts the time allows, and how long its stages take.

    Attributes:
        left_out: the parts left out so far.
        timings: of the stages so far, in the order they were left.
    """

    def __init__(self, budget: Budget | None) -> None:
        self._budget = budget
        self.left_out: tuple[LeftOut, ...] = ()
        self.timings: tuple[StageTiming, ...] = ()

    def allows(self, part: OptionalPart, cost: CostEstimate, *, last: bool = False) -> bool:
        """Whether there is time for a part; one that comes last has none where another was left out."""
        short = self.left_out[0].reason if last and self.left_out else cost.shortage(self._budget)
        if short is not None:
            self.left_out += (LeftOut(part, short),)
        return short is None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times what runs inside; what fails has no duration."""
        start_s = time.perf_counter()
        yield
        self.timings += (StageTiming(name, time.perf_counter() - start_s),)
