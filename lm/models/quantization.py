"""KenLM's quantisation of log probabilities and back-off weights, value for value.

Each order's values are replaced by the nearest of a few centres, the means of bins of equal population (Federico and
Bertoldi, 2006, "How many bits are needed to store probabilities for phrase-based translation?"), computed as KenLM's
`lm/quantize.cc` does: whoever reads the ARPA file then has the very numbers that its quantised trie holds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def quantize(values: NDArray[np.float32], bins: int) -> NDArray[np.float32]:
    """The nearest centre of each value, float32 (n,); base-10 logarithms, as KenLM bins them."""
    if len(values) == 0:
        return values
    centers = _centers(np.sort(values), bins)
    above = np.searchsorted(centers, values).clip(1, len(centers) - 1)
    below_is_nearer = values - centers[above - 1] < centers[above] - values
    nearest: NDArray[np.float32] = centers[above - below_is_nearer]
    return nearest


def _centers(ordered: NDArray[np.float32], bins: int) -> NDArray[np.float32]:
    """Means of `bins` bins of equal population, ascending; where values are fewer, bins without one are left out."""
    bounds = len(ordered) * np.arange(bins + 1) // bins
    starts = bounds[:-1][np.diff(bounds) > 0]
    sums = np.add.reduceat(ordered.astype(np.float64), starts)
    means: NDArray[np.float64] = sums / np.diff(starts, append=len(ordered))
    return means.astype(np.float32)
