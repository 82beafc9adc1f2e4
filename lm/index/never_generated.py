"""What a bundle never generates: blocked words, what looks private, and queries withheld from the log.

A model may put together a query that the log's screening or thresholds kept out. Withheld queries lie in the bundle as
hashes, so nobody reads them out of it. Whoever has the bundle can hash a query and look whether it was withheld. So
everything short enough to be guessed by trying all (a telephone number takes seconds) lies open, and what
`lm.text.private.looks_private` tells by its looks does not belong in here: it is never generated anyway. A secret key
would not help, because it would have to be in the bundle.

Blocked words lie there as plain text: whoever runs the server shall see what it leaves out, and a hash would hide no
word that stands in a dictionary.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lm.arrays import open_array, save_array
from lm.errors import BundleDamagedError
from lm.memo import Memo
from lm.text.normalize import is_unspaced, normalize_query
from lm.text.private import looks_private

NEVER_GENERATED_FOLDER = "denied"  # part of the bundle format
_HASHES_FILE = "hashes.npy"
_PERSON = b"withheld query"  # such a hash is not that of the same text elsewhere
_BLOCKED_FILE = "blocked_words.txt"
# Soft hyphen, grapheme joiner, zero-width space, (non-)joiner and no-break space, word joiner, variation selectors.
_INVISIBLE = re.compile("[\u00ad\u034f\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]+")

_CHARACTERS_KEPT = 1 << 13  # of the million that there may be
_QUERY_BYTES, _CONTINUATION_BYTES = 8 << 20, 4 << 20
"""For remembering verdicts on queries and on continuations."""
_PRIVATE = 80
"""Code points before a text in which what looks private may begin."""


class _Parted(dict[int, str]):
    """What each character is for `str.translate`: marks and symbols a space, invisible ones nothing."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        mark = unicodedata.category(character)[0] in "PS"
        parted = " " if mark else _INVISIBLE.sub("", character)
        if len(self) < _CHARACTERS_KEPT:
            self[code] = parted
        return parted


_PARTED = _Parted()


def _part(text: str) -> str:
    """The text with white space where its words part, so that `a-b` is looked up as `a` and `b`."""
    return text if text.replace(" ", "").isalnum() else text.translate(_PARTED)


def blockable_words(entry: str) -> tuple[str, ...]:
    """The words of an entry as `BlockedWords` compares them; none if it holds anything but words and single spaces."""
    words = tuple(_part(entry).split())
    return words if " ".join(words) == _INVISIBLE.sub("", entry) else ()


