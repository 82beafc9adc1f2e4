"""Simulated experiments in which the truth is known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from service.live.events.experiment import MIN_USERS, Comparison, Decision, Experiment, Figure
from service.live.events.searches import Outcome, Search

_HOURS = 3600.0


def simulated(rng: np.random.Generator, version: str, users: int, rate: float, spread: float = 2.0) -> Iterator[Search]:
    """Searches of users who differ: each accepts as often as a beta distribution with this mean says.

    The accepted suggestion is the first, second or third alike, so the true MRR is `rate` * 11 / 18.
    """
    accepts = rng.beta(spread * rate, spread * (1 - rate), users)
    counts = 1 + rng.geometric(0.3, users)
    for user, (share, count) in enumerate(zip(accepts, counts, strict=True)):
        for _ in range(count):
            yield search(version, f"{version}-{user}", int(rng.integers(1, 4)) if rng.random() < share else 0, rng)


def search(version: str, who: str, rank: int, rng: np.random.Generator) -> Search:
    return Search(
        model="shop",
        version=version,
        who=who,
        user=who,
        outcome=Outcome.ACCEPTED if rank else Outcome.SUBMITTED,
        query="blue shoes",
        rank=rank,
        typed=3 if rank else None,
        sources=("history",) * 5,
        ended_s=float(rng.uniform(0, 24 * _HOURS)),
    )


def compared(seed: int, *versions: tuple[str, int, float]) -> Comparison:
    rng = np.random.default_rng(seed)
    experiment = Experiment()
    for version, users, rate in versions:
        for each in simulated(rng, version, users, rate):
            experiment.add(each)
    (comparison,) = experiment.compare(rng, resamples=200)
    return comparison


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    truth = 0.5 * 11 / 18
    # the mean over searches of all users: users' rates and their numbers of searches are independent
    held = 0
    for seed in range(200):
        comparison = compared(seed, ("1", 150, 0.5))
        figure = comparison.versions[0].figures["mrr"]
        assert figure.low is not None
        assert figure.high is not None
        held += figure.low <= truth <= figure.high
    error = math.sqrt(0.95 * 0.05 / 200)
    assert held / 200 > 0.95 - 3 * error


def test_there_is_hardly_ever_a_verdict_on_noise() -> None:
    wrong = 0
    for seed in range(100):
        (verdict,) = compared(1000 + seed, ("1", 300, 0.4), ("2", 150, 0.4)).verdicts
        wrong += verdict.decision in (Decision.BETTER, Decision.WORSE)
    assert wrong <= 5 + 3 * math.sqrt(100 * 0.05 * 0.95)


@pytest.mark.parametrize(("rate", "decision"), [(0.55, Decision.BETTER), (0.25, Decision.WORSE)])
def test_a_real_difference_is_told(rate: float, decision: Decision) -> None:
    comparison = compared(7, ("1", 900, 0.4), ("2", 600, rate))
    (verdict,) = comparison.verdicts
    assert (verdict.version, verdict.against, verdict.decision) == ("2", "1", decision)
    assert f"2 is {decision.value} than 1" in verdict.text
    assert verdict.difference is not None
    truth = (rate - 0.4) * 11 / 18
    low, high = verdict.difference.low, verdict.difference.high
    assert low is not None
    assert high is not None
    assert low <= truth <= high


def test_of_several_versions_each_is_judged_more_strictly() -> None:
    two = compared(3, ("1", 900, 0.4), ("2", 600, 0.4)).verdicts[0].difference
    three = compared(3, ("1", 900, 0.4), ("2", 600, 0.4), ("3", 500, 0.6)).verdicts
    assert [each.version for each in three] == ["2", "3"]
    assert three[1].decision is Decision.BETTER
    assert _width(three[0].difference) > 1.05 * _width(two)


def _width(figure: Figure | None) -> float:
    assert figure is not None
    assert figure.low is not None
    assert figure.high is not None
    return figure.high - figure.low


def test_how_many_more_users_it_takes_is_about_right() -> None:
    (early,) = compared(12, ("1", 200, 0.40), ("2", 200, 0.45)).verdicts
    assert early.decision is Decision.UNDECIDED
    assert early.difference is not None
    assert early.more_users is not None
    # the same difference with so many users is told in most experiments
    share = early.difference.value / (11 / 18)
    users = (400 + early.more_users) // 2
    told = sum(
        compared(2000 + seed, ("1", users, 0.4), ("2", users, 0.4 + share)).verdicts[0].decision
        in (Decision.BETTER, Decision.WORSE)
        for seed in range(20)
    )
    assert told >= 11


def test_too_few_users_give_no_verdict_and_no_interval() -> None:
    comparison = compared(1, ("1", 500, 0.4), ("2", MIN_USERS - 40, 0.9))
    (verdict,) = comparison.verdicts
    assert (verdict.decision, verdict.more_users) == (Decision.TOO_FEW_USERS, 40)
    assert "about 40 more" in verdict.text
    assert comparison.versions[1].figures["mrr"].low is None


def test_versions_one_after_the_other_are_not_compared() -> None:
    rng = np.random.default_rng(1)
    experiment = Experiment()
    for version, later_s in (("1", 0.0), ("2", 48 * _HOURS)):
        for each in simulated(rng, version, 200, 0.4 + later_s / 1e6):
            experiment.add(replace(each, ended_s=each.ended_s + later_s))
    (verdict,) = experiment.compare(rng)[0].verdicts
    assert verdict.decision is Decision.OTHER_TIME


def test_figures_are_those_of_the_definitions() -> None:
    rng = np.random.default_rng(1)
    experiment = Experiment()
    for number, (rank, outcome, sources) in enumerate(
        [
            (1, Outcome.ACCEPTED, ("history", "generated")),
            (2, Outcome.ACCEPTED, ("history", "generated")),
            (0, Outcome.SUBMITTED, None),
            (0, Outcome.SUBMITTED, ()),
            (0, Outcome.ABANDONED, ("history",)),
        ]
    ):
        one = search("1", str(number), rank, rng)
        experiment.add(replace(one, outcome=outcome, sources=sources))
    experiment.add(replace(search("1", "x", 1, rng), version=""))
    (version,) = experiment.compare(rng)[0].versions
    assert (version.users, version.listed, version.ended) == (5, 4, 4)
    assert {name: figure.value for name, figure in version.figures.items()} == {
        "accepted": 0.5,
        "mrr": pytest.approx(1.5 / 4),
        "keystrokes_saved": pytest.approx(2 * 6 / 40),
        "empty": 0.25,
        "abandoned": 0.25,
    }
    assert [tuple(place) for place in version.places] == [("history", 1, 3, 1), ("generated", 2, 2, 1)]
