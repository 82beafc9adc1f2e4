"""What of the live state answers need, in memory: immutable, so that whoever reads it takes no lock.

It has a part for each group of kinds of changes. A change makes a new overlay, which takes the old one's place by one
assignment. What did not change is shared.
"""

from __future__ import annotations

from collections.abc import Iterable

from service.live.curated import Curated, CuratedView
from service.live.denied import Denied, DeniedView
from service.live.deny_list import DenyEntry
from service.live.kinds import Item


class View:
    """What the live state is where one model answers; threads may share it.

    Attributes:
        denied: what is taken down.
        curated: what is curated.
        epoch: names all of it: equal where the same holds, on whichever replica; empty where nothing does.
        hides: whether `blocks` is worth asking.
    """

    __slots__ = ("curated", "denied", "epoch", "hides")

    def __init__(self, denied: DeniedView, curated: CuratedView) -> None:
        self.denied = denied
        self.curated = curated
        self.epoch = f"{denied.epoch}.{curated.epoch:x}" if curated.epoch else denied.epoch
        self.hides = denied.has_texts or bool(curated.hidden)

    def blocks(self, text: str) -> bool:
        """Whether a normalised text must not be suggested as a query."""
        return text in self.curated.hidden or self.denied.blocks(text)

    def blocks_after(self, before: str, text: str) -> bool:
        """See `DeniedView.blocks_after`; what is hidden are whole queries, none of which is a word of a text."""
        return self.denied.blocks_after(before, text)


class Overlay:
    """The live state.

    Attributes:
        denied, curated: its parts.
        size: items of all parts.
    """

    def __init__(self, denied: Denied | None = None, curated: Curated | None = None) -> None:
        self.denied = denied or Denied()
        self.curated = curated or Curated()
        self.size = self.denied.size + sum(self.curated.sizes.values())
        self._views: dict[str, View] = {}

    def view(self, model: str) -> View:
        """What it is where a model answers."""
        view = self._views.get(model)
        if view is None:  # whoever comes at the same time makes the same
            view = self._views[model] = View(self.denied.view(model), self.curated.view(model))
        return view

    def at(self, now_s: float) -> Overlay:
        """It as it is at a time, in seconds since 1970: without what has ended, with what has begun."""
        denied, curated = self.denied.at(now_s), self.curated.at(now_s)
        return self if (denied, curated) == (self.denied, self.curated) else Overlay(denied, curated)

    def with_changes(self, items: Iterable[tuple[Item, bool]]) -> Overlay:
        """It with some items, each of which is there or not from now on. What is so already changes nothing."""
        denied, curated = list[tuple[DenyEntry, bool]](), []
        for item, there in items:
            if isinstance(item, DenyEntry):
                denied.append((item, there))
            else:
                curated.append((item, there))
        return Overlay(self.denied.with_changes(denied) if denied else self.denied, self.curated.with_changes(curated))
