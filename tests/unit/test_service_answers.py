from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry

from service.adapters.memory_cache import MemoryCache
from service.answers import Answers, Computed, Tier, answer_key
from service.metrics import Metrics
from suggest.budget import Budget
from tests.service_twins import eventually

AMPLE = Budget(10.0, lambda: 0.0)


class Setup:
    def __init__(self) -> None:
        self.near = MemoryCache(max_entries=10, max_bytes=100_000)
        self.far = MemoryCache(max_entries=10, max_bytes=100_000)
        self.metrics = Metrics(CollectorRegistry())
        tiers = [Tier(name="process", cache=self.near), Tier(name="redis", cache=self.far)]
        self.answers = Answers(tiers, self.metrics)
        self.computations = 0

    def compute(self) -> Computed:
        self.computations += 1
        return Computed(payload=b"answer", keep=True)


def test_it_computes_once_and_fills_all_tiers() -> None:
    setup = Setup()
    for _ in range(3):
        assert setup.answers.answer("k", setup.compute, AMPLE) == b"answer"
    assert setup.computations == 1
    assert setup.near.get("k") == setup.far.get("k") == b"answer"


def test_what_a_far_tier_holds_is_brought_near() -> None:
    setup = Setup()
    setup.far.put("k", b"shared")
    assert setup.answers.answer("k", setup.compute, AMPLE) == b"shared"
    assert setup.near.get("k") == b"shared"
    assert setup.answers.find("k") == b"shared"
    assert setup.computations == 0


def test_what_is_not_to_be_kept_is_not() -> None:
    setup = Setup()
    setup.answers.answer("k", lambda: Computed(payload=b"poor", keep=False), AMPLE)
    assert setup.answers.find("k") is None
    assert setup.far.get("k") is None


def test_without_tiers_it_computes_each_time() -> None:
    setup = Setup()
    answers = Answers([], setup.metrics)
    for _ in range(2):
        answers.answer("k", setup.compute, AMPLE)
    assert setup.computations == 2


def test_those_who_wait_get_the_same_error_and_the_next_one_computes_anew() -> None:
    setup = Setup()
    started, release = threading.Event(), threading.Event()

    def fail() -> Computed:
        started.set()
        release.wait(20)
        raise LookupError("broken")

    with ThreadPoolExecutor(2) as callers:
        leader = callers.submit(setup.answers.answer, "k", fail, AMPLE)
        started.wait(20)
        follower = callers.submit(setup.answers.answer, "k", setup.compute, AMPLE)
        # a follower has looked into the near tier, and missed, before it waits
        eventually(lambda: _misses(setup) == 2)
        release.set()
        with pytest.raises(LookupError):
            leader.result()
        follower_failed = follower.exception() is not None
    assert follower_failed or setup.computations == 1  # it may have come just after the failure
    assert setup.answers.answer("k", setup.compute, AMPLE) == b"answer"


def test_who_has_no_time_to_wait_computes_alone() -> None:
    setup = Setup()
    started, release = threading.Event(), threading.Event()

    def slow() -> Computed:
        started.set()
        release.wait(20)
        return Computed(payload=b"slow", keep=True)

    with ThreadPoolExecutor(1) as callers:
        leader = callers.submit(setup.answers.answer, "k", slow, AMPLE)
        started.wait(20)
        late = Budget(0.0, lambda: 1.0)
        assert setup.answers.answer("k", setup.compute, late) == b"answer"
        release.set()
        assert leader.result() == b"slow"


def test_a_key_depends_on_every_field_and_shows_no_text() -> None:
    keys = {
        answer_key("M", "m", "1", "new york", 10),
        answer_key("M", "m", "1", "new york", 11),
        answer_key("M", "m", "1", "new york ", 10),
        answer_key("M", "m", "2", "new york", 10),
        answer_key("M", "n", "1", "new york", 10),
        answer_key("N", "m", "1", "new york", 10),
    }
    assert len(keys) == 6
    assert not any("york" in key for key in keys)
    assert answer_key("M", "m", "1", "a") == answer_key("M", "m", "1", "a")


def _misses(setup: Setup) -> float:
    labels = {"tier": "process", "outcome": "miss"}
    return setup.metrics.registry.get_sample_value("autocomplete_cache_lookups_total", labels) or 0.0
