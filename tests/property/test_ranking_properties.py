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
    judge_readings,
    order,
    other_features,
    weight_vector,
)
from suggest.sources.source import Reading
from training.fit.ranking import Choice, fit_weights, reranker_gain

weight = st.floats(0.0, 3.0)
rankings = st.builds(
    Ranking,
    weights=st.tuples(weight, weight, st.floats(-3.0, 3.0), weight, st.floats(-2.0, 2.0), st.floats(-2.0, 2.0), weight),
    advisers=st.tuples(weight, weight),
    reranker=st.just(0.0) | weight,
    recency=st.just(0.0) | weight,
    matching=st.tuples(*[weight] * 6),
    readings=st.tuples(*[st.floats(-3.0, 3.0)] * len(Ranking().readings)),
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


def stated(candidates: Candidates, total: float, ranking: Ranking) -> list[float]:
    """The log probability of each candidate of one reading, as the formula says it, one after the other."""
    counts, log_probs, elsewhere = candidates.counts, candidates.log_probs, candidates.elsewhere
    each_row, rows = features(candidates, len(ranking.advisers)), range(len(candidates.texts))
    utilities = [float(columns @ weight_vector(ranking)) for columns in each_row]
    if candidates.matching is not None:
        utilities = [
            utility + float(candidates.matching[row] @ ranking.matching) for row, utility in enumerate(utilities)
        ]
    as_generated, as_logged, there, popularity = ranking.weights[:4]
    for row in rows:
        if counts[row] > 0 and not elsewhere[row]:  # at least what it would be outside the log
            gain = (as_generated - as_logged) * each_row[row][1] - there - popularity * each_row[row][3]
            utilities[row] += max(gain - ranking.recency * each_row[row][-1], 0.0)
    for row in rows:  # and what any generated one has that is no more probable
        if counts[row] > 0 and candidates.from_left[row]:
            below = [utilities[other] for other in rows if not counts[other] and log_probs[other] <= log_probs[row]]
            utilities[row] = max([utilities[row], *below])
    free = list(utilities)
    for row in rows:  # what does not begin as typed stands below what does and is at least as popular
        if elsewhere[row]:
            typed = [free[other] for other in rows if not elsewhere[other] and counts[other] >= counts[row] > 0]
            before = sum(bool(elsewhere[other]) and free[other] > free[row] + 1e-9 for other in rows)
            utilities[row] = min([free[row], *(cap - 1e-8 * (1 + before) for cap in typed)])
    other = float(other_features(candidates, total) @ np.array(ranking.other))
    return [utility - float(np.logaddexp.reduce([*utilities, other])) for utility in utilities]


def check_order(candidates: Candidates, total: float, ranking: Ranking) -> None:
    ranked, by_formula = order(candidates, total, ranking), stated(candidates, total, ranking)
    np.testing.assert_allclose([score for score, _ in ranked], [by_formula[row] for _, row in ranked], atol=4e-9)
    assert sorted(row for _, row in ranked) == list(range(len(candidates.texts)))
    assert [score for score, _ in ranked] == sorted((score for score, _ in ranked), reverse=True)


@given(st.lists(row, max_size=14), totals, rankings, st.booleans())
def test_the_kernel_ranks_as_the_formula_says(
    rows: list[tuple[float, float, int]], total: float, ranking: Ranking, advised: bool
) -> None:
    candidates = listed(rows)
    if not advised:
        candidates = dataclasses.replace(candidates, advice=None, unknown_words=None, log_shares=None, recency=None)
    check_order(candidates, total, ranking)


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
    check_order(matched(rows, matches), total, ranking)


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
        candidates = dataclasses.replace(
            candidates, edits=none, reading=none, log_posteriors=certain, totals=np.full(len(rows), total)
        )
    scores = [score for score, _ in order(candidates, total, ranking)]
    places = [place for _, place in order(candidates, total, ranking)]
    typed = [place for place in range(len(rows)) if not candidates.elsewhere[place]]

    assert scores == sorted(scores, reverse=True)
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


readings = st.lists(
    st.tuples(st.lists(row, max_size=7), st.floats(0.01, 1.0), totals), min_size=1, max_size=4
)  # of each its candidates, how probable it is beside the others, and its total


def of_readings(parts: list[tuple[list[tuple[float, float, int]], float, float]], unknown: float) -> Candidates:
    sizes = [len(rows) for rows, *_ in parts]
    chances = np.array([chance for _, chance, _ in parts])
    return dataclasses.replace(
        listed([row for rows, *_ in parts for row in rows]),
        edits=np.repeat(np.minimum(np.arange(len(parts)), 2), sizes),
        reading=np.repeat(np.arange(len(parts)), sizes),
        log_posteriors=np.repeat(np.log(chances / (chances.sum() + unknown)), sizes),
        totals=np.repeat([total for *_, total in parts], sizes),
    )


@given(readings, st.floats(0.0, 2.0), rankings)
def test_a_list_of_several_readings_is_sorted_by_what_it_states(
    parts: list[tuple[list[tuple[float, float, int]], float, float]], unknown: float, ranking: Ranking
) -> None:
    candidates = of_readings(parts, unknown)
    assert candidates.edits is not None
    assert candidates.log_posteriors is not None
    ranked = order(candidates, 0.0, ranking)
    scores, places = [score for score, _ in ranked], [place for _, place in ranked]
    assert scores == sorted(scores, reverse=True)
    assert sorted(places) == list(range(len(candidates.texts)))
    assert np.exp(scores).sum() <= 1 + 1e-9
    counts, edits, alone = candidates.counts, candidates.edits, dict[int, float]()
    posteriors = candidates.log_posteriors

    def protects(typed: int, correction: int) -> bool:
        """Whether a query of the log that begins as typed is at least as popular, and as probable to be meant."""
        popular = counts[typed] > 0 and counts[typed] >= counts[correction]
        return bool(edits[correction] > edits[typed] == 0 and popular and posteriors[typed] >= posteriors[correction])

    start = 0
    for rows, _, total in parts:
        alone |= {start + place: score for score, place in order(listed(rows), total, ranking)}
        start += len(rows)
    for score, place in ranked:
        given_reading = alone[place] + candidates.log_posteriors[place]
        # what suits the typed letters states what it does in its own list, times the probability that these are right
        assert score <= given_reading + 1e-9
        typed = [stated for stated, other in ranked if protects(other, place)]
        if not edits[place] or all(stated > given_reading for stated in typed):
            assert score == pytest.approx(given_reading, abs=1e-6)
    for ahead, first in enumerate(places):
        assert not any(protects(second, first) for second in places[ahead + 1 :])


def test_the_reading_with_the_better_evidence_is_the_more_probable() -> None:
    def read(query: str, **evidence: float) -> Reading:
        reading = Reading(query, "", query, (), None)  # type: ignore[arg-type]
        for name, value in evidence.items():
            setattr(reading, name, value)
        return reading

    def judged(typed: Reading) -> tuple[float, float]:
        meant = read("meant", edits=1, log_share=-0.5, total=100.0)
        judge_readings([typed, meant], Ranking())
        return math.exp(typed.log_posterior), math.exp(meant.log_posterior)

    known, unknown = judged(read("typed", log_share=-1.0, total=2.0)), judged(read("typed", log_share=-9.0))
    assert known[0] > unknown[0]
    assert known[1] < unknown[1]
    assert sum(known) < 1 > sum(unknown)
    misspelt = judged(read("typed", log_share=-1.0, total=2.0, misspelt_words=1, unknown_words=1))
    assert misspelt[0] < known[0]
    assert misspelt == judged(read("typed", log_share=-1.0, total=9.0, misspelt_words=1, unknown_words=1))


def test_shares_are_of_the_list_of_a_reading() -> None:
    scores = np.log([1.0, 3.0, 5.0, 5.0])
    candidates = listed([(0.0, -4.0, 1)] * 4)
    assert np.exp(candidates.shares_of_reading(scores)) == pytest.approx([1 / 14, 3 / 14, 5 / 14, 5 / 14])
    two = dataclasses.replace(candidates, reading=np.array([0, 0, 1, 1]))
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
