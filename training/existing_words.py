"""Which words exist, and with which of them a query may end: counted in log, catalogue and text.

A word is what spaces part, in the form in which queries are compared; of text without the marks around it. Where a
query may end is learnt from endings. The share of a word's queries that end with it is high for `lyrics` and next to
nothing for `the`, in any language. Held-out queries say from which share on an ending is usual.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lm.index.existing_words import Ending
from lm.index.lexicon import MAX_WORD_LENGTH
from lm.text.normalize import normalize_query

_LOST = 0.015
"""Share of the held-out queries whose ending may be too rare to be generated."""
_RAREST = 0.06
"""No ending of a higher share is too rare, whatever few held-out queries say."""
_BEFORE = 5.0
"""Queries of each word that are assumed besides those counted, so that not one query decides on a rare word."""
_ENDING = 0.3
"""Part of the share of all words with which those end."""
_MARKS = re.compile(r"^[\W_]+|[\W_]+$")


@dataclass(slots=True)
class WordUse:
    """How words are used.

    Attributes:
        times: how often each stands in submitted queries and in text; those of a catalogue infinitely often.
        queries: distinct queries with each word, and `endings`: those that end with it.
    """

    times: Counter[str] = field(default_factory=Counter)
    queries: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)

    def add_queries(self, queries: Iterable[tuple[str, float, bool]]) -> None:
        """Counts distinct normalised queries with their submissions and whether they are entries of a catalogue."""
        for query, count, entry in queries:
            words = query.split(" ")
            for word in words:
                self.times[word] += math.inf if entry else count  # type: ignore[assignment]  # floats count too
            self.queries.update(set(words))
            self.endings[words[-1]] += 1

    def add_text(self, lines: Iterable[str]) -> None:
        """Counts the words of text."""
        for line in lines:
            self.times.update(filter(None, (_MARKS.sub("", word) for word in normalize_query(line).split(" "))))

    def shares(self) -> Callable[[str], float]:
        """The share of the queries with a word that end with it, for any word; near that of all if there are few."""
        usual = _ENDING * self.endings.total() / max(self.queries.total(), 1)
        return lambda word: (self.endings[word] + _BEFORE * usual) / (self.queries[word] + _BEFORE)

    def existing(self, least: int, held_out: Iterable[str]) -> dict[str, Ending]:
        """The words that exist, each with what may end with it.

        A word that too few queries end with ends none. One that no query ends with ends a query only if the user has
        begun to type it: for a rare word that says little.

        Args:
            least: how often a word must stand somewhere.
            held_out: normalised queries that were not counted.
        """
        share = self.shares()
        endings = (query.rpartition(" ")[2] for query in held_out)
        shares = sorted(share(word) for word in endings if word in self.queries)
        rarest = min(shares[int(_LOST * len(shares))], _RAREST) if shares else _RAREST

        def ending(word: str) -> Ending:
            if share(word) < rarest:
                return Ending.WORD
            return Ending.ANY_QUERY if self.endings[word] else Ending.TYPED_QUERY

        kept = (word for word, times in self.times.items() if times >= least and len(word) <= MAX_WORD_LENGTH)
        return {word: ending(word) for word in kept}


def read_use(parquet: Path, text: Path | None) -> WordUse:
    """Counts the words of queries that `training.data` counted, and of a file of text if there is one."""
    from pyarrow.parquet import ParquetFile

    use = WordUse()
    with ParquetFile(parquet) as file:
        entered = "forms" in file.schema_arrow.names
        for batch in file.iter_batches(columns=["query", "count", "forms"] if entered else ["query", "count"]):
            entries = batch["forms"].is_valid().to_pylist() if entered else [False] * len(batch)
            use.add_queries(zip(batch["query"].to_pylist(), batch["count"].to_pylist(), entries, strict=True))
    if text is not None:
        with text.open(encoding="utf-8", newline="\n") as lines:
            use.add_text(line.rstrip("\n") for line in lines)
    return use
