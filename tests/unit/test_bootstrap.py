"""The bootstrap: golden figures, a loop that draws as the definition says, and the theory where there is one."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.query_benchmark import group_differences, group_figures
from training.evaluation.query_outcomes import Outcome
from training.evaluation.statistics import interval, resampled_ratios

_ABOVE = np.array([[1.0, 3.0], [0.0, 1.0], [0.5, 0.0], [1.0, 5.0]])
_BELOW = np.array([[1.0, 6.0], [1.0, 4.0], [1.0, 2.0], [1.0, 8.0]])


def test_ratios_are_those_of_the_queries_drawn() -> None:
    rng = np.random.default_rng(7)
    for ratios in resampled_ratios(_ABOVE, _BELOW, resamples=20, seed=7):
        drawn = rng.integers(0, 4, 4)
        expected = [sum(_ABOVE[i, m] for i in drawn) / sum(_BELOW[i, m] for i in drawn) for m in (0, 1)]
        assert ratios.tolist() == pytest.approx(expected)


def test_golden() -> None:
    ratios = resampled_ratios(_ABOVE, _BELOW)
    assert ratios.shape == (1000, 2)
    assert interval(ratios[:, 0]) == pytest.approx((0.25, 1.0))
    assert interval(ratios[:, 1]) == pytest.approx((1 / 6, 15 / 26))


def test_a_share_of_many_has_the_interval_of_the_normal_law() -> None:
    hits = np.repeat([1.0, 0.0], [600, 1400])[:, None]
    low, high = interval(resampled_ratios(hits, np.ones_like(hits))[:, 0])
    assert high - low == pytest.approx(2 * 1.96 * (0.3 * 0.7 / 2000) ** 0.5, rel=0.1)
    assert (low + high) / 2 == pytest.approx(0.3, abs=0.002)


def _outcomes(ranks: list[int]) -> list[Outcome]:
    return [
        Outcome(
            query=f"query {number}",
            prefix="qu",
            rank=rank,
            partial_rank=rank,
            top=("x",),
            probabilities=(),
            right=None,
            keystrokes=None if number % 2 else 4,
            recoverable_length=None if number % 2 else 3,
        )
        for number, rank in enumerate(ranks)
    ]


def test_a_small_gain_of_every_query_is_real_and_chance_is_not() -> None:
    rng = np.random.default_rng(3)
    before = rng.integers(2, 10, 60).tolist()
    seen = [True] * 60
    better = group_differences(_outcomes(before), _outcomes([rank - 1 for rank in before]), seen)[0]["measures"]
    assert better["mrr_at_10"]["real"]
    assert better["mrr_at_10"]["low"] > 0
    assert not better["success_at_10"]["real"]
    shuffled = group_differences(_outcomes(before), _outcomes(rng.permutation(before).tolist()), seen)[0]["measures"]
    assert not shuffled["mrr_at_10"]["real"]
    assert shuffled["mrr_at_10"]["value"] == pytest.approx(0)
    # Paired: what does not differ differs by nothing, whatever was drawn.
    same = group_differences(_outcomes(before), _outcomes(before), seen)
    assert {figure[bound] for group in same for figure in group["measures"].values() for bound in ("low", "high")} == {
        0.0
    }


def test_measures_are_of_the_queries_that_they_apply_to() -> None:
    figures = group_figures(_outcomes([1, 0, 0, 2]), [True, False, False, True])
    assert [(group["group"], group["count"], group["typed"]) for group in figures[:3]] == [
        ("all", 4, 2),
        ("seen", 2, 1),
        ("unseen", 2, 1),
    ]
    every = figures[0]["measures"]
    assert every["mrr_at_10"]["value"] == pytest.approx(1.5 / 4)
    assert every["mean_recoverable_length"]["value"] == 3
    assert every["keystrokes_saved_at_3"]["value"] == pytest.approx(1 - 4 / 7)
    (by_prefix,) = [group for group in figures if group["by"] == "prefix_length"]
    assert "keystrokes_saved_at_3" not in by_prefix["measures"]
    assert by_prefix["measures"]["mrr_at_10"] == every["mrr_at_10"]
