"""From when on ghost text is shown, against a search through all thresholds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.evaluation.ghost_text import Ghosts
from training.fit.ghost_text import least_probability


def _ghosts(size: int, seed: int, power: float) -> Ghosts:
    """Ghosts that are right with a power of their probability, and rarer than that at the start of a word."""
    chance = np.random.default_rng(seed)
    probabilities, at_start = chance.random(size), chance.random(size) < 0.2
    right = chance.random(size) < probabilities ** (power + at_start)
    return Ghosts(np.where(chance.random(size) < 0.1, 0.0, probabilities), right, at_start)


def _holds(ghosts: Ghosts, least: float, precision: float) -> bool:
    bounds = []
    for at_start in (True, False):
        right = ghosts.right[(ghosts.probabilities >= max(least, 1e-12)) & (ghosts.at_start == at_start)]
        share = right.mean() if len(right) else 1.0
        bounds.append(len(right) < 50 or share - 2 * math.sqrt(share * (1 - share) / len(right)) >= precision)
    return all(bounds)


@pytest.mark.parametrize("power", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("precision", [0.3, 0.6, 0.9])
def test_it_is_the_least_that_is_right_often_enough(power: float, precision: float) -> None:
    for seed in range(5):
        ghosts = _ghosts(5000, seed, power)
        grid = [place / 100 for place in range(101)]
        holds = [_holds(ghosts, least, precision) for least in grid]
        expected = next(least for place, least in enumerate(grid) if all(holds[place:]))
        assert least_probability(ghosts, precision) == expected


def test_of_too_little_text_nothing_is_learnt() -> None:
    assert least_probability(_ghosts(40, 1, 1.0), 0.6) == 0.5
    nothing = Ghosts(np.empty(0), np.empty(0, np.bool_), np.empty(0, np.bool_))
    assert least_probability(nothing, 0.6) == 0.5
