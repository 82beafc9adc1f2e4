"""How words are written: a small table beside the vocabulary of a model that reads all text in lower case.

The table holds what lower case does not tell: for a word the form that it most often has inside a sentence (`Congress`,
`iPhone`, `Mr.` with its point), and for a word after another word or mark the form that it has there, if that differs
(`states`, but `united States`). At the beginning of a sentence it holds what a capital alone would not give. Lita
et al., "tRuEcasIng" (ACL 2003), decide with such tables and a longer context; a further word before gains a tenth of a
per cent here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from lm.arrays import open_strings, save_strings, sorted_strings
from lm.kernels.strings import SortedStrings

WRITTEN_NAME = "written"
"""What the names of its files begin with."""
_BEGINNING = "<s>"


class Writing(BaseModel):
    """How a text is written, besides its words.

    Attributes:
        capital_begins: whether sentences begin with a capital letter.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    capital_begins: bool = False

    def capitalised(self, word: str) -> str:
        """The word as it usually begins a sentence; one that has capitals already stays, as `iPhone` does."""
        if not self.capital_begins or word != word.lower():
            return word
        return word[:1].title() + word[1:]


class WrittenForms:
    """Forms of words by the word before them; without a table every word is written as it is."""

    def __init__(self, writing: Writing | None = None, strings: SortedStrings | None = None) -> None:
        self.writing = writing or Writing()
        self._strings = strings

    @classmethod
    def of(
        cls,
        writing: Writing,
        usual: Mapping[str, str],
        after: Mapping[tuple[str, str], str],
        beginnings: Mapping[str, str],
    ) -> WrittenForms:
        """The table of forms: the usual ones by word, others by the word before and the word, and at beginnings.

        Words are in lower case.
        """
        forms = {("", word): form for word, form in usual.items() if form != word}
        forms |= {(_BEGINNING, word): form for word, form in beginnings.items()} | dict(after)
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

    def beginning(self, word: str) -> str:
        """How a word is written at the beginning of a sentence."""
        return self._find(_BEGINNING, word) or self.writing.capitalised(self.form("", word))

    def _find(self, before: str, word: str) -> str | None:
        if self._strings is None:
            return None
        key = _key(before, word)
        low, high = self._strings.prefix_range(key)
        return self._strings[low][len(key) :].decode() if low < high else None


def _key(before: str, word: str) -> bytes:
    return f"{before} {word}\t".encode()  # no word holds a blank
