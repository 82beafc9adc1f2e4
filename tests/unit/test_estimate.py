"""Whether the time left allows a part of an answer."""

from __future__ import annotations

import pytest

from suggest.budget import Budget, CostEstimate, LeftOut, OptionalPart, Shortage, Work


def ending(in_s: float, *, waited_s: float = 0.0, limit: Shortage = Shortage.TIME_BUDGET) -> Budget:
    return Budget(in_s, lambda: 0.0, waited_s, limit)


def test_without_a_budget_there_is_time_for_everything() -> None:
    assert CostEstimate(1.0).shortage(None) is None


def test_the_mean_and_four_deviations_must_be_left() -> None:
    assert CostEstimate(0.1).shortage(ending(0.21)) is None
    assert CostEstimate(0.1).shortage(ending(0.19)) is Shortage.TIME_BUDGET
    assert CostEstimate(0.0).shortage(ending(-1.0)) is Shortage.TIME_BUDGET


def test_what_costs_the_same_each_time_needs_no_more_and_what_does_not_needs_more() -> None:
    steady, varying = CostEstimate(0.1), CostEstimate(0.1)
    for number in range(300):
        steady.observe(0.1)
        varying.observe(0.2 * (number % 2))
    assert steady.shortage(ending(0.101)) is None
    assert varying.shortage(ending(0.45))
    assert varying.shortage(ending(0.55)) is None


def test_one_slow_moment_is_forgotten() -> None:
    estimate = CostEstimate(0.001)
    estimate.observe(1.0)
    assert estimate.shortage(ending(0.05))
    assert any(estimate.shortage(ending(0.05)) is None for _ in range(500))


def test_calls_that_come_too_late_for_anything_say_nothing_of_its_cost() -> None:
    estimate = CostEstimate(0.1)
    for _ in range(500):
        estimate.shortage(ending(0.0))
    assert estimate.shortage(ending(0.19))


@pytest.mark.parametrize("limit", [Shortage.DEADLINE, Shortage.TIME_BUDGET])
def test_time_that_went_by_in_the_queue_is_told_from_time_that_there_never_was(limit: Shortage) -> None:
    assert ending(0.1, waited_s=0.05, limit=limit).shortage(0.09) is None
    assert ending(0.1, waited_s=0.05, limit=limit).shortage(0.14) is Shortage.OVERLOAD
    assert ending(0.1, waited_s=0.05, limit=limit).shortage(0.16) is limit


def test_each_part_left_out_is_noted_and_one_that_comes_last_goes_with_them() -> None:
    work = Work(ending(0.1, limit=Shortage.DEADLINE))
    assert work.allows(OptionalPart.SPELLING, CostEstimate(0.01))
    assert not work.left_out
    assert not work.allows(OptionalPart.NEURAL, CostEstimate(0.06))
    assert not work.allows(OptionalPart.RERANKER, CostEstimate(0.01), last=True)
    assert work.left_out == (
        LeftOut(OptionalPart.NEURAL, Shortage.DEADLINE),
        LeftOut(OptionalPart.RERANKER, Shortage.DEADLINE),
    )
