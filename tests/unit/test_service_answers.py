from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from service.cache.answers import Answers, Computed, MemoryCache, answer_key
from service.cache.redis_cache import RedisCache
from service.telemetry.metrics import Metrics
from suggest.budget import Budget
from suggest.model import Model
from tests.service_twins import TwinModel, eventually

KEY: bytes = b"Method:model:1:text"


def ample() -> Budget:
    return Budget(10.0, lambda: 0.0)


class Setup:
    def __init__(self) -> None:
        self.near = MemoryCache(max_entries=10, max_bytes=100_000)
        self.far = MemoryCache(max_entries=10, max_bytes=100_000)
        self.metrics = Metrics(CollectorRegistry())
        self.answers = Answers(self.metrics, self.near, cast(RedisCache, self.far))
        self.computations = 0
        self.budgets: list[Budget] = []

    def compute(self, budget: Budget) -> Computed:
        self.computations += 1
        self.budgets.append(budget)
        return Computed(payload=b"answer", keep=True)


def test_it_computes_once_and_fills_all_tiers() -> None:
    setup = Setup()
    for _ in range(3):
        assert setup.answers.answer(KEY, setup.compute, ample) == b"answer"
    assert setup.computations == 1
    assert setup.near.get(KEY) == setup.far.get(KEY) == b"answer"


def test_what_a_far_tier_holds_is_brought_near() -> None:
    setup = Setup()
    setup.far.put(KEY, b"shared")
    assert setup.answers.answer(KEY, setup.compute, ample) == b"shared"
    assert setup.near.get(KEY) == b"shared"
    assert setup.answers.find(KEY) == b"shared"
    assert setup.computations == 0


def test_an_answer_for_one_user_stays_in_the_process_until_users_are_forgotten() -> None:
    setup, own = Setup(), answer_key("Method", cast(Model, TwinModel()), "text", shared=False)
    setup.answers.answer(own, setup.compute, ample)
    setup.answers.keep(own, b"answer")
    setup.answers.answer(KEY, setup.compute, ample)
    assert setup.far.get(own) is None
    setup.far.put(own, b"not asked for")
    assert setup.answers.find(own) == b"answer"
    setup.answers.forget_users()
    assert (setup.near.get(own), setup.near.get(KEY)) == (None, b"answer")
    assert setup.answers.find(own) is None


def test_only_the_process_is_at_hand_and_what_it_lacks_counts_once() -> None:
    setup = Setup()
    setup.far.put(KEY, b"shared")
    assert setup.answers.at_hand(KEY) is None
    assert _misses(setup) == 0
    assert setup.answers.find(KEY) == b"shared"
    assert _misses(setup) == 1
    assert setup.answers.at_hand(KEY) == b"shared"


def test_a_tier_that_is_the_only_one_is_asked_once_before_computing() -> None:
    setup = Setup()
    looks: list[bytes] = []

    class Counting(MemoryCache):
        def get(self, key: bytes) -> bytes | None:
            looks.append(key)
            return super().get(key)

    shared = Counting(max_entries=10, max_bytes=100_000)
    answers = Answers(setup.metrics, None, cast(RedisCache, shared))
    assert answers.at_hand(KEY) is None
    assert answers.answer(KEY, setup.compute, ample) == b"answer"
    assert looks == [KEY]


def test_what_is_not_to_be_kept_is_not() -> None:
    setup = Setup()
    setup.answers.answer(KEY, lambda _: Computed(payload=b"poor", keep=False), ample)
    assert setup.answers.find(KEY) is None
    assert setup.far.get(KEY) is None


def test_without_tiers_it_computes_each_time() -> None:
    setup = Setup()
    answers = Answers(setup.metrics, None, None)
    for _ in range(2):
        answers.answer(KEY, setup.compute, ample)
    assert setup.computations == 2