class BlockedWords:
    """A set of normalised words and phrases; a phrase is words in a row.

    Words are compared whole, as normalised text has them, in lower case; invisible characters in them do not count. In
    scripts without spaces between words an entry is found anywhere.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._entries = tuple(sorted(set(entries)))
        split = [blockable_words(entry) for entry in self._entries if not is_unspaced(entry)]
        unspaced = [re.escape(_part(entry)) for entry in self._entries if is_unspaced(entry)]
        self._words = frozenset(words[0] for words in split if len(words) == 1)
        self._phrases: dict[str, list[tuple[str, ...]]] = {}  # by last word
        for words in split:
            if len(words) > 1:
                self._phrases.setdefault(words[-1], []).append(words)
        self._ends = self._words | self._phrases.keys()
        self._unspaced = re.compile("|".join(unspaced)) if unspaced else None
        self._begun = max(map(len, unspaced), default=1) - 1  # code points of an entry that may stand before a text

    def __len__(self) -> int:
        return len(self._entries)

    def block(self, text: str) -> bool:
        """Whether normalised text holds one of them."""
        return self.block_after("", text)

    def block_after(self, before: str, text: str) -> bool:
        """Whether text that follows normalised text brings one of them in that was not there before."""
        parted = _part(text)
        if self._unspaced is not None:
            head = _part(before)
            end = head[max(len(head) - self._begun, 0) :]
            if any(match.end() > len(end) for match in self._unspaced.finditer(end + parted)):
                return True
        new = parted.split()
        if self._ends.isdisjoint(new):
            return False
        start = len(words := _part(before).split())
        words += new
        return any(self._ends_at(words, place) for place in range(start, len(words)))

    def _ends_at(self, words: Sequence[str], place: int) -> bool:
        if words[place] in self._words:
            return True
        phrases = self._phrases.get(words[place], ())
        return any(tuple(words[max(place + 1 - len(phrase), 0) : place + 1]) == phrase for phrase in phrases)

    def save(self, folder: Path) -> None:
        """Writes them, one a line."""
        (folder / _BLOCKED_FILE).write_text(
            "".join(entry + "\n" for entry in self._entries), encoding="utf-8", newline="\n"
        )


def open_blocked_words(folder: Path) -> BlockedWords:
    """Reads what `BlockedWords.save` wrote; none where there is no such file.

    Raises:
        BundleDamagedError: the file cannot be read.
    """
    path = folder / _BLOCKED_FILE
    try:
        return BlockedWords(path.read_text(encoding="utf-8").splitlines() if path.exists() else ())
    except (OSError, UnicodeDecodeError) as error:
        raise BundleDamagedError(path, f"cannot be read ({error})") from None


def hash_query(query: str) -> int:
    """BLAKE2b of a normalised query (no space at its end) in 8 bytes, big-endian: 0 to 2^64 - 1."""
    return int.from_bytes(blake2b(query.encode(), digest_size=8, person=_PERSON).digest(), "big")


class Withheld:
    """A set of queries, known by their hashes alone. One in 2^64 / N others is taken for one of N."""

    def __init__(self, folder: Path | None = None) -> None:
        """Maps what `build_withheld` wrote; without it nothing is withheld."""
        self._hashes: NDArray[np.uint64] = np.empty(0, np.uint64)
        path = (folder or Path()) / _HASHES_FILE
        if folder is not None and path.exists():
            self._hashes = open_array(path, np.uint64)
        if self._hashes.ndim != 1:
            raise BundleDamagedError(path, f"has {self._hashes.ndim} dimensions, not 1")

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, query: str) -> bool:
        return bool(self.among([query])[0])

    def among(self, queries: Sequence[str]) -> NDArray[np.bool_]:
        """Which of some normalised queries are withheld, (N,)."""
        if not len(self._hashes):
            return np.zeros(len(queries), np.bool_)
        hashes_N = np.fromiter(map(hash_query, queries), np.uint64, len(queries))
        places_N = np.searchsorted(self._hashes, hashes_N)
        return np.asarray(self._hashes[np.minimum(places_N, len(self._hashes) - 1)] == hashes_N)


def build_withheld(folder: Path, hashes: Iterable[int] | NDArray[np.uint64]) -> int:
    """Writes hashes of `hash_query`, in any order and repeated or not; returns how many distinct ones there are."""
    given = hashes if isinstance(hashes, np.ndarray) else np.fromiter(hashes, np.uint64)
    distinct = np.unique(given.astype(np.uint64, copy=False))
    save_array(folder / _HASHES_FILE, distinct)
    return len(distinct)


class NeverGenerated:
    """Judges what models put together; the queries of the index were judged in training."""

    def __init__(self, blocked: BlockedWords | None = None, withheld: Withheld | None = None) -> None:
        self._blocked = blocked or BlockedWords()
        self._withheld = withheld or Withheld()
        self._verdicts: Memo[str, bool] = Memo(_QUERY_BYTES)
        self._continuations: Memo[tuple[str, str], bool] = Memo(_CONTINUATION_BYTES, deep=True)

    def includes(self, queries: Sequence[str]) -> NDArray[np.bool_]:
        """Which of some queries must not be suggested, as they are when normalised, (N,)."""
        return np.array(self._verdicts.results(queries, self._judge), np.bool_)

    def forbids(self, before: str, text: str) -> bool:
        """Whether normalised text must not follow other text, whatever that one holds.

        Args:
            before: with the space at its end, if there is one.
        """
        return self._continuations.result((before, text), self._judge_continuation)

    def withholds(self, query: str) -> bool:
        """Whether a normalised query is one that the log kept back."""
        return query in self._withheld

    def _judge_continuation(self, asked: tuple[str, str]) -> bool:
        before, text = asked
        if self._blocked.block_after(before, text):
            return True
        return looks_private(text) or looks_private(_inconspicuous_end(before) + text)

    def _judge(self, texts: Sequence[str]) -> list[bool]:
        queries = [normalize_query(text).rstrip() for text in texts]
        judged = [self._blocked.block(query) or looks_private(query) for query in queries]
        return [never or kept for never, kept in zip(judged, self._withheld.among(queries).tolist(), strict=True)]


@lru_cache(64)  # a list of words is judged behind one text
def _inconspicuous_end(text: str) -> str:
    """As many of the last words as do not look private by themselves: only with what follows they may."""
    end = text[-_PRIVATE:]
    while looks_private(end):
        end = end.partition(" ")[2]
    return end


def open_never_generated(folder: Path) -> NeverGenerated:
    """Opens a bundle's folder of what is never generated; where there is none, that is only what looks private.

    Raises:
        BundleDamagedError: a file in it is not what it should be.
    """
    return NeverGenerated(open_blocked_words(folder), Withheld(folder))
