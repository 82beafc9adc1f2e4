"""What is taken down, in memory: the part of the overlay that entries of the deny list add up to."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from service.live.deny_list import DenyEntry, Operator
from service.live.patterns import Patterns
from service.live.phrases import Phrases, spellings

_EPOCH_BITS = 128
_VERDICTS = 1 << 13
"""Texts whose verdict is remembered, each of 256 characters at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is taken down for one model, or for all.

    Attributes:
        switches: the kill switches that are on.
        digest: sum of the digests of all that is in here: the same for the same entries, in whatever order they came.
        size: entries.
    """

    exact: Phrases = field(default_factory=lambda: Phrases(runs=False))
    contains: Phrases = field(default_factory=lambda: Phrases(runs=True))
    patterns: Patterns = field(default_factory=Patterns)
    switches: frozenset[Operator] = frozenset()
    digest: int = 0
    size: int = 0

    def holds(self, key: str, entry: DenyEntry) -> bool:
        """Whether an entry is in here."""
        if not entry.operator.has_phrase:
            return entry.operator in self.switches
        if entry.operator is Operator.PATTERN:
            return key in self.patterns
        return (self.exact if entry.operator is Operator.EXACT else self.contains).hold(key, entry.phrase)

    def with_changes(self, changes: Mapping[str, tuple[DenyEntry, bool]]) -> Scope:
        """It with some entries, each of which is there or not from now on, by their keys."""
        new = [(key, entry, there) for key, (entry, there) in changes.items() if self.holds(key, entry) != there]
        texts = {operator: [each for each in new if each[1].operator is operator] for operator in Operator}
        switches = set(self.switches)
        for _, entry, there in (*texts[Operator.GENERATED], *texts[Operator.EVERYTHING]):
            (switches.add if there else switches.discard)(entry.operator)
        steps = [(key, 1 if there else -1) for key, _, there in new]
        return Scope(
            exact=self.exact.with_changes(texts[Operator.EXACT]),
            contains=self.contains.with_changes(texts[Operator.CONTAINS]),
            patterns=self.patterns.with_changes(texts[Operator.PATTERN]),
            switches=frozenset(switches),
            digest=(self.digest + sum(step * _digest(key) for key, step in steps)) % (1 << _EPOCH_BITS),
            size=self.size + sum(step for _, step in steps),
        )

    @property
    def has_texts(self) -> bool:
        """Whether it denies any text."""
        return bool(len(self.exact) or len(self.contains) or len(self.patterns))


_NOTHING = Scope()


class DeniedView:
    """What is taken down where one model answers; threads may share it.

    Attributes:
        epoch: names all that is taken down: equal where the same is, on whichever replica; empty where nothing is.
        is_silent: whether nothing is suggested at all.
        generates: whether models may generate text.
        has_texts: whether `blocks` is worth asking.
    """

    def __init__(self, scopes: Sequence[Scope]) -> None:
        self._scopes = [scope for scope in scopes if scope.has_texts]
        digest = sum(scope.digest << (_EPOCH_BITS * place) for place, scope in enumerate(scopes))
        self.epoch = f"{digest:x}" if digest else ""
        switches = frozenset[Operator]().union(*(scope.switches for scope in scopes))
        self.is_silent = Operator.EVERYTHING in switches
        self.generates = Operator.GENERATED not in switches and not self.is_silent
        self.has_texts = bool(self._scopes)
        self._verdicts: dict[str, bool] = {}

    def blocks(self, text: str) -> bool:
        """Whether a normalised text must not be suggested."""
        verdict = self._verdicts.get(text)
        if verdict is None:
            if len(self._verdicts) >= _VERDICTS:
                self._verdicts.clear()
            verdict = self._verdicts[text] = self._judge(text)
        return verdict

    def blocks_after(self, before: str, text: str) -> bool:
        """Whether normalised text must not follow other normalised text, because of what it brings in.

        Args:
            before: with the space at its end, if there is one.
        """
        if not self._scopes:
            return False
        if self.blocks(text.strip()):
            return True
        whole = before + text
        start, words = len(spellings(before)[0]), spellings(whole)
        for scope in self._scopes:
            if scope.exact.in_text(words) or any(scope.contains.ends_in(each, start) for each in words):
                return True
            if scope.patterns.in_text(whole, words) and not scope.patterns.in_text(before, spellings(before)):
                return True
        return False

    def _judge(self, text: str) -> bool:
        words = spellings(text)
        for scope in self._scopes:
            if len(scope.exact) and scope.exact.in_text(words):
                return True
            if len(scope.contains) and scope.contains.in_text(words):
                return True
            if len(scope.patterns) and scope.patterns.in_text(text, words):
                return True
        return False


class Denied:
    """All that is taken down.

    Attributes:
        size: entries.
        pattern_count: of them those that are patterns.
        next_change_s: when the first of them ends, in seconds since 1970; infinite if none does.
    """

    def __init__(
        self,
        scopes: Mapping[str, Scope] = MappingProxyType({}),
        views: Mapping[str, DeniedView] = MappingProxyType({}),
        ends: Mapping[str, DenyEntry] = MappingProxyType({}),
    ) -> None:
        self._scopes = scopes
        self._ends = ends
        everywhere = scopes.get("", _NOTHING)
        self._everywhere = views.get("") or DeniedView([everywhere])
        self._views = {
            model: views.get(model) or DeniedView([everywhere, scope]) for model, scope in scopes.items() if model
        }
        self.size = sum(scope.size for scope in scopes.values())
        self.pattern_count = sum(len(scope.patterns) for scope in scopes.values())
        self.next_change_s = min((entry.ends_s for entry in ends.values()), default=math.inf)

    def view(self, model: str) -> DeniedView:
        """What is taken down where a model answers."""
        return self._views.get(model, self._everywhere)

    def at(self, now_s: float) -> Denied:
        """It as it is at a time: without what has ended."""
        if now_s < self.next_change_s:
            return self
        return self.with_changes([(entry, False) for entry in self._ends.values() if entry.ends_s <= now_s])

    def with_changes(self, changes: Iterable[tuple[DenyEntry, bool]]) -> Denied:
        """It with some entries, each of which is there or not from now on. What is so already changes nothing."""
        by_model: dict[str, dict[str, tuple[DenyEntry, bool]]] = {}
        ends = dict(self._ends)
        for entry, there in changes:
            key = entry.key
            by_model.setdefault(entry.model, {})[key] = entry, there
            ends.pop(key, None)
            if there and entry.ends_s < math.inf:
                ends[key] = replace(entry, reason="", creator="")
        scopes = dict(self._scopes)
        for model, changed in by_model.items():
            scopes[model] = scopes.get(model, _NOTHING).with_changes(changed)
        kept = {} if "" in by_model else {"": self._everywhere, **self._views}
        return Denied(scopes, {model: view for model, view in kept.items() if model not in by_model}, ends)


def _digest(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=_EPOCH_BITS // 8, person=b"epoch").digest())
