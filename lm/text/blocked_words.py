"""Words and phrases that are never suggested, in a bundle so that serving keeps them out of what models put together.

They lie there as plain text: whoever runs the server shall see what it leaves out, and a hash would hide no word
that stands in a dictionary.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from lm.errors import BundleDamagedError
from lm.text.normalize import is_unspaced

_FILE = "blocked_words.txt"
# Soft hyphen, grapheme joiner, zero-width space, (non-)joiner and no-break space, word joiner, variation selectors.
_INVISIBLE = re.compile("[\u00ad\u034f\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]+")

_CHARACTERS_KEPT = 1 << 13  # of the million that there may be


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
        parted = _part(text)
        if self._unspaced is not None and self._unspaced.search(parted):
            return True
        words = parted.split()
        return not self._ends.isdisjoint(words) and self._at_any_word(words)

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
        words = _part(before).split()
        return self._at_any_word([*words, *new], start=len(words))

    def _at_any_word(self, words: Sequence[str], start: int = 0) -> bool:
        return any(self._ends_at(words, place) for place in range(start, len(words)))

    def _ends_at(self, words: Sequence[str], place: int) -> bool:
        if words[place] in self._words:
            return True
        phrases = self._phrases.get(words[place], ())
        return any(tuple(words[max(place + 1 - len(phrase), 0) : place + 1]) == phrase for phrase in phrases)

    def save(self, folder: Path) -> None:
        """Writes them, one a line."""
        (folder / _FILE).write_text("".join(entry + "\n" for entry in self._entries), encoding="utf-8", newline="\n")


def open_blocked_words(folder: Path) -> BlockedWords:
    """Reads what `BlockedWords.save` wrote; none where there is no such file.

    Raises:
        BundleDamagedError: the file cannot be read.
    """
    path = folder / _FILE
    try:
        return BlockedWords(path.read_text(encoding="utf-8").splitlines() if path.exists() else ())
    except (OSError, UnicodeDecodeError) as error:
        raise BundleDamagedError(path, f"cannot be read ({error})") from None
