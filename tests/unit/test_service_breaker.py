from __future__ import annotations

from service.cache.redis_cache import CircuitBreaker


def test_it_opens_after_failures_in_a_row_and_closes_at_a_success() -> None:
    breaker = CircuitBreaker(failures=2)
    assert not breaker.failed()
    assert not breaker.is_open
    assert breaker.failed()
    assert breaker.is_open
    assert not breaker.failed()  # the outage goes on; it did not begin anew
    assert breaker.is_open
    assert breaker.succeeded()
    assert not breaker.is_open


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = CircuitBreaker(failures=2)
    for _ in range(5):
        assert not breaker.failed()
        assert not breaker.succeeded()
    assert not breaker.is_open
