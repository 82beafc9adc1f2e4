"""The kinds of changes that this release knows, and how each is read. Store and log know none of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from service.live import curation, deny_list
from service.live.changes import Change
from service.live.curation import CuratedItem
from service.live.deny_list import DenyEntry

Item: TypeAlias = DenyEntry | CuratedItem
"""What a change makes or removes."""
_READERS: Mapping[str, Callable[[Change], Item]] = {
    deny_list.KIND: deny_list.entry_of,
    **dict.fromkeys(curation.MOST, curation.item_of),
}


def read(change: Change) -> Item | None:
    """What a change makes or removes; None if it is of a kind of a later release.

    Raises:
        ValueError, RequestError: it is nothing that this release can obey.
    """
    reader = _READERS.get(change.kind)
    return None if reader is None else reader(change).checked()


def check(change: Change) -> None:
    """Raises as `read` does, and also if the key is another one's."""
    item = read(change)
    if item is not None and item.key != change.key:
        raise ValueError("the key is not that of the entry.")
