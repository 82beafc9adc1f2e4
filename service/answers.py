"""Where answers come from: the process, Redis, or one computation for all who ask the same at once."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lm.text import NORMALIZER_VERSION
from service.metrics import Metrics
from service.ports import AnswerCache
from suggest.budget import Budget

_FORMAT = 1
"""Part of every key; raised when the form of stored answers changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A cache and its name in the metrics."""

    name: str
    cache: AnswerCache


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """A computed answer; one with `keep` false is given out and forgotten."""

    payload: bytes
    keep: bool


def answer_key(method: str, model: str, version: str, *fields: object) -> str:
    """The key of an answer: everything that it depends on, the typed text only as a digest."""
    digest = hashlib.blake2b(repr(fields).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"autocomplete:{_FORMAT}:{NORMALIZER_VERSION}:{method}:{model}:{version}:{digest}"


class Answers:
    """Looks answers up in tiers, nearest first, and computes what none of them holds."""

    def __init__(self, tiers: Sequence[Tier], metrics: Metrics) -> None:
        self._near = tuple(tiers[:1])
        self._far = tuple(tiers[1:])
        self._metrics = metrics
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight] = {}
        self._hits = {tier.name: metrics.cache_lookups.labels(tier.name, "hit") for tier in tiers}
        self._misses = {tier.name: metrics.cache_lookups.labels(tier.name, "miss") for tier in tiers}
        self._joined = metrics.cache_lookups.labels("flight", "hit")

    def find(self, key: str) -> bytes | None:
        """The answer if some tier holds it."""
        found = self._look(self._near, key)
        return found if found is not None else self._fetch(key)

    def answer(self, key: str, compute: Callable[[], Computed], budget: Budget) -> bytes:
        """The answer: found, awaited from a caller who asked the same before, or computed.

        Args:
            key: see `answer_key`.
            compute: makes the answer; what it raises reaches all who wait for it.
            budget: who waits for another's computation waits no longer than this, then computes alone.
        """
        found = self._look(self._near, key)
        if found is not None:
            return found
        with self._lock:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = _Flight()
        if leads:
            return self._lead(key, flight, compute)
        if flight.done.wait(max(budget.remaining_s(), 0.0)):
            self._joined.inc()
            return flight.result()
        return compute().payload

    def _lead(self, key: str, flight: _Flight, compute: Callable[[], Computed]) -> bytes:
        keep = False
        try:
            found = self._fetch(key)
            if found is not None:
                flight.payload = found
                return found
            computed = compute()
            flight.payload, keep = computed.payload, computed.keep
            if keep:
                for tier in self._near:
                    tier.cache.put(key, computed.payload)
        except BaseException as error:
            flight.error = error
            raise
        finally:
            with self._lock:
                del self._flights[key]
            flight.done.set()
        if keep:
            for tier in self._far:
                tier.cache.put(key, computed.payload)
        return computed.payload

    def _fetch(self, key: str) -> bytes | None:
        """Looks into the far tiers and brings what they hold nearer."""
        found = self._look(self._far, key)
        if found is not None:
            for tier in self._near:
                tier.cache.put(key, found)
        return found

    def _look(self, tiers: Sequence[Tier], key: str) -> bytes | None:
        for tier in tiers:
            found = tier.cache.get(key)
            (self._misses if found is None else self._hits)[tier.name].inc()
            if found is not None:
                return found
        return None


class _Flight:
    """A computation under way."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.payload: bytes | None = None
        self.error: BaseException | None = None

    def result(self) -> bytes:
        if self.payload is None:
            raise self.error or RuntimeError("the computation gave nothing")
        return self.payload
