"""Answers come from the process, from Redis, or from one computation for all who ask the same at once."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field

from service.ports import AnswerCache, AnswerKey, ServingModel
from service.telemetry.metrics import Metrics
from suggest.budget import Budget, CostEstimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A cache and its name in the metrics.

    Attributes:
        shared: other servers use it too, so a look-up takes a round trip.
    """

    name: str
    cache: AnswerCache
    shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """A computed answer; it is cached only if `keep` is true."""

    payload: bytes
    keep: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flight:
    """A computation under way, which may take `allowed_s`."""

    allowed_s: float
    computed: Future[Computed] = field(default_factory=Future)


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
        """The answer if the process holds it; does not wait. If it does not, `find` counts the miss."""
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
        """The answer: found, or computed by `join_or_compute`.

        Args:
            new_budget: when the answer must be ready; asked only if no tier holds it.
        """
        found = self.find(key)
        return found if found is not None else self.join_or_compute(key, compute, new_budget())

    def join_or_compute(self, key: AnswerKey, compute: Callable[[Budget], Computed], budget: Budget) -> bytes:
        """The answer that no tier held: computed, or awaited from a caller who asked the same before.

        A caller that waits for another's computation stops in time to compute an answer without the slow parts. If the
        other had too little time for a whole answer, a caller with more time computes it again.

        Args:
            compute: makes the answer within a budget; its error reaches all who wait for it.
            budget: when the answer must be ready.
        """
        while True:
            with self._lock:
                flight = self._flights.get(key)
                leads = flight is None
                if flight is None:
                    flight = self._flights[key] = _Flight(allowed_s=budget.remaining_s())
            if leads:
                return self._lead(key, compute, budget)
            done, _ = wait([flight.computed], max(budget.remaining_s() - 2 * self._hurried_cost.mean_s, 0.0))
            if not done:
                return self._hurry(compute, budget)
            self._joined.inc()
            computed = flight.computed.result()
            if computed.keep or budget.remaining_s() < flight.allowed_s:
                return computed.payload

    def prepare(self, key: AnswerKey, compute: Callable[[], Computed]) -> bool:
        """Puts an answer into all tiers before somebody asks; True if none held it. These look-ups are not counted."""
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
        """Puts an answer that was computed elsewhere into all tiers."""
        self._put((*self._near, *self._far), key, answer)

    def _hurry(self, compute: Callable[[Budget], Computed], budget: Budget) -> bytes:
        """The answer without the parts that can be left out: another caller computes them, and it takes too long."""
        self._left.inc()
        with self._hurried_cost.measured():
            return compute(Budget(budget.clock(), budget.clock, limit=budget.limit)).payload

    def _lead(self, key: AnswerKey, compute: Callable[[Budget], Computed], budget: Budget) -> bytes:
        try:
            # the process first: another caller may have finished between this one's look and its turn to lead
            found = next((tier.cache.get(key) for tier in self._near), None)
            computed = compute(budget) if found is None else Computed(payload=found, keep=True)
            if computed.keep and found is None:
                self._put(self._near, key, computed.payload)
        except BaseException as error:
            self._land(key).set_exception(error)
            raise
        self._land(key).set_result(computed)
        if computed.keep and found is None:
            self._put(self._far, key, computed.payload)
        return computed.payload

    def _land(self, key: AnswerKey) -> Future[Computed]:
        """Ends a flight; its outcome is then set, which lets go on whoever waits."""
        with self._lock:
            return self._flights.pop(key).computed

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


def answer_key(method: str, model: ServingModel, asked: object) -> AnswerKey:
    """The key of an answer. It shows the method, the model and its version, but only a digest of what was typed.

    What a bundle denies is part of its version.

    Args:
        asked: all that was asked. Its `repr` must show it whole, as that of a tuple or a data class does, so that
            whatever is added to it stands in the key as well.
    """
    digest = hashlib.blake2b(repr(asked).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{method}:{model.name}:{model.version}:{digest}".encode()
