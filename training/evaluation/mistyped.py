"""What users type who make errors, simulated: for the weights of corrections and for the figures of lists."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lm.text.normalize import normalize_query
from lm.text.typing_errors import TypingErrors, kinship
from suggest.sources.spelling import SHORTEST
from training.evaluation.metrics import draw, typed_prefix

RIGHT = 9
"""Prefixes without an error for each with one. Of whole queries 10 to 15% are misspelt (Cucerzan and Brill, 2004).
While a user types, a query also holds errors that are deleted later."""
_TO_THE_END = 0.1
"""Share of the texts with an error that are typed to the end with it."""
_SECOND = 0.2
"""Share of the texts with an error that hold another one (Damerau, 1964)."""
_JOINED = 0.15
"""Share of those with several words in which two are written as one: more than fingers alone make."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ERRORS = TypingErrors()
_KINSHIP = kinship()


def is_mistyped(query: str) -> bool:
    """Whether a query is one of those that are typed with an error; the same every time."""
    return len(typed_prefix(query)) >= SHORTEST and draw(query, "mistaken") % (RIGHT + 1) == 0


def typed_with_error(query: str) -> str:
    """A query as it is typed with an error, or the beginning of it, the same every time."""
    drawn = np.random.default_rng(draw(query, "error"))
    return normalize_query(mistyped(meant_where_mistyped(query, drawn), drawn))


def meant_where_mistyped(query: str, drawn: np.random.Generator) -> str:
    """What is meant of a normalised query where an error is made: all of it if the error stays to the end."""
    return query if drawn.random() < _TO_THE_END else typed_prefix(query)


def mistyped(prefix: str, drawn: np.random.Generator) -> str:
    """A normalised prefix with an error, sometimes two, drawn with the probabilities of `lm.text.typing_errors`."""
    spaces = [place for place, letter in enumerate(prefix) if letter == " "]
    if spaces and drawn.random() < _JOINED:
        place = spaces[int(drawn.integers(len(spaces)))]
        return prefix[:place] + prefix[place + 1 :]
    typed = _with_error(prefix, prefix, drawn)
    return _with_error(typed, prefix, drawn) if drawn.random() < _SECOND else typed


def _with_error(text: str, meant: str, drawn: np.random.Generator) -> str:
    errors = [(wrong, cost) for wrong, cost in _single_errors(text) if normalize_query(wrong) not in ("", text, meant)]
    chances = np.exp([-cost for _, cost in errors])
    return errors[int(drawn.choice(len(errors), p=chances / chances.sum()))][0]


def _single_errors(text: str) -> Iterator[tuple[str, float]]:
    """Each text that differs by one error, and the error's cost."""
    for at, letter in enumerate(text):
        before, after = text[:at], text[at + 1 :]
        if letter == " ":
            yield before + after, _ERRORS.omitted_space
            continue
        first = _ERRORS.first_letter if not before or before[-1] == " " else 0.0
        yield before + after, first + (_ERRORS.omitted_double if before[-1:] == letter else _ERRORS.omission)
        if after and after[0] not in (" ", letter):
            yield before + after[0] + letter + after[1:], first + _ERRORS.transposition
        if before and not first:
            yield before + " " + letter + after, _ERRORS.inserted_space
        for wrong in _LETTERS:
            near = ord(letter) < len(_KINSHIP) and _KINSHIP[ord(letter), ord(wrong)] == 1
            if wrong != letter:
                yield before + wrong + after, first + (_ERRORS.near_substitution if near else _ERRORS.substitution)
            beside = _ERRORS.inserted_near if near else _ERRORS.insertion
            yield before + letter + wrong + after, _ERRORS.inserted_double if wrong == letter else beside
