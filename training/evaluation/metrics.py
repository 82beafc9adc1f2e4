"""Measures of query completion: how good a list is that was shown for the typed beginning of a query.

The protocol is that of the papers on the AOL log: one prefix a query, drawn from the query itself, ten candidates.
Ranks count from 1, and 0 is a miss. Where two suggestions have the same score, their order says nothing. The wanted
query then comes last among its equals, because a tie in its favour would flatter the list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from suggest.measures import keys_pressed

MIN_QUERY_LENGTH = 3
MIN_PREFIX_LENGTH = 2
SHOWN = 10
LOOKED_AT = 3
"""A user who types letter by letter looks at this many suggestions before each letter."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A suggestion: its normalised text, the score that orders the list, and what is stated of it, if anything is.

    Attributes:
        probability: that it is wanted.
        source: where it comes from, or `corrected`.
    """

    text: str
    score: float
    probability: float = 0.0
    source: str = ""


def typed_prefix(query: str) -> str:
    """The prefix of a held-out query of at least `MIN_QUERY_LENGTH` characters: 2 or more, the same every time."""
    return query[: MIN_PREFIX_LENGTH + draw(query, "0") % (len(query) - MIN_PREFIX_LENGTH)]


def draw(query: str, purpose: str) -> int:
    """A random-looking number below 2**128, the same for a query every time: its MD5."""
    return int(hashlib.md5(f"{query}{purpose}".encode(), usedforsecurity=False).hexdigest(), 16)


def rank(listed: Sequence[Listed], wanted: str) -> int:
    """The wanted query's place among the first ten."""
    return _rank(listed, [item.text == wanted for item in listed])


def partial_rank(listed: Sequence[Listed], wanted: str, typed: str) -> int:
    """The place of the wanted query or of its first words, if these are more than what was typed.

    The mean of 1 / this rank, 0 for a miss, is the PMRR (partial-matching mean reciprocal rank) of Park and Chiba
    (2017), "A neural language model for query auto-completion": `new york` also helps a user who wants `new york
    times`. What was typed already does not help and does not count, as in Kim (2019).
    """
    return _rank(listed, [item.text == wanted or _begins(item.text, wanted, typed) for item in listed])


def _begins(text: str, wanted: str, typed: str) -> bool:
    """Whether a suggestion is the first words of the wanted query, and more than what was typed."""
    return len(text) > len(typed.rstrip()) and wanted.startswith(f"{text} ")


def _rank(listed: Sequence[Listed], right: Sequence[bool]) -> int:
    first = next((place for place, hit in enumerate(right) if hit), None)
    if first is None:
        return 0
    score = listed[first].score
    others = (place for place, hit in enumerate(right) if not hit)
    before = sum(place < first or listed[place].score == score for place in others)
    return before + 1 if before < SHOWN else 0


def recoverable_length(query: str, rank_at: Callable[[str], int]) -> int:
    """How many characters can be deleted from the query's end, one by one, while it stays among the ten.

    Its mean is the MRL (mean recoverable length) of Kim (2019), "Subword language model for query auto-completion".
    As there, the first two characters stay.

    Args:
        rank_at: the rank of the wanted query in the list shown for a prefix.
    """
    deletable = max(len(query) - MIN_PREFIX_LENGTH, 0)
    for deleted in range(1, deletable + 1):
        if not rank_at(query[:-deleted]):
            return deleted - 1
    return deletable


def keystrokes(query: str, rank_at: Callable[[str], int]) -> int:
    """Keys that a user presses who looks at the first three suggestions before each letter, also before the first.

    One key takes the query as soon as it is among them; else the user types all letters. Suggestions save
    1 - keystrokes / letters, both summed over the queries.
    """
    for typed in range(len(query)):
        if 0 < rank_at(query[:typed]) <= LOOKED_AT:
            return keys_pressed(len(query), typed)
    return keys_pressed(len(query), None)


def keystrokes_in_parts(query: str, first_at: Callable[[str], Sequence[str]]) -> int:
    """As `keystrokes`, but the user also takes the query's first words, the longest that is shown, and then goes on.

    One key takes a suggestion and types the space after it.
    """
    typed, pressed = "", 0
    while typed != query:
        helpful = [text for text in first_at(typed) if text == query or _begins(text, query, typed)]
        typed = max(helpful, key=len) if helpful else query[: len(typed) + 1]
        pressed += 1
    return pressed
