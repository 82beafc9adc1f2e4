"""What users rely on of the ranked list, whatever the weights, and what its weights are fitted to."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.manifest import Ranking
from suggest.rank import Candidates, features, order, other_features
from training.ranking import Choice, fit_weights, reranker_gain

weight = st.floats(0.0, 3.0)
rankings = st.builds(
    Ranking,
    weights=st.tuples(weight, weight, st.floats(-3.0, 3.0), weight, st.floats(-2.0, 2.0)),
    reranker=st.just(0.0) | weight,
    other=st.tuples(st.floats(-3.0, 3.0), st.floats(-2.0, 2.0), st.floats(-1.0, 1.0)),
)
# Few distinct values, so that ties come up.
log_prob = st.sampled_from([-math.inf, -25.0, -9.0, -5.0, -5.000001, -4.0, -3.0]) | st.floats(-20.0, -3.0)
count = st.sampled_from([0.0, 0.0, 0.5, 1.0, 1.0, 2.0, 40.0])
row = st.tuples(count, log_prob, st.integers(1, 30))
totals = st.floats(0.0, 1e6)


def listed(rows: list[tuple[float, float, int]]) -> Candidates:
    # What no model knows of can only come from the log.
    counts = [1.0 if log_prob == -math.inf else count for count, log_prob, _ in rows]
    return Candidates(
        [f"query {number}" for number in range(len(rows))],
        np.array([length for _, _, length in rows], np.float64),
        np.array(counts),
        np.array([log_prob for _, log_prob, _ in rows]),
        np.array([-float(7 * length % 5) for _, _, length in rows]),
    )


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
    counts = before.counts.copy()
    counts[chosen] += data.draw(st.sampled_from([0.5, 1.0, 7.0, 1000.0]))
    after = dataclasses.replace(before, counts=counts)

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
    first = 8 if log_posterior > -0.7 else 5 if log_posterior > -10.0 else 0
    assert all(place < number for place in places[: min(first, number)])


@given(st.lists(row, min_size=1, max_size=10), totals, rankings, st.randoms())
def test_the_order_of_candidates_does_not_matter(
    rows: list[tuple[float, float, int]], total: float, ranking: Ranking, random: object
) -> None:
    candidates = listed(rows)
    shuffled = list(range(len(rows)))
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert candidates.log_shares is not None
    other = Candidates(
        [candidates.texts[place] for place in shuffled],
        candidates.lengths[shuffled],
        candidates.counts[shuffled],
        candidates.log_probs[shuffled],
        candidates.log_shares[shuffled],
    )
    texts = [candidates.texts[place] for _, place in order(candidates, total, ranking)]
    assert [other.texts[place] for _, place in order(other, total, ranking)] == texts


def test_a_singleton_and_a_much_more_probable_generated_query_change_places() -> None:
    once = np.array([1.0, 0.0])
    lengths = np.array([8.0, 8.0])
    near = Candidates(["logged", "generated"], lengths, once, np.log([0.01, 0.02]))
    far = Candidates(["logged", "generated"], lengths, once, np.log([0.001, 0.05]))
    assert [place for _, place in order(near, 20.0, Ranking())] == [0, 1]
    assert [place for _, place in order(far, 20.0, Ranking())] == [1, 0]


def _choices(ranking: Ranking, number: int, seed: int) -> list[Choice]:
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
            np.log(rng.dirichlet(np.full(size, 0.3)) + 1e-3) if size else np.zeros(0),
        )
        total = float(10 ** rng.uniform(0, 4))
        utilities = features(candidates) @ np.array([*ranking.weights, ranking.reranker])
        other = other_features(candidates, total) @ np.array(ranking.other)
        chances = np.exp(np.append(utilities, other))
        wanted = int(rng.choice(size + 1, p=chances / chances.sum()))
        choices.append(Choice.of(candidates, total, str(wanted)))
    return choices


def test_the_weights_that_made_the_choices_are_found() -> None:
    truth = Ranking(weights=(0.9, 0.6, 0.4, 0.3, -0.5), other=(-0.4, 0.2, 0.3))
    choices = _choices(truth, 6000, seed=3)
    found = fit_weights(choices)
    assert found.weights == pytest.approx(truth.weights, abs=0.15)
    assert found.other == pytest.approx(truth.other, abs=0.25)
    # Calibration: as many listed ones are wanted as their probabilities add up to.
    expected = wanted = 0.0
    for choice in choices:
        utilities = choice.listed @ np.array([*found.weights, found.reranker])
        chances = np.exp(np.append(utilities, choice.other @ np.array(found.other)))
        expected += 1 - chances[-1] / chances.sum()
        wanted += choice.wanted < len(choice.listed)
    assert expected == pytest.approx(wanted, rel=0.01)


def test_weights_are_held_at_0_where_below_it_they_would_break_a_promise() -> None:
    contrary = Ranking.model_construct(weights=(0.8, -0.4, 0.5, -0.8, 0.0), other=(-0.5, 0.3, 0.2))
    found = fit_weights(_choices(contrary, 1500, seed=5))
    assert found.weights[1] == found.weights[3] == 0.0
    assert found.weights[0] == pytest.approx(0.8, abs=0.25)


def test_without_held_out_queries_the_usual_weights_stay() -> None:
    assert fit_weights([]) == Ranking()
    assert fit_weights(_choices(Ranking(), 3, seed=1)).weights == pytest.approx(Ranking().weights, abs=0.7)


def test_a_reranker_that_knows_more_is_found_and_one_that_guesses_is_not() -> None:
    knows = _choices(Ranking(reranker=0.5), 1500, seed=7)
    gain, error = reranker_gain(knows)
    assert gain > 3 * error > 0
    assert fit_weights(knows).reranker == pytest.approx(0.5, abs=0.1)
    gain, error = reranker_gain(_choices(Ranking(reranker=0.0), 1500, seed=7))
    assert gain < 2 * error
    assert fit_weights([choice.without_reranker() for choice in knows]).reranker == 0
    assert reranker_gain([]) == (0.0, 0.0)
