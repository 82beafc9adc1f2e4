"""What of the live state answers need, in memory: immutable, so that whoever reads it takes no lock.

It has a part for each group of kinds of changes. A change makes a new overlay, which takes the old one's place by one
assignment. What did not change is shared.
"""

from __future__ import annotations

from collections.abc import Iterable

from service.live.denied import Denied, DeniedView
from service.live.kinds import Item


class View:
    """What the live state is where one model answers; threads may share it.

    Attributes:
        denied: what is taken down.
        epoch: names all of it: equal where the same holds, on whichever replica; empty where nothing does.
    """

    __slots__ = ("denied", "epoch")

    def __init__(self, denied: DeniedView) -> None:
        self.denied = denied
        self.epoch = denied.epoch


class Overlay:
    """The live state.

    Attributes:
        denied: the part of the deny list.
        size: entries of all parts.
    """

    def __init__(self, denied: Denied | None = None) -> None:
        self.denied = denied or Denied()
        self.size = self.denied.size
        self._views: dict[str, View] = {}

    def view(self, model: str) -> View:
        """What it is where a model answers."""
        view = self._views.get(model)
        if view is None:  # whoever comes at the same time makes the same
            view = self._views[model] = View(self.denied.view(model))
        return view

    def at(self, now_s: float) -> Overlay:
        """It as it is at a time, in seconds since 1970: without what has ended."""
        denied = self.denied.at(now_s)
        return self if denied is self.denied else Overlay(denied)

    def with_changes(self, items: Iterable[tuple[Item, bool]]) -> Overlay:
        """It with some items, each of which is there or not from now on. What is so already changes nothing."""
        return Overlay(self.denied.with_changes(items))
