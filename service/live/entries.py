"""The entries of the catalogue that were created since bundles were made, in memory: a part of the overlay.

They are the one part that takes long to change when it is large, so it is changed beside the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from lm.index.live_queries import LiveQueries, LiveQuery
from service.live.curation import CuratedEntry

EPOCH_BITS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class EntriesView:
    """The entries of one model; threads may share it.

    Attributes:
        withdrawn: normalised texts that are not suggested.
        epoch: sum of the digests of all, as a number: the same for the same entries, in whatever order they came.
    """

    queries: LiveQueries = field(default_factory=LiveQueries)
    withdrawn: frozenset[str] = frozenset()
    epoch: int = 0

    def with_changes(self, items: Iterable[tuple[CuratedEntry, bool]]) -> EntriesView:
        """It with some entries, each of which is there or not from now on."""
        last = {item.query: (item, there) for item, there in items}
        withdrawn = set(self.withdrawn)
        for text, (item, there) in last.items():
            (withdrawn.add if there and item.withdrawn else withdrawn.discard)(text)
        queries = {text: _query(item) if there and not item.withdrawn else None for text, (item, there) in last.items()}
        queries = {text: query for text, query in queries.items() if query != self.queries.get(text)}
        step = sum(digest(*query) for query in queries.values() if query)
        step -= sum(digest(*old) for text in queries if (old := self.queries.get(text)))
        step += sum(digest("withdrawn", text) for text in withdrawn - self.withdrawn)
        step -= sum(digest("withdrawn", text) for text in self.withdrawn - withdrawn)
        return EntriesView(
            queries=self.queries.with_changes(queries) if queries else self.queries,
            withdrawn=frozenset(withdrawn),
            epoch=(self.epoch + step) % (1 << EPOCH_BITS),
        )


_NOTHING = EntriesView()


class Entries:
    """All entries.

    Attributes:
        size: how many there are, those included that are withdrawn.
    """

    def __init__(self, views: Mapping[str, EntriesView] = MappingProxyType({})) -> None:
        self._views = views
        self.size = sum(len(view.queries) + len(view.withdrawn) for view in views.values())

    def view(self, model: str) -> EntriesView:
        """Those of a model."""
        return self._views.get(model, _NOTHING)

    def with_changes(self, items: Iterable[tuple[CuratedEntry, bool]]) -> Entries:
        """It with some entries, each of which is there or not from now on."""
        by_model = dict[str, list[tuple[CuratedEntry, bool]]]()
        for item, there in items:
            by_model.setdefault(item.model, []).append((item, there))
        changed = {model: self.view(model).with_changes(some) for model, some in by_model.items()}
        return Entries({**self._views, **changed}) if changed else self


def digest(*content: object) -> int:
    """The digest of what an item says."""
    said = repr([sorted(each) if isinstance(each, frozenset) else each for each in content])
    return int.from_bytes(hashlib.blake2b(said.encode(), digest_size=EPOCH_BITS // 8, person=b"curated").digest())


def _query(entry: CuratedEntry) -> LiveQuery:
    query = entry.query
    return LiveQuery(
        text=query,
        count=entry.weight,
        display=entry.text if entry.text != query else "",
        payload=entry.payload,
        entry=True,
        tags=frozenset(entry.tags),
    )
