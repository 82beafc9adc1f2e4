"""How words are written: a small table beside the vocabulary of a model that reads all text in lower case.

The table holds what lower case does not tell: for a word the form that it most often has inside a sentence (`Congress`,
`iPhone`, `Mr.` with its point), and for a word after another word or mark the form that it has there, if that differs
(`states`, but `united States`). Lita et al., "tRuEcasIng" (ACL 2003), decide with such tables and a longer context; a
further word before gains a tenth of a per cent here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from lm.arrays import open_strings, save_strings, sorted_strings
from lm.kernels.strings import SortedStrings

_DOTTED_I = "i\u0307"  # the small letter of `İ`
WRITTEN_NAME = "written"
"""What the names of its files begin with."""


class Writing(BaseModel):
    """How a text is written, besides its words.

    Attributes:
        capital_begins: whether sentences begin with a capital letter.
        dotted_i: whether `İ` is the capital of `i`, as in Turkish.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    capital_begins: bool = False
    dotted_i: bool = False

    def upper(self, text: str) -> str:
        """The text in capitals."""
        dotted = text.replace(_DOTTED_I, "İ").replace("i", "İ") if self.dotted_i else text
        return unicodedata.normalize("NFC", dotted.upper())

    def capitalised(self, word: str) -> str:
        """The word as it begins a sentence; one that has capitals already stays, as `iPhone` does."""
        if not self.capital_begins or word != word.lower():
            return word
        first = word[: 2 if word.startswith(_DOTTED_I) else 1]
        capital = "İ" if self.dotted_i and first[:1] == "i" else first.title()
        return unicodedata.normalize("NFC", capital + word[len(first) :])


class WrittenForms:
    """Forms of words by the word before them; without a table every word is written as it is."""

    def __init__(self, writing: Writing | None = None, strings: SortedStrings | None = None) -> None:
        self.writing = writing or Writing()
        self._strings = strings

    @classmethod
    def of(cls, writing: Writing, forms: Mapping[tuple[str, str], str]) -> WrittenForms:
        """The table of forms by word before and word, both in lower case; after "" those that hold anywhere."""
        return cls(writing, sorted_strings(sorted(_key(*words) + form.encode() for words, form in forms.items())))

    @classmethod
    def open(cls, folder: Path, writing: Writing) -> WrittenForms:
        """Maps what `save` wrote.

        Raises:
            BundleDamagedError: a file is missing or not what it should be.
        """
        return cls(writing, open_strings(folder, WRITTEN_NAME))

    def save(self, folder: Path) -> None:
        """Writes the table into a folder."""
        save_strings(folder, WRITTEN_NAME, sorted_strings([]) if self._strings is None else self._strings)

    def form(self, before: str, word: str) -> str:
        """How a word is written inside a sentence.

        Args:
            before, word: in lower case; a mark may stand before.
        """
        return (self._find(before, word) if before else None) or self._find("", word) or word

    def _find(self, before: str, word: str) -> str | None:
        if self._strings is None:
            return None
        key = _key(before, word)
        low, high = self._strings.prefix_range(key)
        return self._strings[low][len(key) :].decode() if low < high else None


def _key(before: str, word: str) -> bytes:
    return f"{before} {word}\t".encode()  # no word holds a blank
