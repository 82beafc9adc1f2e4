"""Words and phrases that are never suggested, in a bundle so that serving keeps them out of what models put together.

They lie there as plain text: whoever runs the server shall see what it leaves out, and a hash would hide no word
that stands in a dictionary.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from lm.errors import BundleDamagedError
from lm.text import is_unspaced

_FILE = "blocked_words.txt"
# White space and all ASCII marks separate words, so that `a-b` is looked up as `a` and `b`.
_WORD = re.compile(r"[^\s!-/:-@\[-`{-~]+")


def blockable_words(entry: str) -> tuple[str, ...]:
    """The words of an entry as `BlockedWords` compares them; none if it holds anything but words and single spaces."""
    words = tuple(_WORD.findall(entry))
    return words if " ".join(words) == entry else ()


class BlockedWords:
    """A set of normalised words and phrases; a phrase is words in a row.

    Words are compared whole, whatever their case. In scripts without spaces between words an entry is found anywhere.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._entries = tuple(sorted(set(entries)))
        split = [blockable_words(entry) for entry in self._entries if not is_unspaced(entry)]
        unspaced = [re.escape(entry) for entry in self._entries if is_unspaced(entry)]
        self._words = frozenset(words[0] for words in split if len(words) == 1)
        self._phrases: dict[str, list[tuple[str, ...]]] = {}  # by last word
        for words in split:
            if len(words) > 1:
                self._phrases.setdefault(words[-1], []).append(words)
        self._ends = self._words | self._phrases.keys()
        self._unspaced = re.compile("|".join(unspaced)) if unspaced else None

    def __len__(self) -> int:
        return len(self._entries)

    def block(self, text: str) -> bool:
        """Whether normalised text holds one of them."""
        if self._unspaced is not None and self._unspaced.search(text):
            return True
        # `findall` costs three times as much as `split`
        words = text.split() if text.replace(" ", "").isalnum() else _WORD.findall(text)
        return not self._ends.isdisjoint(words) and self._at_any_word(words)

    def block_after(self, before: str, text: str) -> bool:
        """Whether text that follows normalised text brings one of them in that was not there before."""
        if self._unspaced is not None and self._unspaced.search(text):
            return True
        words, new = _WORD.findall(before), _WORD.findall(text)
        return not self._ends.isdisjoint(new) and self._at_any_word([*words, *new], start=len(words))

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
