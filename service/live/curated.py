"""What is curated, in memory: the part of the overlay that pins, synonyms and hit counts add up to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from service.live.curation import Hits, Pin, Rule, Synonym, When, normalized
from service.live.entries import EPOCH_BITS, digest
from suggest import pins as shown_pins
from suggest.pins import Pins
from suggest.synonyms import Synonyms

_Replacements = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CuratedView:
    """What is curated for one model at a moment; threads may share it.

    Attributes:
        epoch: names all of it, as a number; 0 where nothing is.
        hidden: normalised texts that are not suggested, for they find nothing.
        pins, synonyms: None if there are none.
    """

    epoch: int = 0
    hidden: frozenset[str] = frozenset()
    pins: Pins | None = None
    synonyms: Synonyms | None = None


_NOTHING = CuratedView()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Items:
    """What there is for one model, whether it holds now or not.

    Attributes:
        empty: normalised texts.
        digest: sum of the digests of all but the pins: the same for the same items, in whatever order they came.
    """

    empty: frozenset[str] = frozenset()
    pins: Mapping[str, Pin] = field(default_factory=dict)
    synonyms: Mapping[str, Synonym] = field(default_factory=dict)
    digest: int = 0

    @property
    def sizes(self) -> dict[str, int]:
        """How many there are of each kind."""
        return {"pin": len(self.pins), "synonym": len(self.synonyms), "hits": len(self.empty)}

    def with_changes(self, items: Iterable[tuple[Rule, bool]]) -> _Items:
        """It with some items, each of which is there or not from now on."""
        empty, pins, synonyms = set(self.empty), dict(self.pins), dict(self.synonyms)
        for item, there in items:
            if isinstance(item, Hits):
                (empty.add if there else empty.discard)(normalized(item.query))
            elif isinstance(item, Pin):
                pins.pop(item.key, None)
                pins |= {item.key: replace(item, creator="")} if there else {}
            else:
                synonyms.pop(item.key, None)
                synonyms |= {item.key: replace(item, creator="")} if there else {}
        step = sum(digest("empty", text) for text in empty - self.empty)
        step -= sum(digest("empty", text) for text in self.empty - empty)
        for sign, rules in ((1, synonyms), (-1, self.synonyms)):
            step += sign * sum(digest(*_rule(each)) for each in rules.values())
        return _Items(
            empty=frozenset(empty), pins=pins, synonyms=synonyms, digest=(self.digest + step) % (1 << EPOCH_BITS)
        )

    def view(self, now_s: float) -> CuratedView:
        """What holds at a time."""
        held = sorted((pin for pin in self.pins.values() if pin.holds(now_s)), key=lambda pin: pin.created_s)
        added = self.digest + sum(digest(*_standing(pin)) for pin in held)
        return CuratedView(
            epoch=added % (1 << EPOCH_BITS),
            hidden=self.empty,
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

    def with_changes(self, items: Iterable[tuple[Rule, bool]]) -> Curated:
        """It with some items, each of which is there or not from now on."""
        by_model = dict[str, list[tuple[Rule, bool]]]()
        for item, there in items:
            by_model.setdefault(item.model, []).append((item, there))
        if not by_model:
            return self
        changed = {model: self._items.get(model, _Items()).with_changes(some) for model, some in by_model.items()}
        kept = {model: view for model, view in self._views.items() if model not in changed}
        return Curated({**self._items, **changed}, kept, self._now_s)


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
