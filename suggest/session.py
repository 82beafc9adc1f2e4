"""The session: a user who has not found it yet types earlier words again, with others before them.

So what was typed is completed by the words of the session's queries, also to queries that nobody has typed before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

SESSION_S = 1800.0
"""After so long without a query, a session has ended."""
MAX_CONTEXT = 5
"""Queries of a session that count: the last ones."""
_MOST = 16


class Refinement(NamedTuple):
    """What was typed, with its last word completed by a word of the session.

    Attributes:
        letters: typed letters of that word.
        ends: whether that word was the last one of an earlier query.
        last: whether it stood in the last query.
    """

    text: str
    letters: int
    ends: bool
    last: bool


def refinements(typed: str, context: Sequence[str]) -> list[Refinement]:
    """How what was typed may go on with a word of earlier queries that it does not hold yet; 16 at most.

    Args:
        typed: normalised; nothing is made of an empty one.
        context: earlier queries of the session, normalised, the last one last.
    """
    head, _, letters = typed.rpartition(" ")
    if not typed:
        return []
    held, before, found = {*head.split(" "), letters}, typed[: len(typed) - len(letters)], dict[str, Refinement]()
    for place, query in enumerate(reversed(context[-MAX_CONTEXT:])):
        words = query.split(" ")
        for word in reversed(words):
            if word.startswith(letters) and word not in held and word not in found:
                found[word] = Refinement(before + word, len(letters), word == words[-1], place == 0)
                if len(found) == _MOST:
                    return list(found.values())
    return list(found.values())
