from __future__ import annotations

from service.adapters.breaker import CircuitBreaker


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_it_opens_after_failures_in_a_row_and_lets_one_attempt_through_at_a_time() -> None:
    clock = Clock()
    breaker = CircuitBreaker(failures=2, retry_after_s=1.0, clock=clock)
    assert not breaker.failed()
    assert breaker.allows()
    assert breaker.failed()
    assert not breaker.allows()
    clock.now_s += 1.0
    assert breaker.allows()
    assert not breaker.allows()
    assert not breaker.failed()  # the outage goes on; it did not begin anew
    assert not breaker.allows()
    clock.now_s += 1.0
    assert breaker.allows()
    assert breaker.succeeded()
    assert breaker.allows()


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = CircuitBreaker(failures=2, retry_after_s=1.0, clock=Clock())
    for _ in range(5):
        assert not breaker.failed()
        assert not breaker.succeeded()
    assert breaker.allows()
