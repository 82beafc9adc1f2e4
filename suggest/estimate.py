"""What a part of an answer has cost lately, to decide whether the time left allows it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from suggest.budget import Budget

_KEEP = 0.9
_FORGET = 0.99


class CostEstimate:
    """Exponentially weighted mean of a cost in seconds; threads may share it, the last writer wins."""

    def __init__(self, initial_s: float) -> None:
        self._mean_s = initial_s

    @property
    def mean_s(self) -> float:
        """The mean now."""
        return self._mean_s

    def observe(self, cost_s: float) -> None:
        """Takes one measured cost in."""
        self._mean_s = _KEEP * self._mean_s + (1 - _KEEP) * cost_s

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Takes in what runs inside."""
        start_s = time.perf_counter()
        yield
        self.observe(time.perf_counter() - start_s)

    def fits(self, budget: Budget | None) -> bool:
        """Whether twice the mean cost fits into what is left: costs spread about as wide as their mean."""
        if budget is None:
            return True
        left_s = budget.remaining_s()
        if 0 < left_s <= 2 * self._mean_s:
            # What is left out is not measured: without this, one slow moment would leave it out for good.
            self._mean_s *= _FORGET
            return False
        return left_s > 0
