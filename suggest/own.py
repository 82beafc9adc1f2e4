"""A user's own earlier queries, and which of them fit what is typed; they are few, so all are looked at."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from lm.memo import Memo
from lm.text.folding import NearWord, near_words
from lm.text.hangul import typed_prefixes

_MISTYPED_FROM = 4
"""Characters from which on what was typed may hold an error."""
_MOST_FOUND = 64


class OwnQuery(NamedTuple):
    """An earlier query of a user.

    Attributes:
        text: normalised.
        display: as it was written last.
        last_s: when it was submitted last, in seconds since 1970.
        times: how often it was.
    """

    text: str
    display: str
    last_s: float
    times: int = 1


class Fit(enum.Enum):
    """How a query fits what was typed."""

    BEGINS = "begins so"
    WORDS = "holds the typed words"
    MISTYPED = "begins so but for one error"
    REFINES = "what was typed, with a word of an earlier query"


class Found(NamedTuple):
    """An own query that fits what was typed; `place` is 0 for the last one that was submitted."""

    query: OwnQuery
    place: int
    fit: Fit


class History:
    """The earlier queries of a user; immutable.

    Attributes:
        queries: each text once, the last one first.
    """

    def __init__(self, queries: Iterable[OwnQuery] = ()) -> None:
        self.queries = tuple(sorted(queries, key=lambda query: -query.last_s))

    def found(self, typed: str) -> list[Found]:
        """The queries that fit what was typed, normalised, the last one first; 64 at most.

        What was typed itself is none of them.
        """
        prefixes, words, whole = typed_prefixes(typed), near_words(typed), typed.rstrip()
        # what most queries lack is looked for first, for this is done at every keystroke
        sign = max((f" {word.forms[0]}" for word in words if len(word.forms) == 1), key=len, default="")
        half = len(typed) // 2
        head, tail, mistyped = typed[:half], typed[half + 1 :], len(typed) >= _MISTYPED_FROM
        finished, found = typed.endswith(" "), list[Found]()
        for place, (query, forms) in enumerate(zip(self.queries, self._forms, strict=True)):
            text = query.text
            if text == whole:
                continue
            if text.startswith(typed) or (prefixes[0].low and any(prefix.begins(text) for prefix in prefixes)):
                found.append(Found(query, place, Fit.BEGINS))
            elif sign in forms and words and _hold(_words([text])[0].each, words, finished):
                found.append(Found(query, place, Fit.WORDS))
            elif mistyped and (text.startswith(head) or tail in text) and begins_mistyped(text, typed):
                found.append(Found(query, place, Fit.MISTYPED))
            if len(found) == _MOST_FOUND:
                break
        return found

    @cached_property
    def _forms(self) -> list[str]:
        return [words.forms for words in _words([query.text for query in self.queries])]


class _Words(NamedTuple):
    """The words of a query, and all their forms in one text, each behind a space."""

    each: tuple[NearWord, ...]
    forms: str


_REMEMBERED: Memo[str, _Words] = Memo(16 << 20, deep=True, largest=64 << 10)
"""Queries are looked at with each keystroke of their users."""


def _words(texts: Sequence[str]) -> list[_Words]:
    return _REMEMBERED.results(texts, lambda missing: list(map(_read_words, missing)))


def _read_words(text: str) -> _Words:
    words = tuple(near_words(text))
    return _Words(words, "".join(f" {form}" for word in words for form in word.forms))


def _hold(words: Sequence[NearWord], typed: Sequence[NearWord], finished: bool) -> bool:
    """Whether each typed word is one of the words, or the last one the beginning of one."""
    if len(typed) > len(words):
        return False
    free = list(words)
    for number, word in enumerate(typed, start=1):
        whole = finished or number < len(typed)
        held = next((each for each in free if _is(each, word, whole)), None)
        if held is None:
            return False
        free.remove(held)
    return True


def _is(word: NearWord, typed: NearWord, whole: bool) -> bool:
    if whole:
        return not set(word.forms).isdisjoint(typed.forms)
    return any(form.startswith(start) for form in word.forms for start in typed.forms)


def begins_mistyped(text: str, typed: str) -> bool:
    """Whether a text begins as typed but for one letter: another one, one too many, one left out, or two exchanged."""
    at = next((at for at, (one, other) in enumerate(zip(text, typed, strict=False)) if one != other), None)
    if at is None:
        return len(typed) == len(text) + 1
    rest = typed[at + 1 :]
    if text.startswith(rest, at + 1) or text.startswith(rest, at) or text.startswith(typed[at:], at + 1):
        return True
    exchanged = typed[at : at + 2] == text[at : at + 2][::-1]
    return exchanged and text.startswith(rest[1:], at + 2)
