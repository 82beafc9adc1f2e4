"""Builds tries as arrays. Nodes are numbered level by level, those of one level in the order of what they spell."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Trie(NamedTuple):
    """N nodes, the root first.

    Attributes:
        keys: what leads to each node, uint32 (N,); of the root 0.
        children: where the nodes below each one begin, uint32 (N + 1,).
        places: the node at which each row ends, int64 (R,).
        levels: where the nodes of each level begin, the root alone first, and where the last level ends.
        parents: int64 (N,); of the root 0.
    """

    keys: NDArray[np.uint32]
    children: NDArray[np.uint32]
    places: NDArray[np.int64]
    levels: tuple[int, ...]
    parents: NDArray[np.int64]

    def sums(self, values_R: NDArray[np.float64]) -> NDArray[np.float64]:
        """At each node the sum of the values of all rows that go through it, float64 (N,)."""
        sums_N = np.bincount(self.places, values_R, len(self.keys)).astype(np.float64)
        for start, end in zip(self.levels[-2:0:-1], self.levels[:1:-1], strict=True):
            above = self.parents[start:end]
            sums_N[above[0] : above[-1] + 1] += np.bincount(above - above[0], sums_N[start:end])
        return sums_N


def build_trie(keys_RL: NDArray[np.uint32], lengths_R: NDArray[np.int64]) -> Trie:
    """The trie of distinct rows in ascending order.

    Args:
        keys_RL: uint32 (R, L), above 0, each row with zeros behind it.
        lengths_R: how many keys each row has, at least 1.
    """
    places_R = np.zeros(len(lengths_R), np.int64)  # where each row's walk has got to
    keys, parents, levels = [np.zeros(1, np.uint32)], [np.zeros(0, np.int64)], [0, 1]
    for depth in range(int(lengths_R.max(initial=0))):
        going = np.flatnonzero(lengths_R > depth)
        here, above = keys_RL[going, depth], places_R[going]
        begins = np.concatenate(([True], (here[1:] != here[:-1]) | (above[1:] != above[:-1])))
        places_R[going] = levels[-1] + np.cumsum(begins) - 1
        keys.append(here[begins])
        parents.append(above[begins])
        levels.append(levels[-1] + int(begins.sum()))
    below = np.concatenate(parents)
    children = 1 + np.searchsorted(below, np.arange(levels[-1] + 1))
    every = np.concatenate((np.zeros(1, np.int64), below))
    return Trie(np.concatenate(keys), children.astype(np.uint32), places_R, tuple(levels), every)
