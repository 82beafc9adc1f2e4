"""How many submissions of the log a weight of 1 in the catalogue counts as: one factor, fitted on held-out queries.

Weights are in whatever unit the operator has: sales, ratings, prices, pieces in stock. What is held out of the log says
how often users submit what the catalogue has. A held-out query is taken to come from the log or from the catalogue:

    p(q) = (1 - s) count(q) / sum of all counts + s weight(q) / sum of all weights

The share s is the one under which the held-out queries are most probable, beside a few made-up ones that say what is
usual: the median entry counts as the median query. The fewer queries are held out, the more these say. Then

    factor = s / (1 - s) * sum of all counts / sum of all weights

A weight alone lifts no entry among the most popular queries, which an empty box shows: heavy in its own unit is not
wanted. The factor is a power of two, so that entries of different weights keep their order to the last bit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BOX = 10
"""So many of the most popular queries no weight alone overtakes: as many as an empty box shows."""
_USUAL = 10.0
"""Held-out queries that the usual share stands for."""
_HALVINGS = 60
_WIDEST = 300.0
"""The log of the odds of catalogue against log is looked for between this and its opposite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCounts:
    """What a log has counted.

    Attributes:
        total: submissions of all queries.
        median: submissions of the median query.
        popular: submissions of the least popular of the `_BOX` most popular ones.
        held_out: how often each query stands among the held-out ones.
        counts: submissions of those of them that the log has.
    """

    total: float
    median: float
    popular: float
    held_out: Mapping[str, int]
    counts: Mapping[str, float]


def read_log_counts(connection: DuckDBPyConnection, log: Path) -> LogCounts:
    """What a log says.

    Args:
        connection: has its counted queries as `logged`.
        log: its folder, with what is held out.
    """
    import pyarrow

    lines = (log / "validation.txt").read_text(encoding="utf-8").split("\n")
    held_out = Counter(line for line in lines if line)
    connection.register("held", pyarrow.table({"query": pyarrow.array(held_out, pyarrow.string())}))
    found = connection.sql("SELECT query, count FROM logged SEMI JOIN held USING (query)").fetchall()
    popular = connection.sql(f"SELECT count FROM logged ORDER BY count DESC LIMIT {_BOX}").fetchall()
    (row,) = connection.sql("SELECT sum(count), median(count) FROM logged").fetchall()
    return LogCounts(total=row[0], median=row[1], popular=popular[-1][0], held_out=held_out, counts=dict(found))


def fit_factor(weights: Mapping[str, float], log: LogCounts) -> float:
    """The factor, a power of two.

    Args:
        weights: of each entry, above 0; at least one.
    """
    weights_E = np.fromiter(weights.values(), np.float64, len(weights))
    unit = float(weights_E.max())  # so that no sum overflows
    total, median = float((weights_E / unit).sum()), float(np.median(weights_E / unit))
    usual = math.log(log.median) - math.log(median) + math.log(total) - math.log(log.total)
    known = [query for query in log.held_out if query in log.counts or query in weights]
    by_log_H = np.array([log.counts.get(query, 0.0) for query in known]) / log.total
    by_entries_H = np.array([weights.get(query, 0.0) / unit for query in known]) / total
    times_H = np.array([log.held_out[query] for query in known], np.float64)
    log_odds = most_probable_odds(by_log_H, by_entries_H, times_H, usual)
    fitted = (log_odds + math.log(log.total) - math.log(total)) / math.log(2) - math.log2(unit)
    exponent = min(round(fitted), math.floor(math.log2(log.popular) - math.log2(unit)))
    while math.ldexp(unit, exponent) >= log.popular:
        exponent -= 1
    return math.ldexp(1.0, min(exponent, 1000))


def most_probable_odds(
    by_log_H: NDArray[np.float64], by_entries_H: NDArray[np.float64], times_H: NDArray[np.float64], usual: float
) -> float:
    """Natural log of the odds, catalogue against log, under which held-out queries are most probable.

    The posterior has one top, so its slope is halved down to 0.

    Args:
        by_log_H, by_entries_H: probability of each held-out query by the log and by the catalogue; one is above 0.
        times_H: how often each was submitted.
        usual: natural log of the odds that made-up queries ask for.
    """
    usual = min(max(usual, -_WIDEST), _WIDEST)
    low, high = -_WIDEST, _WIDEST
    for _ in range(_HALVINGS):
        log_odds = (low + high) / 2
        share, rest = _logistic(log_odds), _logistic(-log_odds)
        mixed_H = rest * by_log_H + share * by_entries_H
        slope = float((times_H * (by_entries_H - by_log_H) / mixed_H).sum())
        slope += _USUAL * (_logistic(usual) / share - _logistic(-usual) / rest)
        low, high = (log_odds, high) if slope > 0 else (low, log_odds)
    return (low + high) / 2


def _logistic(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-log_odds))
