"""What users rely on of the ranked list, whatever the weights, and what its weights are fitted to."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.bundle.manifest import Ranking
from suggest.candidates import Candidates
from suggest.rank import (
    features,
    first_exact,
    order,
    order_readings,
    other_features,
    weight_vector,
)
from training.fit.ranking import Choice, fit_weights, probability_floor, reranker_gain

weight = st.floats(0.0, 3.0)
rankings = st.builds(
    Ranking,
    weights=st.tuples(weight, weight, st.floats(-3.0, 3.0), weight, st.floats(-2.0, 2.0), st.floats(-2.0, 2.0), weight),
    advisers=st.tuples(weight, weight),
    reranker=st.just(0.0) | weight,
    recency=st.just(0.0) | weight,
    matching=st.tuples(*[weight] * 6),
    posterior=st.floats(0.0, 1.5),
    corrected=st.floats(-3.0, 3.0),
    other=st.tuples(st.floats(-3.0, 3.0), st.floats(-2.0, 2.0), st.floats(-1.0, 1.0)),
)
# Few distinct values, so that ties come up.
log_prob = st.sampled_from([-math.inf, -25.0, -9.0, -5.0, -5.000001, -4.0, -3.0]) | st.floats(-20.0, -3.0)
count = st.sampled_from([0.0, 0.0, 0.5, 1.0, 1.0, 2.0, 40.0])
row = st.tuples(count, log_prob, st.integers(1, 30))
# The first of these begin as they were typed.
written = st.sampled_from([(0.0,) * 6, (0.0,) * 6, (-1.0, *[0.0] * 5)])
match = written | st.tuples(*[st.sampled_from([0.0, -1.0, -math.log(2), -math.log(3)])] * 6)
totals = st.floats(0.0, 1e6)


def listed(rows: list[tuple[float, float, int]]) -> Candidates:
    # What no model knows of can only come from the log.
    counts = [1.0 if log_prob == -math.inf else count for count, log_prob, _ in rows]
    return Candidates(
        [f"query {number}" for number in range(len(rows))],
        np.array([length for _, _, length in rows], np.float64),
        np.array(counts),
        np.array([log_prob for _, log_prob, _ in rows]),
        np.array([float(1 + length % 4) for _, _, length in rows]),
        advice=np.array([[-float(3 * length % 7), -float(length % 3)] for _, _, length in rows]).reshape(-1, 2),
        unknown_words=np.array([float(length % 2) for _, _, length in rows]),
        log_shares=np.array([-float(7 * length % 5) for _, _, length in rows]),
        recency=np.log1p([count * (length % 3) / 3 for count, (_, _, length) in zip(counts, rows, strict=True)]),
    )


@given(st.lists(row, max_size=14), totals, rankings, st.sampled_from([0.0, 1e-6, 1e-3, 0.1]), st.booleans())
def test_the_kernel_ranks_one_reading_as_any_list_is_ranked(
    rows: list[tuple[float, float, int]], total: float, ranking: Ranking, floor: float, advised: bool
) -> None:
    candidates, ranking = listed(rows), ranking.model_copy(update={"floor": floor})
    if not advised:
        candidates = dataclasses.replace(candidates, advice=None, unknown_words=None, log_shares=None, recency=None)
    by_kernel, in_numpy = order(candidates, total, ranking), order_readings(candidates, total, ranking) if rows else []
    np.testing.assert_allclose([score for score, _ in by_kernel], [score for score, _ in in_numpy], atol=2e-9, rtol=0)
    if np.all(np.diff([score for score, _ in in_numpy]) < -4e-9):  # else rounding decides
        assert [place for _, place in by_kernel] == [place for _, place in in_numpy]


def matched(rows: list[tuple[float, float, int]], matches: list[tuple[float, ...]]) -> Candidates:
    """The candidates, of which some do not begin as they were typed. These are in the log."""
    candidates = listed(rows)
    matching = np.array([matches[place % len(matches)] for place in range(len(rows))]).reshape(-1, 6)
    counts = np.where(matching.any(axis=1), np.maximum(candidates.counts, 1.0), candidates.counts)
    return dataclasses.replace(candidates, matching=matching, counts=counts)


matches_of_all = st.lists(match, min_size=1, max_size=14)


@given(st.lists(row, max_size=14), matches_of_all, totals, rankings)
def test_the_kernel_ranks_what_is_found_by_words_alike(
    rows: list[tuple[float, float, int]], matches: list[tuple[float, ...]], total: float, ranking: Ranking
) -> None:
    candidates = matched(rows, matches)
    by_kernel, in_numpy = order(candidates, total, ranking), order_readings(candidates, total, ranking) if rows else []
    np.testing.assert_allclose([score for score, _ in by_kernel], [score for score, _ in in_numpy], atol=2e-9, rtol=0)
    if np.all(np.diff([score for score, _ in in_numpy]) < -4e-9):  # else rounding decides
        assert [place for _, place in by_kernel] == [place for _, place in in_numpy]


@given(st.lists(row, max_size=14), matches_of_all, totals, rankings, st.booleans())
def test_what_begins_as_typed_keeps_its_order_and_comes_first_among_equally_popular_ones(
    rows: list[tuple[float, float, int]],
    matches: list[tuple[float, ...]],
    total: float,
    ranking: Ranking,
    corrected: bool,
) -> None:
    candidates = matched(rows, matches)
    if corrected:  # nothing is, but the list is ranked as one of several readings
        certain, none = np.zeros(len(rows)), np.zeros(len(rows), np.int64)
        candidates = dataclasses.replace(candidates, edits=none, log_posteriors=certain)
    scores = [score for score, _ in order(candidates, total, ranking)]
    places = [place for _, place in order(candidates, total, ranking)]
    typed = [place for place in range(len(rows)) if not candidates.elsewhere[place]]

    assert corrected or scores == sorted(scores, reverse=True)
    assert [place for place in places if place in typed] == [
        typed[place] for _, place in order(candidates.rows(typed), total, ranking)
    ]
    for ahead, first in enumerate(places):
        for second in places[ahead + 1 :]:
            if candidates.elsewhere[first] and second in typed:
                assert candidates.counts[first] > candidates.counts[second]
            generated, only_written = candidates.counts[first] == 0, candidates.from_left[second]
            if generated and candidates.counts[second] > 0 and only_written and candidates.elsewhere[second]:
                popular = candidates.counts[typed] >= candidates.counts[second]
                assert popular.any() or candidates.log_probs[first] > candidates.log_probs[second]


@given(st.lists(row, max_size=14), totals, rankings)
def test_the_list_holds_what_is_promised(rows: list[tuple[float, float, int]], total: float, ranking: Ranking) -> None:
    candidates = listed(rows)
    ranked = order(candidates, total, ranking)
    scores = [score for score, _ in ranked]
    places = [place for _, place in ranked]
    assert sorted(places) == list(range(len(rows)))
    assert scores == sorted(scores, reverse=True)
    assert np.exp(scores).sum() <= 1 + 1e-9
    for ahead, first in enumerate(places):
        for second in places[ahead + 1 :]:
            if candidates.counts[first] == 0 and candidates.counts[second] > 0:
                assert candidates.log_probs[first] > candidates.log_probs[second]


@given(st.lists(row, min_size=1, max_size=14), totals, rankings, st.data())
def test_more_submissions_never_hurt(
    rows: list[tuple[float, float, int]], total: float, ranking: Ranking, data: st.DataObject
) -> None:
    chosen = data.draw(st.integers(0, len(rows) - 1))
    before = listed(rows)
    assert before.recency is not None
    counts, recent = before.counts.copy(), np.expm1(before.recency)
    more = data.draw(st.sampled_from([0.5, 1.0, 7.0, 1000.0]))
    counts[chosen] += more
    recent[chosen] += more * data.draw(st.sampled_from([0.0, 0.1, 1.0]))  # whenever they were
    after = dataclasses.replace(before, counts=counts, recency=np.log1p(recent))

    def stands(candidates: Candidates) -> tuple[int, float]:
        ranked = order(candidates, total, ranking)
        place = [number for _, number in ranked].index(chosen)
        return place, ranked[place][0]

    (place_before, score_before), (place_after, score_after) = stands(before), stands(after)
    assert place_after <= place_before
    assert score_after >= score_before - 1e-9


@given(
    st.lists(row, max_size=9),
    st.lists(row, max_size=9),
    st.floats(-25.0, -1e-6),
    st.integers(1, 2),
    totals,
    rankings,
)
def test_an_exact_match_is_never_outranked_by_a_correction_that_is_no_more_popular(
    exact: list[tuple[float, float, int]],
    corrected: list[tuple[float, float, int]],
    log_posterior: float,
    edits: int,
    total: float,
    ranking: Ranking,
) -> None:
    number = len(exact)
    rest = math.log(-math.expm1(log_posterior))
    candidates = dataclasses.replace(
        listed(exact + corrected),
        edits=np.array([0] * number + [edits] * len(corrected), np.int64),
        log_posteriors=np.array([log_posterior] * number + [rest] * len(corrected)),
    )
    ranked = order(candidates, total, ranking)
    places = [place for _, place in ranked]
    assert np.exp([score for score, _ in ranked]).sum() <= 1 + 1e-9
    counts, joint = candidates.counts, candidates.joint_log_probs
    for ahead, first in enumerate(places):
        for second in places[ahead + 1 :]:
            if first >= number > second:
                assert counts[first] > counts[second] or (counts[second] == 0 and joint[first] > joint[second])
    # Corrections leave what suits the typed letters in its order.
    alone = [place for _, place in order(listed(exact), total, ranking)]
    assert [place for place in places if place < number] == alone
    first = first_exact(log_posterior)
    assert all(place < number for place in places[: min(first, number)])
    # How far posteriors are trusted is a matter of what is stated, not of the order.
    trusting = ranking.model_copy(update={"posterior": 1.0, "corrected": 0.0})
    assert [place for _, place in order(candidates, total, trusting)] == places


@given(
    st.lists(row, min_size=1, max_size=9),
    st.lists(row, max_size=9),
    st.floats(-25.0, -1e-6),
    totals,
    totals,
    rankings,
    st.floats(0.0, 0.3),
)
def test_corrections_drop_nothing_that_suits_the_typed_letters(
    exact: list[tuple[float, float, int]],
    corrected: list[tuple[float, float, int]],
    log_posterior: float,
    total: float,
    corrected_total: float,
    ranking: Ranking,
    floor: float,
) -> None:
    number, ranking = len(exact), ranking.model_copy(update={"floor": floor})
    rest = math.log(-math.expm1(log_posterior))
    candidates = dataclasses.replace(
        listed(exact + corrected),
        edits=np.array([0] * number + [1] * len(corrected), np.int64),
        log_posteriors=np.array([log_posterior] * number + [rest] * len(corrected)),
        totals=np.array([total] * number + [corrected_total] * len(corrected)),
    )
    alone = [place for _, place in order(listed(exact), total, ranking)]
    together = [place for _, place in order(candidates, total + corrected_total, ranking)]
    assert [place for place in together if place < number] == alone


def test_shares_are_of_the_list_of_a_reading() -> None:
    scores = np.log([1.0, 3.0, 5.0, 5.0])
    candidates = listed([(0.0, -4.0, 1)] * 4)
    assert np.exp(candidates.shares_of_reading(scores)) == pytest.approx([1 / 14, 3 / 14, 5 / 14, 5 / 14])
    two = dataclasses.replace(candidates, log_posteriors=np.log([0.1, 0.1, 0.9, 0.9]))
    assert np.exp(two.shares_of_reading(scores)) == pytest.approx([0.25, 0.75, 0.5, 0.5])


@given(st.lists(row, min_size=1, max_size=10), totals, rankings, st.randoms())
def test_the_order_of_candidates_does_not_matter(
    rows: list[tuple[float, float, int]], total: float, ranking: Ranking, random: object
) -> None:
    candidates = listed(rows)
    shuffled = list(range(len(rows)))
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    other = candidates.rows(shuffled)
    texts = [candidates.texts[place] for _, place in order(candidates, total, ranking)]
    assert [other.texts[place] for _, place in order(other, total, ranking)] == texts


def test_a_singleton_and_a_much_more_probable_generated_query_change_places() -> None:
    once = np.array([1.0, 0.0])
    lengths = np.array([8.0, 8.0])
    near = Candidates(["logged", "generated"], lengths, once, np.log([0.01, 0.02]), lengths)
    far = Candidates(["logged", "generated"], lengths, once, np.log([0.001, 0.05]), lengths)
    assert [place for _, place in order(near, 20.0, Ranking())] == [0, 1]
    assert [place for _, place in order(far, 20.0, Ranking())] == [1, 0]


def _choices(ranking: Ranking, number: int, seed: int, *, timed: bool = False) -> list[Choice]:
    """What users would want under these very weights."""
    rng = np.random.default_rng(seed)
    choices = []
    for _ in range(number):
        size = int(rng.integers(0, 12))
        candidates = Candidates(
            [str(place) for place in range(size)],
            rng.integers(1, 25, size).astype(np.float64),
            np.where(rng.random(size) < 0.5, 0.0, rng.integers(1, 30, size)),
            np.log(rng.dirichlet(np.ones(size + 1))[:size] + 1e-9),
            rng.integers(1, 9, size).astype(np.float64),
            advice=np.log(rng.dirichlet(np.full(size, 0.5)) + 1e-3)[:, None] if size else np.zeros((0, 1)),
            unknown_words=rng.integers(0, 3, size).astype(np.float64),
            log_shares=np.log(rng.dirichlet(np.full(size, 0.3)) + 1e-3) if size else np.zeros(0),
        )
        if timed:
            recent = candidates.counts * rng.random(size)
            candidates = dataclasses.replace(candidates, recency=np.log1p(recent))
        total = float(10 ** rng.uniform(0, 4))
        utilities = features(candidates, 1) @ weight_vector(ranking)
        other = other_features(candidates, total) @ np.array(ranking.other)
        chances = np.exp(np.append(utilities, other))
        wanted = int(rng.choice(size + 1, p=chances / chances.sum()))
        choices.append(Choice.of(candidates, total, str(wanted), advisers=1))
    return choices


def test_the_weights_that_made_the_choices_are_found() -> None:
    truth = Ranking(weights=(0.9, 0.6, 0.4, 0.3, -0.5, 0.2, 0.3), advisers=(0.4,), other=(-0.4, 0.2, 0.3))
    choices = _choices(truth, 6000, seed=3)
    found = fit_weights(choices)
    # Being in the log and how often one is there go together, so the data tell the third weight less well.
    errors = np.abs(np.array(found.weights) - truth.weights)
    assert (errors < [0.15, 0.15, 0.4, 0.15, 0.15, 0.15, 0.15]).all()
    assert found.advisers == pytest.approx(truth.advisers, abs=0.1)
    assert found.other == pytest.approx(truth.other, abs=0.25)
    # Calibration: as many listed ones are wanted as their probabilities add up to.
    expected = wanted = 0.0
    for choice in choices:
        utilities = choice.listed @ weight_vector(found)
        chances = np.exp(np.append(utilities, choice.other @ np.array(found.other)))
        expected += 1 - chances[-1] / chances.sum()
        wanted += choice.wanted < len(choice.listed)
    assert expected == pytest.approx(wanted, rel=0.01)


def test_the_weight_of_recency_is_found_where_there_are_times_and_is_0_where_there_are_none() -> None:
    truth = Ranking(weights=(0.9, 0.6, 0.4, 0.1, -0.5, 0.2, 0.3), advisers=(0.4,), recency=0.8, other=(-0.4, 0.2, 0.3))
    found = fit_weights(_choices(truth, 4000, seed=3, timed=True))
    assert found.recency == pytest.approx(0.8, abs=0.15)
    assert found.weights[3] == pytest.approx(0.1, abs=0.15)
    assert fit_weights(_choices(truth, 400, seed=3)).recency == 0.0


def test_weights_are_held_at_0_where_below_it_they_would_break_a_promise() -> None:
    contrary = Ranking.model_construct(
        weights=(0.8, -0.4, 0.5, -0.8, 0.0, 0.0, 1.0),
        advisers=(-0.3,),
        reranker=0.0,
        recency=0.0,
        other=(-0.5, 0.3, 0.2),
    )
    found = fit_weights(_choices(contrary, 1500, seed=5))
    assert found.weights[1] == found.weights[3] == found.advisers[0] == 0.0
    assert found.weights[0] == pytest.approx(0.8, abs=0.25)


def test_without_held_out_queries_the_usual_weights_stay() -> None:
    assert fit_weights([]) == Ranking()
    found = fit_weights(_choices(Ranking(advisers=(0.0,)), 3, seed=1))
    assert found.weights == pytest.approx(Ranking().weights, abs=0.7)


def test_a_reranker_that_knows_more_is_found_and_one_that_guesses_is_not() -> None:
    knows = _choices(Ranking(advisers=(0.0,), reranker=0.5), 1500, seed=7)
    gain, error = reranker_gain(knows)
    assert gain > 3 * error > 0
    assert fit_weights(knows).reranker == pytest.approx(0.5, abs=0.1)
    gain, error = reranker_gain(_choices(Ranking(advisers=(0.0,)), 1500, seed=7))
    assert gain < 2 * error
    assert fit_weights([choice.without_reranker() for choice in knows]).reranker == 0
    assert reranker_gain([]) == (0.0, 0.0)


def test_the_floor_costs_hardly_anything_and_lets_queries_of_the_log_stand() -> None:
    truth = Ranking(advisers=(0.3,))
    choices = _choices(truth, 800, seed=11)
    floor = probability_floor(choices, truth)
    assert 0 <= floor <= 1e-5
    gains: dict[bool, float] = {False: 0.0, True: 0.0}
    for choice in choices:
        utilities = choice.listed @ weight_vector(truth)
        chances = np.exp(np.append(utilities, choice.other @ np.array(truth.other)))
        if choice.wanted < len(choice.listed) and not choice.listed[choice.wanted, 2]:
            rank = 1 + (utilities > utilities[choice.wanted]).sum()
            gains[bool(chances[choice.wanted] / chances.sum() < floor)] += 1 / rank
    assert gains[True] <= 0.002 * (gains[True] + gains[False])

    two = Candidates(["a b", "a c"], np.full(2, 2.0), np.array([1.0, 0.0]), np.log([1e-9, 1e-8]), np.ones(2))
    assert [place for _, place in order(two, 10.0, Ranking(floor=0.9))] == [0]
    assert probability_floor([], truth) == 0.0
