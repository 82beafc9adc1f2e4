"""Suggested words as a writer wants them: as the text writes them, and with the capitals that were typed.

A typed capital stays. A typed small letter gives way to the word's own capital (`congr` gives `Congress`): the whole
word takes its place. Two typed capitals and no small letter, or a sentence in capitals, ask for capitals throughout.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from lm.models.language_model import LanguageModel
from lm.models.vocabulary import SPACE, UNKNOWN
from lm.text.normalize import normalize_text, normalize_typing, split_words, word_spans

_NEAR = 80
"""Code points before a word in which the word or mark before it begins."""


class Place(NamedTuple):
    """Where a word is to stand.

    Attributes:
        before: the word or mark before it in the sentence, in lower case, an abbreviation with its point; "" if none.
        begins: whether it is the sentence's first word.
        capitals: whether the sentence is in capitals so far.
    """

    before: str = ""
    begins: bool = True
    capitals: bool = False


class Writer:
    """Writes the words of a language model; a model that tells case apart has them as they are written."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._forms = model.written
        self._split: Callable[[str], list[str]] = str.split if model.entry.pretokenized else split_words

    def place(self, sentence: str) -> Place:
        """The place after what is written of a sentence."""
        if not any(map(str.isalnum, sentence)):
            return Place(self._last_word(sentence))
        return Place(self._last_word(sentence), begins=False, capitals=self._in_capitals(sentence))

    def write(self, word: str, place: Place, typed: str = "") -> str:
        """A word as it is to be written.

        Args:
            word: as the model has it.
            typed: what is typed of it, as it was typed.
        """
        if not self._model.entry.lowercase:
            return word
        form = self._forms.beginning(word) if place.begins else self._forms.form(place.before, word)
        typed = normalize_typing(typed, lowercase=False).strip()
        if place.capitals and not any(map(str.islower, typed)):
            return _upper(form, typed)
        return with_typed_capitals(form, typed)

    def _last_word(self, sentence: str) -> str:
        last = sentence[-_NEAR:].rsplit(maxsplit=1)[-1:]
        words = self._split(_lower(last[0])) if last else []
        abbreviation = words[-1:] == ["."] and len(words) > 1 and words[-2].isalpha()
        return "".join(words[-2:] if abbreviation else words[-1:])

    def _in_capitals(self, sentence: str) -> bool:
        """Whether two words or more are in capitals, one of which is not always, and no letter is a small one."""
        if any(map(str.islower, sentence)):
            return False
        words = [word for word in self._split(normalize_text(sentence, lowercase=False)) if word != word.lower()]
        return len(words) > 1 and any(len(word) > 1 and self._may_be_small(word) for word in words)

    def _may_be_small(self, word: str) -> bool:
        lower = _lower(word)
        known = self._model.joins or self._model.vocabulary.id(SPACE + lower) != UNKNOWN
        return known and self._forms.form("", lower).removesuffix(".") != word


def with_typed_capitals(form: str, typed: str) -> str:
    """A word's form with the capitals of what was typed of it."""
    capitals = [letter for letter in typed if _is_capital(letter)]
    if not capitals or form.startswith(typed):
        return form
    if len(capitals) > 1 and not any(map(str.islower, typed)):
        return _upper(form, typed)
    if _lower(form[: len(typed)]) != _lower(typed):  # a letter may become two with its case
        begun = len(_lower(typed))
        return typed + form[begun:] if _lower(form).startswith(_lower(typed)) else form
    kept = (own if _is_capital(own) else letter for own, letter in zip(typed, form, strict=False))
    return "".join(kept) + form[len(typed) :]


def rest_of(word: str, typed: str) -> str:
    """What of a suggested word is still to be written; nothing where it does not go on as it was typed."""
    typed = normalize_typing(typed, lowercase=False).strip()
    return word[len(typed) :] if _lower(word[: len(typed)]) == _lower(typed) else ""


def _upper(form: str, typed: str) -> str:
    """A word in capitals; who types `İ` has two letters i."""
    return unicodedata.normalize("NFC", (form.replace("i", "İ") if "İ" in typed else form).upper())


def _lower(text: str) -> str:
    return normalize_text(text, lowercase=True)


def _is_capital(letter: str) -> bool:
    return letter.isupper() or letter.istitle()


class Pen:
    """Writes generated text as it comes, word by word.

    Args:
        sentence: what is written of the sentence under way.
        typed: what of it is an unfinished word that the generated text goes on with; else "".
    """

    def __init__(self, model: LanguageModel, sentence: str, typed: str = "") -> None:
        self._writer = Writer(model)
        self._joins = model.joins
        self._lowercase = model.entry.lowercase
        self._sentence = sentence.removesuffix(typed)
        self._typed = self._held = typed if self._lowercase else ""

    def write(self, text: str, *, finished: bool = False) -> str:
        """More text, as it is to be written. A word of subwords is kept back until it or the text is `finished`."""
        if not self._lowercase:  # the model has the words as they are written
            return text
        whole = self._held + text
        end = len(whole)
        if self._joins and not finished:
            last = whole.rpartition(" ")[2]
            end -= len(last) if last.upper() != last.lower() else 0
        self._held = whole[end:]
        return self._written(whole[:end])

    def _written(self, text: str) -> str:
        pieces, place = list[str](), 0
        for start, end in word_spans(text):
            typed, self._typed = self._typed, ""
            lower = _lower(text[start:end])
            self._sentence += text[place:start]
            form = self._writer.write(lower, self._writer.place(self._sentence), typed)
            if form.endswith(".") and not lower.endswith("."):
                form = form[:-1]  # the model writes the point
            written = (rest_of(form, typed) or text[start + len(typed) : end]) if typed else form
            pieces += (text[place:start], written)
            self._sentence += typed + written
            place = end
        pieces.append(text[place:])
        self._sentence += text[place:]
        return "".join(pieces)
