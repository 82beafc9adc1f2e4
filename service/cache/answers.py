"""Where answers come from: the process, Redis, or one computation for all who ask the same at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.ports import AnswerCache, AnswerKey
from service.telemetry.metrics import Metrics
from suggest.budget import Budget, CostEstimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A cache and its name in the metrics.

    Attributes:
        shared: with other servers, so that a look takes a round trip.
    """

    name: str
    cache: AnswerCache
    shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """A computed answer; one with `keep` false is given out and forgotten."""

    payload: bytes
    keep: bool


class Answers:
    """Looks answers up in tiers, nearest first, and computes what none of them holds."""

    def __init__(self, tiers: Sequence[Tier], metrics: Metrics) -> None:
        self._near = tuple(tier for tier in tiers if not tier.shared)
        self._far = tuple(tier for tier in tiers if tier.shared)
        self._lock = threading.Lock()
        self._flights: dict[AnswerKey, _Flight] = {}
        self._hurried_cost = CostEstimate(0.002)
        self._hits = {tier.name: metrics.cache_lookups.labels(tier.name, "hit") for tier in tiers}
        self._misses = {tier.name: metrics.cache_lookups.labels(tier.name, "miss") for tier in tiers}
        self._joined = metrics.cache_lookups.labels("flight", "hit")
        self._left = metrics.cache_lookups.labels("flight", "miss")

    @property
    def kept_here(self) -> bool:
        """Whether the process keeps answers."""
        return bool(self._near)

    def at_hand(self, key: AnswerKey) -> bytes | None:
        """The answer if the process holds it; does not wait. One that it lacks counts as a miss once `find` looks."""
        for tier in self._near:
            found = tier.cache.get(key)
            if found is not None:
                self._hits[tier.name].inc()
                return found
        return None

    def find(self, key: AnswerKey) -> bytes | None:
        """The answer if some tier holds it."""
        found = self._look(self._near, key)
        if found is None:
            found = self._look(self._far, key)
            if found is not None:
                self._put(self._near, key, found)
        return found

    def answer(self, key: AnswerKey, compute: Callable[[Budget], Computed], new_budget: Callable[[], Budget]) -> bytes:
        """The answer: found, or as `join_or_compute` has it.

        Args:
            new_budget: when the answer must be ready; asked only if no tier holds it.
        """
        found = self.find(key)
        return found if found is not None else self.join_or_compute(key, compute, new_budget())

    def join_or_compute(self, key: AnswerKey, compute: Callable[[Budget], Computed], budget: Budget) -> bytes:
        """The answer that no tier held: awaited from a caller who asked the same before, or computed.

        Who waits for another's computation leaves in time for an answer without the slow parts. Who has more time
        than the other had does not make do with an answer for which that one's time was too short.

        Args:
            compute: makes the answer within a budget; what it raises reaches all who wait for it.
            budget: when the answer must be ready.
        """
        while True:
            with self._lock:
                flight = self._flights.get(key)
                leads = flight is None
                if flight is None:
                    flight = self._flights[key] = _Flight(budget.remaining_s())
            if leads:
                return self._lead(key, flight, compute, budget)
            if not flight.wait(max(budget.remaining_s() - 2 * self._hurried_cost.mean_s, 0.0)):
                return self._hurry(compute, budget)
            self._joined.inc()
            computed = flight.result()
            if computed.keep or budget.remaining_s() < flight.allowed_s:
                return computed.payload

    def prepare(self, key: AnswerKey, compute: Callable[[], Computed]) -> bool:
        """Has all tiers hold an answer before somebody asks; True if none held it. Look-ups do not count."""
        looked: list[Tier] = []
        for tier in (*self._near, *self._far):
            found = tier.cache.get(key)
            if found is not None:
                self._put(looked, key, found)
                return False
            looked.append(tier)
        computed = compute()
        if computed.keep:
            self._put(looked, key, computed.payload)
        return True

    def keep(self, key: AnswerKey, answer: bytes) -> None:
        """Has all tiers hold an answer that was computed elsewhere."""
        self._put((*self._near, *self._far), key, answer)

    def _hurry(self, compute: Callable[[Budget], Computed], budget: Budget) -> bytes:
        """The answer without the parts that can be left out: somebody else has been at them for long."""
        self._left.inc()
        with self._hurried_cost.measured():
            return compute(Budget(budget.clock(), budget.clock, limit=budget.limit)).payload

    def _lead(self, key: AnswerKey, flight: _Flight, compute: Callable[[Budget], Computed], budget: Budget) -> bytes:
        try:
            # the process first: the one before may have come back between this caller's look and its turn to lead
            found = next((tier.cache.get(key) for tier in self._near), None)
            computed = compute(budget) if found is None else Computed(payload=found, keep=True)
            flight.computed = computed
            if computed.keep and found is None:
                self._put(self._near, key, computed.payload)
        except BaseException as error:
            flight.error = error
            raise
        finally:
            with self._lock:
                del self._flights[key]
            flight.land()
        if computed.keep and found is None:
            self._put(self._far, key, computed.payload)
        return computed.payload

    def _look(self, tiers: Sequence[Tier], key: AnswerKey) -> bytes | None:
        for tier in tiers:
            found = tier.cache.get(key)
            (self._misses if found is None else self._hits)[tier.name].inc()
            if found is not None:
                return found
        return None

    def _put(self, tiers: Sequence[Tier], key: AnswerKey, answer: bytes) -> None:
        for tier in tiers:
            tier.cache.put(key, answer)


class _Flight:
    """A computation under way, which may take `allowed_s`."""

    def __init__(self, allowed_s: float) -> None:
        self.allowed_s = allowed_s
        self._landing = threading.Lock()  # made in a tenth of an event's time, and mostly nobody waits
        self._landing.acquire()
        self.computed: Computed | None = None
        self.error: BaseException | None = None

    def land(self) -> None:
        """Lets all who wait go on."""
        self._landing.release()

    def wait(self, timeout_s: float) -> bool:
        """Whether it has landed within so much time."""
        landed = self._landing.acquire(timeout=timeout_s)
        if landed:
            self._landing.release()
        return landed

    def result(self) -> Computed:
        if self.computed is None:
            raise self.error or RuntimeError("the computation gave nothing")
        return self.computed
