"""Who is taken on arrival, with the clock and chance passed in."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.rpc.admission import Admission


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Server:
    """Works on calls one after the other, each for the same time, however many threads it says it has."""

    def __init__(self, service_s: float, max_wait_s: float) -> None:
        self.clock = Clock()
        self.admission = Admission(threads=1, max_wait_s=max_wait_s, clock=self.clock, chance=lambda: 0.0)
        self.service_s = service_s
        self.ends_s: list[float] = []

    def run_until(self, now_s: float) -> None:
        while self.ends_s and self.ends_s[0] <= now_s:
            self.clock.now_s = self.ends_s.pop(0)
            self.admission.end()
        self.clock.now_s = now_s

    def call(self) -> float | None:
        """The time until the answer; None if refused."""
        if self.admission.retry_after_s() is not None:
            return None
        self.admission.arrive()
        self.ends_s.append(max([self.clock.now_s, *self.ends_s[-1:]]) + self.service_s)
        return self.ends_s[-1] - self.clock.now_s


def learnt(service_s: float, max_wait_s: float) -> Server:
    """A server that has answered many calls, now and then with a pause between two."""
    server = Server(service_s, max_wait_s)
    for number in range(1000):
        server.run_until(server.clock.now_s + service_s * (1 if number % 10 else 30))
        server.call()
    server.run_until(server.clock.now_s + 100 * service_s)
    return server


@given(
    service_s=st.floats(0.0001, 0.05),
    gaps=st.lists(st.floats(0.0, 1.2), min_size=1, max_size=300),
    max_wait=st.floats(0.0, 10.0),
)
def test_whoever_is_taken_waits_no_longer_than_allowed_and_whoever_is_not_would_have(
    service_s: float, gaps: list[float], max_wait: float
) -> None:
    server = learnt(service_s, max_wait * service_s)
    answered = 0
    refused_share = 0.0
    for gap in gaps:
        before = len(server.ends_s)
        server.run_until(server.clock.now_s + gap * service_s)
        there = len(server.ends_s)
        answered = answered + before - there if there else 0
        allowed = (6 if answered < 32 and refused_share < 0.05 else 1) * max_wait
        took_s = server.call()
        refused_share += 0.01 * ((took_s is None) - refused_share)
        slack_s = 0.02 * (there + 1) * service_s
        if took_s is None:
            assert there > 0
            assert there * service_s + slack_s > allowed * service_s
        else:
            assert took_s <= (allowed + 1) * service_s + slack_s


def test_a_burst_may_wait_for_longer_than_a_queue_that_stands() -> None:
    server = learnt(0.01, 0.0205)
    assert [server.call() is None for _ in range(14)] == [False] * 13 + [True]
    for _ in range(100):  # offered as fast as it is answered, and more
        server.run_until(server.clock.now_s + 0.01)
        server.call()
    assert len(server.ends_s) == 3
    server.run_until(server.clock.now_s + 1.0)
    assert None not in offered(server, [2.0] * 200)  # those refused before are long ago
    server.run_until(server.clock.now_s + 1.0)
    assert [server.call() is None for _ in range(14)] == [False] * 13 + [True]


def offered(server: Server, gaps: Sequence[float]) -> list[float | None]:
    """How long each of these calls takes, which come so many service times one after the other; None if refused."""
    took_s = []
    for gap in gaps:
        server.run_until(server.clock.now_s + gap * server.service_s)
        took_s.append(server.call())
    return took_s


@given(overload=st.floats(2.0, 10.0), seed=st.integers())
def test_an_overload_has_no_bursts_though_its_queue_runs_empty(overload: float, seed: int) -> None:
    chance = random.Random(seed)
    server = learnt(0.01, 0.0205)
    offered(server, [1 / overload] * 200)
    for _ in range(20):
        took_s = offered(server, [chance.expovariate(overload) for _ in range(50)])
        assert max(each for each in took_s if each is not None) <= 0.0401
        server.run_until(server.clock.now_s + 1.0)
        assert server.admission.calls == 0


def test_a_few_refusals_are_no_overload() -> None:
    server = learnt(0.01, 0.0205)
    for _ in range(5):  # pauses, and usual load between them
        assert [each is None for each in offered(server, [0.0] * 16)] == [False] * 13 + [True] * 3
        server.run_until(server.clock.now_s + 1.0)
        assert None not in offered(server, [2.0] * 60)
        server.run_until(server.clock.now_s + 1.0)


def test_after_an_overload_bursts_may_wait_again() -> None:
    server = learnt(0.01, 0.0205)
    offered(server, [0.3] * 500)
    server.run_until(server.clock.now_s + 1.0)
    assert offered(server, [0.0] * 4)[3] is None
    assert None not in offered(server, [2.0] * 300)
    server.run_until(server.clock.now_s + 1.0)
    assert None not in offered(server, [0.0] * 13)


def test_a_pause_of_the_process_is_no_cost_of_a_call() -> None:
    server = learnt(0.001, 1.0)
    server.admission.arrive()
    server.clock.now_s += 30.0
    server.admission.end()
    assert server.admission.service_s == pytest.approx(0.001, rel=0.1)


@pytest.mark.parametrize("service_s", [0.0002, 0.003])
def test_service_time_is_busy_time_a_call_whatever_lies_idle_between(service_s: float) -> None:
    assert learnt(service_s, 1.0).admission.service_s == pytest.approx(service_s, rel=0.01)


def test_an_idle_server_takes_a_call_however_slow_it_has_been() -> None:
    server = learnt(10.0, 0.0)
    assert server.call() is not None
    assert server.call() is None


def test_those_refused_are_told_to_come_one_after_the_other() -> None:
    server = learnt(0.1, 0.03)
    assert [server.call() is None for _ in range(3)] == [False, False, True]
    delays_s = [server.admission.retry_after_s() for _ in range(5)]
    assert delays_s == pytest.approx([0.4, 0.5, 0.6, 0.7, 0.8], abs=0.011)


def test_the_longest_delay_is_bounded_and_chance_spreads_it() -> None:
    clock = Clock()
    chances = iter([0.0, 0.5, 1.0] * 100)
    admission = Admission(threads=0, max_calls=0, clock=clock, chance=lambda: next(chances))
    admission.arrive()
    for _ in range(200):
        clock.now_s += 5000.0
        admission.end()
        admission.arrive()
    delays_s = [admission.retry_after_s() for _ in range(3)]
    assert delays_s == [10.0, 15.0, 20.0]


def test_calls_at_work_and_waiting_are_bounded() -> None:
    clock = Clock()
    admission = Admission(threads=1, max_calls=2, clock=clock, chance=lambda: 0.0)
    for _ in range(2):
        assert admission.retry_after_s() is None
        admission.arrive()
    assert admission.retry_after_s() == pytest.approx(0.01)
    admission.end()
    assert admission.retry_after_s() is None