def test_those_who_wait_get_the_same_error_and_the_next_one_computes_anew() -> None:
    setup = Setup()
    started, release = threading.Event(), threading.Event()

    def fail(_budget: Budget) -> Computed:
        started.set()
        release.wait(20)
        raise LookupError("broken")

    with ThreadPoolExecutor(2) as callers:
        leader = callers.submit(setup.answers.answer, KEY, fail, ample)
        started.wait(20)
        follower = callers.submit(setup.answers.answer, KEY, setup.compute, ample)
        # a follower has looked into the near tier, and missed, before it waits
        eventually(lambda: _misses(setup) == 2)
        release.set()
        with pytest.raises(LookupError):
            leader.result()
        follower_failed = follower.exception() is not None
    assert follower_failed or setup.computations == 1  # it may have come just after the failure
    assert setup.answers.answer(KEY, setup.compute, ample) == b"answer"


def test_what_was_computed_since_one_looked_is_not_computed_again() -> None:
    setup = Setup()
    answers = Answers(setup.metrics, setup.near, None)

    def budget() -> Budget:
        """What is asked for between the look into the process and the next step: another caller is answered here."""
        answers.answer(KEY, setup.compute, ample)
        return ample()

    assert answers.answer(KEY, setup.compute, budget) == b"answer"
    assert setup.computations == 1
    assert _misses(setup) == 2


def test_who_has_no_time_to_wait_computes_alone_and_in_a_hurry() -> None:
    setup = Setup()
    started, release = threading.Event(), threading.Event()

    def slow(_budget: Budget) -> Computed:
        started.set()
        release.wait(20)
        return Computed(payload=b"slow", keep=True)

    with ThreadPoolExecutor(1) as callers:
        leader = callers.submit(setup.answers.answer, KEY, slow, ample)
        started.wait(20)
        assert setup.answers.answer(KEY, setup.compute, lambda: Budget(1.002, lambda: 1.0)) == b"answer"
        assert setup.budgets[0].remaining_s() == 0  # a part that takes long is left out
        release.set()
        assert leader.result() == b"slow"


def test_who_has_more_time_than_the_one_before_does_not_make_do_with_a_degraded_answer() -> None:
    setup = Setup()
    started, release = threading.Event(), threading.Event()
    followers = set[str]()

    def budget(name: str, allowed_s: float) -> Budget:
        def clock() -> float:
            followers.add(name)
            return 0.0

        return Budget(allowed_s, clock)

    def cut_short(_budget: Budget) -> Computed:
        started.set()
        release.wait(20)
        return Computed(payload=b"poor", keep=False)

    with ThreadPoolExecutor(3) as callers:
        leader = callers.submit(setup.answers.answer, KEY, cut_short, lambda: Budget(1.0, lambda: 0.0))
        started.wait(20)
        equal = callers.submit(setup.answers.answer, KEY, setup.compute, lambda: budget("equal", 0.9))
        richer = callers.submit(setup.answers.answer, KEY, setup.compute, lambda: budget("richer", 10.0))
        eventually(lambda: len(followers) == 2)  # who looks at the clock waits
        release.set()
        assert (leader.result(), equal.result(), richer.result()) == (b"poor", b"poor", b"answer")
    assert setup.computations == 1


def test_the_key_shows_all_that_was_asked_but_no_text() -> None:
    model = TwinModel("films", version="20260101T000000Z")
    key = answer_key("CompleteQuery", model, ("private words", 10))
    assert key.startswith(b"CompleteQuery:films:20260101T000000Z:")
    assert b"private" not in key
    others = [
        answer_key("CompleteQuery", model, ("private words", 11)),
        answer_key("CompleteQuery", model, ("private words ", 10)),
        answer_key("CompleteQuery", model, ("private words\ud800", 10)),
        answer_key("PredictNextWord", model, ("private words", 10)),
        answer_key("CompleteQuery", TwinModel("books", version="20260101T000000Z"), ("private words", 10)),
        answer_key("CompleteQuery", TwinModel("films", version="20260102T000000Z"), ("private words", 10)),
    ]
    assert len({key, *others}) == 7
    assert answer_key("CompleteQuery", model, ("private words", 10)) == key


def _misses(setup: Setup) -> float:
    labels = {"tier": "process", "outcome": "miss"}
    return setup.metrics.registry.get_sample_value("autocomplete_cache_lookups_total", labels) or 0.0
