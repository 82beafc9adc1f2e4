"""The measures of query completion and their bootstrap: hand-worked lists, and loops that follow the definitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.index.queries import QueryIndex
from suggest.measures import interval, resampled_ratios
from tests.query_indexes import QueryRow, build_query_index
from training.evaluation.metrics import (
    Listed,
    keystrokes,
    keystrokes_in_parts,
    partial_rank,
    rank,
    recoverable_length,
    typed_prefix,
)
from training.evaluation.query_benchmark import examples, group_differences, group_figures
from training.evaluation.query_measures import MEASURES, groups, value
from training.evaluation.query_outcomes import Outcome, most_popular, outcomes, sample, wanted_queries
from training.progress import SilentReporter

_TEXTS = ("a", "a b", "a b c", "b", "a bc")
_LISTS = st.lists(st.tuples(st.sampled_from(_TEXTS), st.integers(0, 3)), max_size=14, unique_by=lambda item: item[0])
_RANKS = st.lists(st.integers(0, 10), min_size=3, max_size=12)


def _listed(*items: tuple[str, float]) -> list[Listed]:
    return [Listed(text, score) for text, score in items]


def test_a_tie_counts_against_the_wanted_query() -> None:
    listed = _listed(("one", 3), ("two", 2), ("three", 2), ("four", 1))
    assert [rank(listed, wanted) for wanted in ("one", "two", "three", "four", "five")] == [1, 3, 3, 4, 0]
    even = _listed(*((str(number), 1.0) for number in range(11)))
    assert rank(even, "0") == 0  # the eleventh is as good: it may as well have been shown instead
    assert rank(even[:10], "0") == 10


def test_the_first_words_of_the_query_count_where_they_stand() -> None:
    listed = _listed(("new york city", 4), ("new york", 3), ("new york times", 2))
    assert partial_rank(listed, "new york times", "new y") == 2
    assert partial_rank(listed, "new york times", "new york") == 3  # `new york` is typed already
    assert partial_rank(listed, "new york times", "new york ") == 3
    assert partial_rank(listed, "new yorker", "new y") == 0  # not a whole word
    assert partial_rank([], "new york", "new y") == 0


@given(_LISTS, st.sampled_from(_TEXTS), st.sampled_from(["", "a", "a b"]))
def test_ranks_are_those_of_the_list_sorted_with_what_is_wanted_last(
    items: list[tuple[str, int]], wanted: str, typed: str
) -> None:
    def place(right: set[str]) -> int:
        worst = sorted(items, key=lambda item: (-item[1], item[0] in right))
        return next((place for place, (text, _) in enumerate(worst[:10], 1) if text in right), 0)

    words = wanted.split()
    beginnings = {" ".join(words[:count]) for count in range(1, len(words))}
    listed = _listed(*sorted(items, key=lambda item: -item[1]))
    assert rank(listed, wanted) == place({wanted})
    assert partial_rank(listed, wanted, typed) == place(
        {wanted} | {each for each in beginnings if len(each) > len(typed)}
    )


@given(_RANKS)
def test_typing_and_deleting_letter_by_letter(ranks: list[int]) -> None:
    query = "abcdefghijkl"[: len(ranks)]

    def rank_at(prefix: str) -> int:
        return ranks[len(prefix)]

    taken = [typed for typed in range(len(query)) if ranks[typed] in (1, 2, 3)]
    assert keystrokes(query, rank_at) == (min(taken) + 1 if taken else len(query))
    deletable = [
        deleted
        for deleted in range(len(query) - 1)
        if all(ranks[len(query) - each] > 0 for each in range(1, deleted + 1))
    ]
    assert recoverable_length(query, rank_at) == max(deletable)


def test_first_words_are_taken_too() -> None:
    shown = {"": ["a b", "a"], "a b": ["a b", "x"], "a b ": ["a b c d", "a b c", "a b c d e"]}
    assert keystrokes_in_parts("a b c d", lambda typed: shown.get(typed, [])) == 3
    assert keystrokes_in_parts("a b c d f", lambda typed: shown.get(typed, [])) == 5
    assert keystrokes_in_parts("a bc", lambda typed: shown.get(typed, [])) == 4  # `a`, then letters
    assert keystrokes_in_parts("abc", lambda _: ["a", "ab"]) == 3


_LOG = {"new york": 50, "new york times": 40, "news": 90, "new jersey": 30, "newark": 30, "weather": 20}


@pytest.fixture
def index(tmp_path: Path) -> QueryIndex:
    build_query_index(tmp_path, [QueryRow(query, count) for query, count in _LOG.items()])
    return QueryIndex(tmp_path)


def test_what_popularity_alone_is_worth_by_hand(index: QueryIndex) -> None:
    queries = ["new york times", "newark", "new york cab"]
    (times, newark, cab) = outcomes(most_popular(index), queries, SilentReporter(), typed={0, 1, 2})
    # Nothing typed yet: it is the third.
    assert (times.keystrokes, times.recoverable_length) == (1, 12)
    # Up to `new` three go before it and one is as good; `newa` leaves it alone.
    assert (newark.keystrokes, newark.recoverable_length) == (5, 4)
    # Nobody typed it before.
    assert (cab.rank, cab.keystrokes, cab.recoverable_length) == (0, 12, 0)
    # `new york` is the second before a letter is typed; ` cab` is typed. `news` is no beginning of `newark`.
    assert (times.keystrokes_in_parts, newark.keystrokes_in_parts, cab.keystrokes_in_parts) == (1, 5, 5)
    assert typed_prefix("new york cab") == cab.prefix
    figures = {
        m.name: value(m, (times, newark, cab), groups((times, newark, cab), [True, True, False])[0].rows)
        for m in MEASURES
    }
    assert figures["keystrokes_saved_at_3"] == pytest.approx(1 - (1 + 5 + 12) / (14 + 6 + 12))
    assert figures["mean_recoverable_length"] == pytest.approx((12 + 4 + 0) / 3)
    assert figures["mrr_at_10"] == pytest.approx(sum(1 / each.rank for each in (times, newark)) / 3)


def test_equally_popular_queries_beyond_the_shown_ones_count_too(tmp_path: Path) -> None:
    build_query_index(tmp_path, [QueryRow(f"same {letter}", 1.0) for letter in "abcdefghijklmnop"])
    (found,) = outcomes(lambda _: most_popular(QueryIndex(tmp_path))("same"), ["same a"], SilentReporter())
    assert found.rank == 0
    assert found.top == ("same a", "same b", "same c")


def _outcome(query: str, prefix: str = "", rank: int = 0, keystrokes: int | None = None) -> Outcome:
    return Outcome(
        query=query,
        prefix=prefix or query[:2],
        rank=rank,
        partial_rank=rank,
        top=("x",),
        probabilities=(),
        right=None,
        keystrokes=keystrokes,
        recoverable_length=None if keystrokes is None else 3,
    )


def test_groups_part_the_queries_by_what_was_typed_and_by_their_words() -> None:
    found = [_outcome("ab cd", "ab"), _outcome("abcdefgh", "abcdefg"), _outcome("a b c d e f", "a b c")]
    named = {(group.by, group.name): group.rows.tolist() for group in groups(found, [True, False, False])}
    assert named == {
        ("seen", "all"): [0, 1, 2],
        ("seen", "seen"): [0],
        ("seen", "unseen"): [1, 2],
        ("prefix_length", "2-3"): [0],
        ("prefix_length", "4-6"): [2],
        ("prefix_length", "7-10"): [1],
        ("words", "1"): [1],
        ("words", "2"): [0],
        ("words", "5+"): [2],
    }
    assert groups([], []) == []


def test_wins_and_losses_are_the_largest_changes_each_query_once() -> None:
    before = [
        _outcome("aaa", rank=2),
        _outcome("bbb", rank=1),
        _outcome("ccc"),
        _outcome("ccc"),
        _outcome("ddd", rank=3),
    ]
    after = [_outcome("aaa", rank=1), _outcome("bbb"), _outcome("ccc", rank=1), _outcome("ccc", rank=1), before[4]]
    found = examples(before, after, [True] * 5)
    assert (found["higher"], found["lower"]) == (3, 1)
    assert [(win["wanted"], win["rank_before"], win["rank_after"]) for win in found["wins"]] == [
        ("ccc", 0, 1),
        ("aaa", 2, 1),
    ]
    assert [loss["wanted"] for loss in found["losses"]] == ["bbb"]


def test_the_sample_of_queries_repeats_and_grows() -> None:
    queries = [f"query {number}" for number in range(200)]
    small, large = sample(queries, 20), sample(queries, 50)
    assert (len(small), len(large), sample(queries, 900)) == (20, 50, set(range(200)))
    assert small < large
    backwards = {queries[::-1][place] for place in sample(queries[::-1], 20)}
    assert backwards == {queries[place] for place in small}


def test_queries_are_compared_as_they_are_normalised() -> None:
    assert wanted_queries(["  New   York ", "ab", "", "\uff37eather"]) == ["new york", "weather"]


_ABOVE = np.array([[1.0, 3.0], [0.0, 1.0], [0.5, 0.0], [1.0, 5.0]])
_BELOW = np.array([[1.0, 6.0], [1.0, 4.0], [1.0, 2.0], [1.0, 8.0]])


def test_ratios_are_those_of_the_queries_drawn() -> None:
    rng = np.random.default_rng(7)
    for ratios in resampled_ratios(_ABOVE, _BELOW, resamples=20, rng=np.random.default_rng(7)):
        drawn = rng.integers(0, 4, 4)
        expected = [sum(_ABOVE[i, m] for i in drawn) / sum(_BELOW[i, m] for i in drawn) for m in (0, 1)]
        assert ratios.tolist() == pytest.approx(expected)


def test_golden() -> None:
    ratios = resampled_ratios(_ABOVE, _BELOW)
    assert ratios.shape == (1000, 2)
    assert interval(ratios[:, 0]) == pytest.approx((0.25, 1.0))
    assert interval(ratios[:, 1]) == pytest.approx((1 / 6, 15 / 26))


def test_a_share_of_many_has_the_interval_of_the_normal_law() -> None:
    hits = np.repeat([1.0, 0.0], [600, 1400])[:, None]
    low, high = interval(resampled_ratios(hits, np.ones_like(hits))[:, 0])
    assert high - low == pytest.approx(2 * 1.96 * (0.3 * 0.7 / 2000) ** 0.5, rel=0.1)
    assert (low + high) / 2 == pytest.approx(0.3, abs=0.002)


def _outcomes(ranks: list[int]) -> list[Outcome]:
    """Every second query is typed letter by letter."""
    return [_outcome(f"query {n}", rank=rank, keystrokes=None if n % 2 else 4) for n, rank in enumerate(ranks)]


def test_a_small_gain_of_every_query_is_real_and_chance_is_not() -> None:
    rng = np.random.default_rng(3)
    before = rng.integers(2, 10, 60).tolist()
    seen = [True] * 60
    better = group_differences(_outcomes(before), _outcomes([rank - 1 for rank in before]), seen)[0]["measures"]
    assert better["mrr_at_10"]["real"]
    assert better["mrr_at_10"]["low"] > 0
    assert not better["success_at_10"]["real"]
    shuffled = group_differences(_outcomes(before), _outcomes(rng.permutation(before).tolist()), seen)[0]["measures"]
    assert not shuffled["mrr_at_10"]["real"]
    assert shuffled["mrr_at_10"]["value"] == pytest.approx(0)
    # Paired: what does not differ differs by nothing, whatever was drawn.
    same = group_differences(_outcomes(before), _outcomes(before), seen)
    assert {figure[bound] for group in same for figure in group["measures"].values() for bound in ("low", "high")} == {
        0.0
    }


def test_measures_are_of_the_queries_that_they_apply_to() -> None:
    figures = group_figures(_outcomes([1, 0, 0, 2]), [True, False, False, True])
    assert [(group["group"], group["count"], group["typed"]) for group in figures[:3]] == [
        ("all", 4, 2),
        ("seen", 2, 1),
        ("unseen", 2, 1),
    ]
    every = figures[0]["measures"]
    assert every["mrr_at_10"]["value"] == pytest.approx(1.5 / 4)
    assert every["mean_recoverable_length"]["value"] == 3
    assert every["keystrokes_saved_at_3"]["value"] == pytest.approx(1 - 4 / 7)
    (by_prefix,) = [group for group in figures if group["by"] == "prefix_length"]
    assert "keystrokes_saved_at_3" not in by_prefix["measures"]
    assert by_prefix["measures"]["mrr_at_10"] == every["mrr_at_10"]
