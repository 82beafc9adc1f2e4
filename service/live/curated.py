"""What is curated, in memory: the part of the overlay that entries, pins, synonyms and hit counts add up to."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from lm.index.live_queries import LiveQueries, LiveQuery
from service.live.curation import CuratedEntry, CuratedItem, Hits, Pin, Synonym, When, normalized
from suggest import pins as shown_pins
from suggest.pins import Pins
from suggest.synonyms import Synonyms

_EPOCH_BITS = 128
_Replacements = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CuratedView:
    """What is curated for one model at a moment; threads may share it.

    Attributes:
        epoch: names all of it, as a number; 0 where nothing is.
        queries: the entries.
        hidden: normalised texts that are not suggested: what is withdrawn, and what finds nothing.
        pins, synonyms: None if there are none.
    """

    epoch: int = 0
    queries: LiveQueries = field(default_factory=LiveQueries)
    hidden: frozenset[str] = frozenset()
    pins: Pins | None = None
    synonyms: Synonyms | None = None


_NOTHING = CuratedView()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Items:
    """What there is for one model, whether it holds now or not.

    Attributes:
        withdrawn, empty: normalised texts.
        digest: sum of the digests of all but the pins: the same for the same items, in whatever order they came.
    """

    queries: LiveQueries = field(default_factory=LiveQueries)
    withdrawn: frozenset[str] = frozenset()
    empty: frozenset[str] = frozenset()
    pins: Mapping[str, Pin] = field(default_factory=dict)
    synonyms: Mapping[str, Synonym] = field(default_factory=dict)
    digest: int = 0

    @property
    def sizes(self) -> dict[str, int]:
        """How many there are of each kind."""
        entries = len(self.queries) + len(self.withdrawn)
        return {"entry": entries, "pin": len(self.pins), "synonym": len(self.synonyms), "hits": len(self.empty)}

    def with_changes(self, items: Iterable[tuple[CuratedItem, bool]]) -> _Items:
        """It with some items, each of which is there or not from now on."""
        last = {(item.kind, item.key): (item, there) for item, there in items}
        queries, withdrawn, empty = dict[str, LiveQuery | None](), set(self.withdrawn), set(self.empty)
        pins, synonyms = dict(self.pins), dict(self.synonyms)
        for item, there in last.values():
            if isinstance(item, CuratedEntry):
                queries[item.query] = _query(item) if there and not item.withdrawn else None
                (withdrawn.add if there and item.withdrawn else withdrawn.discard)(item.query)
            elif isinstance(item, Hits):
                (empty.add if there else empty.discard)(normalized(item.query))
            elif isinstance(item, Pin):
                pins.pop(item.key, None)
                pins |= {item.key: replace(item, creator="")} if there else {}
            else:
                synonyms.pop(item.key, None)
                synonyms |= {item.key: replace(item, creator="")} if there else {}
        queries = {text: query for text, query in queries.items() if query != self.queries.get(text)}
        step = sum(_digest(query) for query in queries.values() if query)
        step -= sum(_digest(old) for text in queries if (old := self.queries.get(text)))
        for name, before, now in (("withdrawn", self.withdrawn, withdrawn), ("empty", self.empty, empty)):
            step += sum(_digest(name, text) for text in now - before) - sum(
                _digest(name, text) for text in before - now
            )
        known = [_digest(*_rule(each)) for each in self.synonyms.values()]
        step += sum(_digest(*_rule(each)) for each in synonyms.values()) - sum(known)
        return _Items(
            queries=self.queries.with_changes(queries) if queries else self.queries,
            withdrawn=frozenset(withdrawn),
            empty=frozenset(empty),
            pins=pins,
            synonyms=synonyms,
            digest=(self.digest + step) % (1 << _EPOCH_BITS),
        )

    def view(self, now_s: float) -> CuratedView:
        """What holds at a time."""
        held = sorted((pin for pin in self.pins.values() if pin.holds(now_s)), key=lambda pin: pin.created_s)
        digest = self.digest + sum(_digest(*_standing(pin)) for pin in held)
        return CuratedView(
            epoch=digest % (1 << _EPOCH_BITS),
            queries=self.queries,
            hidden=self.withdrawn | self.empty,
            pins=_pins(held) if held else None,
            synonyms=Synonyms(_replacements(self.synonyms.values())) if self.synonyms else None,
        )


class Curated:
    """All that is curated, as it is at a time.

    Attributes:
        sizes: how many items there are of each kind, those included that do not hold now.
        next_change_s: when the next pin begins or ends, in seconds since 1970; infinite if none does.
    """

    def __init__(
        self,
        items: Mapping[str, _Items] = MappingProxyType({}),
        views: Mapping[str, CuratedView] = MappingProxyType({}),
        now_s: float = 0.0,
    ) -> None:
        self._items = items
        self._now_s = now_s
        self._views = {model: views.get(model) or each.view(now_s) for model, each in items.items()}
        every = [each.sizes for each in items.values()]
        self.sizes = {kind: sum(each[kind] for each in every) for kind in _Items().sizes}
        times = (time for each in items.values() for pin in each.pins.values() for time in (pin.starts_s, pin.ends_s))
        self.next_change_s = min((time for time in times if time is not None and time > now_s), default=math.inf)

    def view(self, model: str) -> CuratedView:
        """What is curated where a model answers."""
        return self._views.get(model, _NOTHING)

    def at(self, now_s: float) -> Curated:
        """It as it is at a time."""
        if now_s < self.next_change_s:
            return self
        views = {model: view for model, view in self._views.items() if not self._items[model].pins}
        return Curated(self._items, views, now_s)

    def with_changes(self, items: Iterable[tuple[CuratedItem, bool]]) -> Curated:
        """It with some items, each of which is there or not from now on."""
        by_model = dict[str, list[tuple[CuratedItem, bool]]]()
        for item, there in items:
            by_model.setdefault(item.model, []).append((item, there))
        if not by_model:
            return self
        changed = {model: self._items.get(model, _Items()).with_changes(some) for model, some in by_model.items()}
        kept = {model: view for model, view in self._views.items() if model not in changed}
        return Curated({**self._items, **changed}, kept, self._now_s)


def _query(entry: CuratedEntry) -> LiveQuery:
    query = entry.query
    return LiveQuery(
        text=query,
        count=entry.weight,
        display=entry.text if entry.text != query else "",
        payload=entry.payload,
        entry=True,
        instead=True,
        tags=frozenset(entry.tags),
    )


def _pins(pins: Iterable[Pin]) -> Pins:
    by_trigger: dict[When, dict[str, list[shown_pins.Pin]]] = {When.TYPED: {}, When.BEGINS: {}}
    for pin in pins:
        shown = shown_pins.Pin(normalized(pin.text), pin.text, pin.payload, pin.place, pin.boost)
        by_trigger[pin.when].setdefault(pin.trigger, []).append(shown)
    return Pins(by_trigger[When.TYPED], by_trigger[When.BEGINS])


def _replacements(synonyms: Iterable[Synonym]) -> _Replacements:
    found = dict[str, set[str]]()
    for each in synonyms:
        phrase, replacement = normalized(each.phrase), normalized(each.replacement)
        found.setdefault(phrase, set()).add(replacement)
        if each.two_way:
            found.setdefault(replacement, set()).add(phrase)
    return {phrase: tuple(sorted(others)) for phrase, others in found.items()}


def _rule(synonym: Synonym) -> tuple[object, ...]:
    return "synonym", normalized(synonym.phrase), normalized(synonym.replacement), synonym.two_way


def _standing(pin: Pin) -> tuple[object, ...]:
    return "pin", pin.when.value, pin.trigger, pin.text, pin.payload, pin.place, pin.boost, pin.created_s


def _digest(*content: object) -> int:
    said = repr([sorted(each) if isinstance(each, frozenset) else each for part in content for each in _parts(part)])
    return int.from_bytes(hashlib.blake2b(said.encode(), digest_size=_EPOCH_BITS // 8, person=b"curated").digest())


def _parts(part: object) -> Iterable[object]:
    return part if isinstance(part, tuple) else (part,)
