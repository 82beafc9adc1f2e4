"""What people type and when: every prefix of held-out queries, in order, by many users at typing speed."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

_KEY_S, _KEY_SPREAD = 0.2, 0.4
"""Median time between two keystrokes, and the deviation of its logarithm."""
_PAUSE_S = 2.0
"""Mean time between two queries of a user."""
_WARM_UP_S = 30.0
"""Typed before the first call that counts, so that users are somewhere within their queries then."""


def prefixes(texts: Sequence[str]) -> Iterator[str]:
    """All beginnings of all texts, as they are typed one text after the other."""
    return (text[:end] for text in texts for end in range(1, len(text) + 1))


def typing_traffic(
    queries: Sequence[str], count: int, rate_per_s: float, *, seed: int = 1
) -> tuple[list[str], NDArray[np.float64]]:
    """So many keystrokes of as many users as give this rate, and when each falls, in seconds, float64 (count,).

    Which queries are typed follows Zipf's law: the k-th of them 1 / k as often as the first. Times are scaled a little,
    so that the rate is exactly the wanted one.
    """
    chance = np.random.default_rng(seed)
    popularity = 1.0 / np.arange(1, len(queries) + 1)
    popularity /= popularity.sum()
    mean_length = float(popularity @ [len(query) for query in queries])
    users = max(1, round(rate_per_s * (_KEY_S + _PAUSE_S / mean_length)))
    waiting: list[tuple[float, int, str, int]] = []

    def begin(user: int, now_s: float) -> None:
        query = queries[chance.choice(len(queries), p=popularity)]
        heapq.heappush(waiting, (now_s + chance.exponential(_PAUSE_S), user, query, 1))

    for user in range(users):
        begin(user, 0.0)
    typed, due_s = list[str](), list[float]()
    while len(typed) < count:
        now_s, user, query, length = heapq.heappop(waiting)
        if now_s >= _WARM_UP_S:
            typed.append(query[:length])
            due_s.append(now_s)
        if length == len(query):
            begin(user, now_s)
        else:
            pause_s = _KEY_S * float(np.exp(_KEY_SPREAD * chance.standard_normal()))
            heapq.heappush(waiting, (now_s + pause_s, user, query, length + 1))
    times_s = np.array(due_s) - due_s[0]
    return typed, times_s * (count / rate_per_s) / max(times_s[-1], 1e-9)


def poisson_arrivals(count: int, rate_per_s: float, *, seed: int = 1) -> NDArray[np.float64]:
    """When calls of independent callers fall, in seconds, float64 (count,)."""
    times_s: NDArray[np.float64] = np.cumsum(np.random.default_rng(seed).exponential(1 / rate_per_s, count))
    return times_s


def fixed_arrivals(count: int, rate_per_s: float) -> NDArray[np.float64]:
    """Calls in equal distances, in seconds, float64 (count,)."""
    return np.arange(count) / rate_per_s
