"""How far stated probabilities can be trusted: their calibration. Bootstrap intervals: `suggest.measures`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

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
