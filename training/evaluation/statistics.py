"""How far a figure can be trusted: bootstrap intervals, and calibration of stated probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
SEED = 1

Floats = NDArray[np.float64]


def resampled_ratios(
    numerators_BM: Floats, denominators_BM: Floats, *, resamples: int = RESAMPLES, seed: int = SEED
) -> Floats:
    """M ratios of sums over B >= 1 queries drawn with replacement, float64 (resamples, M).

    Equal seeds draw the same queries, so the ratios of two lists are paired.

    Args:
        numerators_BM, denominators_BM: what each query adds; no denominator is 0.
    """
    rng = np.random.default_rng(seed)
    size, measures = numerators_BM.shape
    both_BN = np.concatenate([numerators_BM, denominators_BM], axis=1)
    sums_RN = np.empty((resamples, 2 * measures))
    for sums_N in sums_RN:
        times_B = np.bincount(rng.integers(0, size, size), minlength=size).astype(np.float64)
        sums_N[:] = times_B @ both_BN
    ratios_RM: Floats = sums_RN[:, :measures] / sums_RN[:, measures:]
    return ratios_RM


def interval(samples_R: Floats) -> tuple[float, float]:
    """The middle 95% of resampled values."""
    low, high = np.quantile(samples_R, [0.025, 0.975])
    return float(low), float(high)


BINS = 10


def reliability(probabilities: Sequence[float], right: Sequence[bool]) -> dict[str, Any]:
    """A reliability diagram's bins of equal width, and the expected calibration error (Guo et al., 2017).

    The error is the mean distance between a bin's share that was right and its mean probability, weighted by how much
    was shown. Empty bins are left out.
    """
    shown, hits = np.array(probabilities, np.float64), np.array(right, np.float64)
    places = np.minimum((shown * BINS).astype(np.int64), BINS - 1)
    bins, error = [], 0.0
    for place in np.unique(places).tolist():
        inside = places == place
        mean, share, count = float(shown[inside].mean()), float(hits[inside].mean()), int(inside.sum())
        error += count / len(shown) * abs(share - mean)
        found = {"low": place / BINS, "high": (place + 1) / BINS, "shown": count}
        bins.append(found | {"mean_probability": mean, "right": share})
    return {"shown": len(shown), "expected_calibration_error": error, "bins": bins}
