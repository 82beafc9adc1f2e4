"""The factor for the weights of a catalogue beside a log: whatever their unit, and whatever the log says of entries."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.data.catalogue_weight import LogCounts, fit_factor, most_probable_odds

QUERIES = [f"query {number}" for number in range(30)]
TITLES = [*QUERIES[:5], *(f"title {number}" for number in range(30))]
Weights = st.dictionaries(st.sampled_from(TITLES), st.floats(1e-3, 1e9), min_size=1)
Counts = st.dictionaries(st.sampled_from(QUERIES), st.floats(0.5, 1e6), min_size=1)
HeldOut = st.dictionaries(st.sampled_from(QUERIES + TITLES), st.integers(1, 400))


def _log(counts: dict[str, float], held_out: dict[str, int]) -> LogCounts:
    ordered = sorted(counts.values())
    return LogCounts(
        total=sum(ordered),
        median=float(np.median(ordered)),
        popular=ordered[-10:][0],
        held_out=held_out,
        counts={query: counts[query] for query in held_out if query in counts},
    )


@given(Weights, Counts, HeldOut)
def test_no_weight_alone_stands_among_the_most_popular(
    weights: dict[str, float], counts: dict[str, float], held_out: dict[str, int]
) -> None:
    factor = fit_factor(weights, _log(counts, held_out))

    assert max(weights.values()) * factor < sorted(counts.values())[-10:][0]


@given(Weights, Counts, HeldOut, st.integers(-60, 60))
def test_the_unit_of_the_weights_changes_no_count(
    weights: dict[str, float], counts: dict[str, float], held_out: dict[str, int], exponent: int
) -> None:
    other = {title: weight * 2.0**exponent for title, weight in weights.items()}
    log = _log(counts, held_out)
    factor, changed = fit_factor(weights, log), fit_factor(other, log)

    assert math.log2(factor / changed) - exponent in (-1.0, 0.0, 1.0)  # a fit halfway between two powers


@given(st.lists(st.floats(1e-300, 1e29), min_size=1, max_size=20), Counts, HeldOut)
def test_entries_keep_their_order_exactly(
    weights: list[float], counts: dict[str, float], held_out: dict[str, int]
) -> None:
    near = [each for weight in weights for each in (weight, math.nextafter(weight, math.inf))]
    factor = fit_factor({f"title {number}": weight for number, weight in enumerate(near)}, _log(counts, held_out))

    mantissa, _ = math.frexp(factor)
    assert mantissa == 0.5
    ordinary = [weight for weight in near if weight * factor > 1e-290]  # below, doubles have fewer digits
    assert sorted(ordinary, key=lambda weight: weight * factor) == sorted(ordinary)
    assert len({weight * factor for weight in ordinary}) == len(set(ordinary))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(1, 500)), max_size=12), st.floats(-12, 12))
def test_the_odds_are_the_most_probable_ones(rows: list[tuple[float, float, int]], usual: float) -> None:
    rows = [row for row in rows if max(row[:2]) > 1e-6]
    by_log_H, by_entries_H, times_H = (np.array([row[each] for row in rows]) for each in range(3))

    def height(log_odds: float) -> float:
        share, asked = 1 / (1 + math.exp(-log_odds)), 1 / (1 + math.exp(-usual))
        likelihood = times_H @ np.log((1 - share) * by_log_H + share * by_entries_H)
        return float(likelihood + 10 * (asked * math.log(share) + (1 - asked) * math.log1p(-share)))

    found = most_probable_odds(by_log_H, by_entries_H, times_H, usual)
    assert all(height(found) >= height(found + step) - 1e-6 for step in (-3, -1, -0.1, 0.1, 1, 3) if found + step < 30)


def test_titles_that_users_submit_weigh_as_users_submit_them() -> None:
    counts = dict.fromkeys(QUERIES, 100.0)
    weights = {f"title {number}": 4000.0 for number in range(30)}
    often = dict.fromkeys(QUERIES, 100) | dict.fromkeys(weights, 25)
    seldom = dict.fromkeys(QUERIES, 100) | {"title 3": 3}

    assert 16 <= 4000 * fit_factor(weights, _log(counts, often)) <= 36
    assert 0.05 <= 4000 * fit_factor(weights, _log(counts, seldom)) <= 0.4


def test_where_nothing_is_held_out_the_median_entry_counts_as_the_median_query() -> None:
    counts = {query: 2.0 + 10 * number for number, query in enumerate(QUERIES)}
    weights = {f"title {number}": 1000.0 + number for number in range(30)}

    assert 90 <= 1015 * fit_factor(weights, _log(counts, {})) <= 230
