"""Words that are not suggested: not at all, or only in what a log itself has.

An entry is a word or a phrase, which is words in a row; `black|white people` stands for two. A sign before it says
what it is for:

    acme      never suggested; training drops queries of the log that hold it
    ~gay      delicate: in what a log or a catalogue has, but in nothing that a model makes up
    ^scum     an insult: never together with a delicate word
    !essex    an exception: this word is harmless, though one of the entries below fits it

A single word may have `*` for more letters: `*word`, `word*`, `*word*`. Words are compared whole, as normalised text
has them, in lower case. Invisible characters do not count, nor do accents that the entry lacks, digits that stand for
letters (`s3x`) and spaces between single letters (`s e x`). In scripts without spaces an entry is found anywhere.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lm.errors import BundleDamagedError
from lm.text.folding import near_words
from lm.text.normalize import is_unspaced

_FILE = "blocked_words.txt"
# Soft hyphen, grapheme joiner, zero-width space, (non-)joiner and no-break space, word joiner, variation selectors.
_INVISIBLE = re.compile("[\u00ad\u034f\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]+")
_CHARACTERS_KEPT = 1 << 13  # of the million that there may be
_SIGNS = "~^!"
_LETTERS_OF_DIGITS = str.maketrans("013457", "oieast")
_DISGUISED = re.compile(r"[a-z]\d|\d[a-z]|(?:^| ). . .(?: |$)")
"""Letters beside digits, or three single ones in a row."""
_MOST_FORMS = 10_000
"""Phrases that one entry may stand for."""


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
    """The words of an entry as they are compared, without its signs; none if it is no entry."""
    bare = entry[1:] if entry[:1] in _SIGNS else entry
    words = bare.split(" ")
    if len(words) == 1:
        bare = bare.removeprefix("*").removesuffix("*")
    forms = [word.split("|") for word in bare.split(" ")]
    size = 1
    for each in forms:
        size *= len(each)
    plain = all(form and _part(form).split() == [_INVISIBLE.sub("", form)] for each in forms for form in each)
    return tuple(_INVISIBLE.sub("", word) for word in words) if plain and size <= _MOST_FORMS else ()


class _Finder:
    """Finds words, phrases and parts of words in text that is cut into words."""

    def __init__(self, entries: Iterable[str], exceptions: frozenset[str]) -> None:
        entries = list(entries)
        self._exceptions = exceptions
        unspaced = [re.escape(_part(entry)) for entry in entries if is_unspaced(entry)]
        self._unspaced = re.compile("|".join(unspaced)) if unspaced else None
        self._begun = max(map(len, unspaced), default=1) - 1  # code points of an entry that may stand before a text
        words, begins, ends, inside = set[str](), set[str](), set[str](), set[str]()
        self._phrases: dict[str, set[tuple[str, ...]]] = {}  # by last word
        for words_of in filter(None, (blockable_words(entry) for entry in entries if not is_unspaced(entry))):
            for forms in itertools.product(*(word.split("|") for word in words_of)):
                word = forms[-1]
                if len(forms) > 1:
                    self._phrases.setdefault(word, set()).add(forms)
                elif "*" in word:
                    kind = inside if word[0] == word[-1] else ends if word[0] == "*" else begins
                    kind.add(word.strip("*"))
                else:
                    words.add(word)
        self._words = frozenset(words - exceptions)
        self._begins, self._ends = tuple(begins), tuple(ends)
        self._any_inside = re.compile("|".join(map(re.escape, inside))) if inside else None

    def finds(self, before: str, text: str) -> bool:
        """Whether text that follows other text, both parted, brings one of them in that was not there before."""
        if self._unspaced is not None:
            end = before[max(len(before) - self._begun, 0) :]
            if any(match.end() > len(end) for match in self._unspaced.finditer(end + text)):
                return True
        new = text.split()
        disguised = not text.isascii() or _DISGUISED.search(text) is not None or len((new or [""])[0]) == 1
        if not disguised:  # nearly always: quickly known
            if not self._words.isdisjoint(new) or self._any_begins_or_ends(new):
                return True
            if self._any_inside is not None and self._any_inside.search(text) and any(map(self._is_found, new)):
                return True
            if self._phrases.keys().isdisjoint(new):
                return False
        start = len(words := before.split())
        words += new
        places = range(start, len(words))
        return any(self._ends_phrase(words, place) or (disguised and self._hides(words, place)) for place in places)

    def _any_begins_or_ends(self, words: Sequence[str]) -> bool:
        for word in words:
            if (word.startswith(self._begins) or word.endswith(self._ends)) and word not in self._exceptions:
                return True
        return False

    def _ends_phrase(self, words: Sequence[str], place: int) -> bool:
        for phrase in self._phrases.get(words[place], ()):
            if tuple(words[max(place + 1 - len(phrase), 0) : place + 1]) == phrase:
                return True
        return False

    def _hides(self, words: Sequence[str], place: int) -> bool:
        """Whether a word is found in one of its forms, or in what is spelt out up to it."""
        word = words[place]
        if word not in self._exceptions and any(map(self._is_found, _forms(word))):
            return True
        return len(word) == 1 and any(map(self._is_found, _spelt_out(words, place)))

    def _is_found(self, word: str) -> bool:
        if word in self._exceptions:
            return False
        if word in self._words or word.startswith(self._begins) or word.endswith(self._ends):
            return True
        return self._any_inside is not None and self._any_inside.search(word) is not None


def _forms(word: str) -> Iterator[str]:
    """The word, and what it looks like: without accents, with letters for digits."""
    yield word
    if not word.isascii():
        plain = near_words(word)
        if len(plain) == 1:
            yield plain[0].forms[0]
    elif not word.isalpha() and not word.isdecimal():
        yield word.translate(_LETTERS_OF_DIGITS)


def _spelt_out(words: Sequence[str], place: int) -> Iterator[str]:
    """What at least three single letters in a row spell that end at a place."""
    spelt = words[place]
    for before in range(place - 1, max(place - 16, -1), -1):
        if len(words[before]) != 1:
            break
        spelt = words[before] + spelt
        if len(spelt) > 2:
            yield spelt


class BlockedWords:
    """A set of entries."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._entries = tuple(sorted(set(entries)))
        exceptions = frozenset(entry[1:] for entry in self._entries if entry.startswith("!"))
        plain = [entry for entry in self._entries if entry[:1] not in _SIGNS]
        delicate, insults = ([entry for entry in self._entries if entry.startswith(sign)] for sign in "~^")
        self._blocked = _Finder(plain, exceptions)
        self._delicate = _Finder((entry[1:] for entry in delicate), exceptions)
        self._not_generated = _Finder([*plain, *(entry[1:] for entry in delicate)], exceptions)
        self._insults = _Finder((entry[1:] for entry in insults), exceptions)

    def __len__(self) -> int:
        return len(self._entries)

    def block(self, text: str) -> bool:
        """Whether normalised text holds what is never suggested."""
        return self.block_after("", text)

    def block_after(self, before: str, text: str) -> bool:
        """Whether text that follows normalised text brings in what is never suggested and was not there before."""
        before, text = _part(before), _part(text)
        return self._blocked.finds(before, text) or self._insult_after(before, text)

    def block_generated(self, text: str) -> bool:
        """Whether normalised text must not be made up by a model."""
        return self._not_generated.finds("", _part(text))

    def _insult_after(self, before: str, text: str) -> bool:
        """Whether an insult and a delicate word come together, of which the text after brings in one at least."""
        insult = self._insults.finds(before, text)
        if not insult and not (before and self._insults.finds("", before)):  # nearly always
            return False
        return self._delicate.finds(before, text) or (insult and self._delicate.finds("", before))

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
