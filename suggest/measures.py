"""How good lists of suggestions are: the definitions that offline and online measures share.

Offline, `training.evaluation` types held-out queries. Online, `service.live` reads what users did. Both measure whole
queries: the mean of the reciprocal rank (MRR), and of the letters those that a suggestion saved. Every measure is a
ratio of two sums, so bootstrap intervals come from resampled sums.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
SEED = 1

Floats = NDArray[np.float64]


def reciprocal(rank: int) -> float:
    """What a query adds to the sum of the MRR: 1 / rank of the query among the suggestions, from 1; 0 for a miss."""
    return 1 / rank if rank else 0.0


def keys_pressed(letters: int, typed: int | None) -> int:
    """Keys for a query: the letters typed and one more that takes the suggestion, or all of its letters.

    Args:
        letters: of the query.
        typed: letters before the suggestion was taken; None if none was.
    """
    return letters if typed is None else typed + 1


def letters_saved(letters: int, pressed: int) -> int:
    """What a query adds to the sum of the saved letters; the sum of all letters divides it.

    0 if a user typed more letters than the suggestion has that was then taken.
    """
    return max(letters - pressed, 0)


def resampled_ratios(
    numerators_BM: Floats,
    denominators_BM: Floats,
    *,
    resamples: int = RESAMPLES,
    rng: np.random.Generator | None = None,
) -> Floats:
    """M ratios of sums over B >= 1 queries or users drawn with replacement, float64 (resamples, M).

    Equal generators draw the same rows, so the ratios of two lists are paired.

    Args:
        numerators_BM, denominators_BM: what each row adds; no denominator is 0.
        rng: draws them; if None, one that is the same every time.
    """
    rng = rng or np.random.default_rng(SEED)
    size, measures = numerators_BM.shape
    both_BN = np.concatenate([numerators_BM, denominators_BM], axis=1)
    sums_RN = np.empty((resamples, 2 * measures))
    for sums_N in sums_RN:
        times_B = np.bincount(rng.integers(0, size, size), minlength=size).astype(np.float64)
        sums_N[:] = times_B @ both_BN
    ratios_RM: Floats = sums_RN[:, :measures] / sums_RN[:, measures:]
    return ratios_RM


def interval(samples_R: Floats, level: float = 0.95) -> tuple[float, float]:
    """The middle part of resampled values."""
    outside = (1 - level) / 2
    low, high = np.quantile(samples_R, [outside, 1 - outside])
    return float(low), float(high)
