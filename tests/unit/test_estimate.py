"""Whether the time left allows a part of an answer."""

from __future__ import annotations

from suggest.budget import Budget
from suggest.estimate import CostEstimate


def test_without_a_budget_everything_fits() -> None:
    assert CostEstimate(1.0).fits(None)


def test_twice_the_mean_must_be_left() -> None:
    assert CostEstimate(0.1).fits(Budget(0.21, lambda: 0.0))
    assert not CostEstimate(0.1).fits(Budget(0.19, lambda: 0.0))
    assert not CostEstimate(0.0).fits(Budget(0.0, lambda: 1.0))


def test_one_slow_moment_is_forgotten() -> None:
    estimate = CostEstimate(0.001)
    estimate.observe(1.0)
    budget = Budget(0.05, lambda: 0.0)
    assert not estimate.fits(budget)
    assert any(estimate.fits(budget) for _ in range(500))
