"""What a bundle never suggests nor generates: blocked words, what looks private, and queries withheld from the log."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lm.index.withheld import Withheld
from lm.memo import Memo
from lm.text.blocked_words import BlockedWords, open_blocked_words
from lm.text.normalize import normalize_query
from lm.text.private import is_plain_word, looks_private, may_become_private

DENIED_FOLDER = "denied"
_QUERY_BYTES, _CONTINUATION_BYTES = 8 << 20, 4 << 20
"""For remembering verdicts on queries and on continuations."""
_PRIVATE = 80
"""Code points before a text in which what looks private may begin."""


class Denied:
    """Judges what models put together; the queries of the index were judged in training."""

    def __init__(self, blocked: BlockedWords | None = None, withheld: Withheld | None = None) -> None:
        self._blocked = blocked or BlockedWords()
        self._withheld = withheld
        self._verdicts: Memo[str, bool] = Memo(_QUERY_BYTES)
        self._continuations: Memo[tuple[str, str], bool] = Memo(_CONTINUATION_BYTES)

    def queries(self, queries: Sequence[str]) -> NDArray[np.bool_]:
        """Which of some queries must not be suggested, as they are when normalised, (N,)."""
        return np.array(self._verdicts.results(queries, self._judge), np.bool_)

    def query(self, query: str) -> bool:
        """Whether one query must not be suggested."""
        return bool(self.queries([query])[0])

    def continuation(self, before: str, text: str) -> bool:
        """Whether normalised text must not follow other text, whatever that one holds.

        Args:
            before: with the space at its end, if there is one.
        """
        return self._continuations.result((before, text), self._judge_continuation)

    def withholds(self, query: str) -> bool:
        """Whether a normalised query is one that the log kept back."""
        return self._withheld is not None and query in self._withheld

    def _judge_continuation(self, asked: tuple[str, str]) -> bool:
        before, text = asked
        if self._blocked.block_after(before, text):
            return True
        if is_plain_word(text) and not _may_become_private(before):
            return False
        return looks_private(text) or looks_private(_inconspicuous_end(before) + text)

    def _judge(self, texts: Sequence[str]) -> list[bool]:
        queries = [normalize_query(text).rstrip() for text in texts]
        denied = [self._blocked.block(query) or looks_private(query) for query in queries]
        if self._withheld is None:
            return denied
        return [denies or kept for denies, kept in zip(denied, self._withheld.among(queries).tolist(), strict=True)]


@lru_cache(64)  # a list of words is judged behind one text
def _inconspicuous_end(text: str) -> str:
    """As many of the last words as do not look private by themselves: only with what follows they may."""
    end = text[-_PRIVATE:]
    while looks_private(end):
        end = end.partition(" ")[2]
    return end


@lru_cache(64)
def _may_become_private(text: str) -> bool:
    return may_become_private(_inconspicuous_end(text))


def open_denied(folder: Path) -> Denied:
    """Opens a bundle's folder of what is denied; where there is none, only what looks private is.

    Raises:
        BundleDamagedError: a file in it is not what it should be.
    """
    return Denied(open_blocked_words(folder), Withheld(folder))
