"""Calibration: how often what was shown with probability p was right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

BINS = 10


def reliability(probabilities: Sequence[float], right: Sequence[bool]) -> dict[str, Any]:
    """A reliability diagram's bins of equal width, and the expected calibration error (Guo et al., 2017).

    The error is the mean distance, weighted by how much was shown, between the share that was right and the mean
    probability of a bin. Empty bins are left out.
    """
    shown, hits = np.array(probabilities, np.float64), np.array(right, np.float64)
    places = np.minimum((shown * BINS).astype(np.int64), BINS - 1)
    bins, error = [], 0.0
    for place in range(BINS):
        inside = places == place
        count = int(inside.sum())
        if not count:
            continue
        mean, share = float(shown[inside].mean()), float(hits[inside].mean())
        error += count / len(shown) * abs(share - mean)
        bins.append(
            {"low": place / BINS, "high": (place + 1) / BINS, "shown": count, "mean_probability": mean, "right": share}
        )
    return {"shown": len(shown), "expected_calibration_error": error, "bins": bins}
