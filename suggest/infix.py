"""Queries of the log of which a later word begins with what was typed: `york t` gives `new york times`.

They come after all queries that begin with what was typed. Who types usually begins at the beginning: such a query is
wanted only by a user who wants none of those, and then what was typed says nothing that is certain. So its
probability is what the list leaves, times the query's share of the whole log: a cautious estimate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lm.index.queries import InfixMatch, QueryIndex
from lm.text.duplicates import duplicate_key, suspects
from lm.text.hangul import typed_prefixes
from lm.text.typed import TypedPrefix
from suggest.types import QuerySuggestion, ScoreTerms, Source

_LEAST_LEFT = 1e-6
"""The list leaves at least this probability to other queries."""
_SHARE = 4
"""One place in so many may be taken from generated ones by queries that are more popular than the whole prefix."""


def with_infix(
    index: QueryIndex, query: str, listed: tuple[QuerySuggestion, ...], total: float, k: int, kinds: Sequence[str]
) -> tuple[QuerySuggestion, ...]:
    """A list with infix completions at its end: where it has room, and in the place of its last generated ones.

    Args:
        query: normalised; a space at its end says that the last word is finished.
        total: submissions of all queries with the typed prefix. Only what was submitted more often takes a place:
            by evidence of the log the typed text then rather is the beginning of a later word.
        k: length of the list at most.
        kinds: differences of `lm.text.duplicates` that make no other query.
    """
    generated = [row for row, suggestion in enumerate(listed) if suggestion.source is Source.GENERATED]
    places = min(k // _SHARE, len(generated))
    room = k - len(listed)
    if room + places < 1:
        return listed
    matches = _other_matches(index, query, listed, room + places, kinds)
    taken = sum(match.count > total for match in matches[:places]) - room
    if taken > 0:
        gone = set(generated[-taken:])
        listed = tuple(suggestion for row, suggestion in enumerate(listed) if row not in gone)
    return listed + _suggestions(index, query, listed, matches[: k - len(listed)])


def _other_matches(
    index: QueryIndex, query: str, listed: Sequence[QuerySuggestion], k: int, kinds: Sequence[str]
) -> list[InfixMatch]:
    """The k most popular ones of which no near-duplicate is listed."""
    texts, asked = [suggestion.text for suggestion in listed], k + 2  # mostly enough
    while True:
        matches = index.infix_completions(query, asked)
        every = [*texts, *(match.text for match in matches)]
        keys = {row: duplicate_key(every[row], *kinds) for row in suspects(every)}
        there = {key for row, key in keys.items() if row < len(texts)}
        others = []
        for row, match in enumerate(matches, len(texts)):
            key = keys.get(row)
            if key is None or key not in there:
                others.append(match)
            if key is not None:
                there.add(key)
        if len(others) >= k or len(matches) < asked:
            return others[:k]
        asked *= 2


def _suggestions(
    index: QueryIndex, query: str, listed: Sequence[QuerySuggestion], matches: Sequence[InfixMatch]
) -> tuple[QuerySuggestion, ...]:
    typed = typed_prefixes(query)
    left = max(1.0 - sum(suggestion.acceptance_prob for suggestion in listed), _LEAST_LEFT)
    ceiling = min((suggestion.log_prob for suggestion in listed), default=0.0)
    ceiling -= 1e-6 * (1.0 - ceiling)  # below the last one's in the 32 bits of an answer too
    found = []
    shown = index.shown([match.text for match in matches])
    for match, (display, payload) in zip(matches, shown, strict=True):
        popularity = math.log(match.count / index.total)
        log_prob = min(math.log(left) + popularity, ceiling)
        found.append(
            QuerySuggestion(
                text=match.text,
                display=display,
                log_prob=log_prob,
                acceptance_prob=math.exp(log_prob),
                source=Source.HISTORY,
                typed=(match.start, typed_length(match.text[match.start :], query, typed)),
                terms=ScoreTerms(popularity_log_prob=popularity),
                payload=payload,
            )
        )
    return tuple(found)


def typed_length(text: str, query: str, typed: tuple[TypedPrefix, ...]) -> int:
    """Code points of a text that are typed; a syllable in the making is not until it is as shown."""
    if not typed[0].low:
        return min(len(query), len(text))
    literal = next((len(prefix.literal) for prefix in typed if prefix.begins(text)), 0)
    return literal + text.startswith(query[-1], literal)
