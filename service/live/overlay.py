"""What of the live state answers need, in memory: immutable, so that whoever reads it takes no lock.

It has a part for each group of kinds of changes. A change makes a new overlay, which takes the old one's place by one
assignment. What did not change is shared.
"""

from __future__ import annotations

from collections.abc import Iterable

from service.live.curated import Curated, CuratedView
from service.live.curation import CuratedEntry, Rule
from service.live.denied import Denied, DeniedView
from service.live.deny_list import DenyEntry
from service.live.entries import EPOCH_BITS, Entries, EntriesView
from service.live.kinds import Item


class View:
    """What the live state is where one model answers; threads may share it.

    Attributes:
        denied: what is taken down.
        curated: pins, synonyms, and what finds nothing.
        entries: those of the catalogue.
        epoch: names all of it: equal where the same holds, on whichever replica; empty where nothing does.
        hides: whether `blocks` is worth asking.
    """

    __slots__ = ("curated", "denied", "entries", "epoch", "hides")

    def __init__(self, denied: DeniedView, curated: CuratedView, entries: EntriesView) -> None:
        self.denied = denied
        self.curated = curated
        self.entries = entries
        added = (curated.epoch + entries.epoch) % (1 << EPOCH_BITS)
        self.epoch = f"{denied.epoch}.{added:x}" if added else denied.epoch
        self.hides = denied.has_texts or bool(curated.hidden or entries.withdrawn)

    def blocks(self, text: str) -> bool:
        """Whether a normalised text must not be suggested as a query."""
        return text in self.curated.hidden or text in self.entries.withdrawn or self.denied.blocks(text)

    def blocks_after(self, before: str, text: str) -> bool:
        """See `DeniedView.blocks_after`; what is hidden are whole queries, none of which is a word of a text."""
        return self.denied.blocks_after(before, text)


class Overlay:
    """The live state.

    Attributes:
        denied, curated, entries: its parts.
        sizes: how many items there are of each kind that is curated.
        size: items of all parts.
    """

    def __init__(
        self, denied: Denied | None = None, curated: Curated | None = None, entries: Entries | None = None
    ) -> None:
        self.denied = denied or Denied()
        self.curated = curated or Curated()
        self.entries = entries or Entries()
        self.sizes = {**self.curated.sizes, CuratedEntry.kind: self.entries.size}
        self.size = self.denied.size + sum(self.sizes.values())
        self._views: dict[str, View] = {}

    def view(self, model: str) -> View:
        """What it is where a model answers."""
        view = self._views.get(model)
        if view is None:  # whoever comes at the same time makes the same
            view = View(self.denied.view(model), self.curated.view(model), self.entries.view(model))
            self._views[model] = view
        return view

    def at(self, now_s: float) -> Overlay:
        """It as it is at a time, in seconds since 1970: without what has ended, with what has begun."""
        denied, curated = self.denied.at(now_s), self.curated.at(now_s)
        same = denied is self.denied and curated is self.curated
        return self if same else Overlay(denied, curated, self.entries)

    def with_entries(self, entries: Entries) -> Overlay:
        """It with other entries."""
        return Overlay(self.denied, self.curated, entries)

    def with_changes(self, items: Iterable[tuple[Item, bool]]) -> Overlay:
        """It with some items, each of which is there or not from now on. What is so already changes nothing."""
        denied, rules = list[tuple[DenyEntry, bool]](), list[tuple[Rule, bool]]()
        entries = list[tuple[CuratedEntry, bool]]()
        for item, there in items:
            if isinstance(item, DenyEntry):
                denied.append((item, there))
            elif isinstance(item, CuratedEntry):
                entries.append((item, there))
            else:
                rules.append((item, there))
        return Overlay(
            self.denied.with_changes(denied) if denied else self.denied,
            self.curated.with_changes(rules),
            self.entries.with_changes(entries),
        )
