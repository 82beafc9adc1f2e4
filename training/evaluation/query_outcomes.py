"""What a user sees who types a held-out query, and how far it helps."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from lm.index.queries import QueryIndex
from lm.text.normalize import normalize_query
from suggest.model import Model
from suggest.types import Generated, QueryOptions, QuerySuggestion
from training.evaluation.metrics import (
    LOOKED_AT,
    MIN_QUERY_LENGTH,
    SHOWN,
    Listed,
    draw,
    keystrokes,
    keystrokes_in_parts,
    partial_rank,
    rank,
    recoverable_length,
    typed_prefix,
)
from training.evaluation.mistyped import is_mistyped, typed_with_error
from training.progress import Reporter

Complete = Callable[[str], Sequence[Listed]]
"""The list for what was typed, best first."""
_EXAMPLE = 3
"""Suggestions kept as examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result for one held-out query.

    Attributes:
        rank, partial_rank: in the list for its drawn prefix; 0 for a miss.
        top: the first three of that list.
        probabilities, sources: acceptance probability and source of each suggestion in that list.
        right: place of the query in that list, from 0; None if it is not there.
        keystrokes, keystrokes_in_parts, recoverable_length: None if the query was not typed letter by letter.
    """

    query: str
    prefix: str
    rank: int
    partial_rank: int
    top: tuple[str, ...]
    probabilities: tuple[float, ...]
    right: int | None
    sources: tuple[str, ...] = ()
    keystrokes: int | None = None
    keystrokes_in_parts: int | None = None
    recoverable_length: int | None = None


def served(model: Model, *, generated: Generated | None = None, neural: bool = True) -> Complete:
    """The list that a server shows, without a time limit."""
    options = QueryOptions(max_suggestions=SHOWN, generated=generated, neural=neural)

    def complete(typed: str) -> list[Listed]:
        completion = model.complete_query(typed, options)
        return [
            Listed(normalize_query(each.text).rstrip(), each.log_prob, each.acceptance_prob, _source(each))
            for each in completion.suggestions
        ]

    return complete


def _source(suggestion: QuerySuggestion) -> str:
    return "corrected" if suggestion.terms.edit_count else suggestion.source.value


def most_popular(index: QueryIndex) -> Complete:
    """The log's most popular completions.

    It has one more than are shown, because an eleventh with the same count may stand before the tenth.
    """

    def complete(typed: str) -> list[Listed]:
        heaviest, _ = index.completions(typed, SHOWN + 2)
        found = [Listed(normalize_query(text).rstrip(), count) for text, count in heaviest]
        return [each for each in found if each.text != typed.rstrip()][: SHOWN + 1]

    return complete


def wanted_queries(lines: Sequence[str]) -> list[str]:
    """Held-out queries, normalised, without the shortest."""
    normalized = (normalize_query(line).rstrip() for line in lines)
    return [query for query in normalized if len(query) >= MIN_QUERY_LENGTH]


def sample(queries: Sequence[str], size: int) -> set[int]:
    """Places of `size` queries, the same every time."""
    return set(sorted(range(len(queries)), key=lambda place: draw(queries[place], "typed"))[:size])


def outcomes(
    complete: Complete, queries: Sequence[str], reporter: Reporter, *, typed: Collection[int] = (), what: str = ""
) -> list[Outcome]:
    """The result for each query.

    Args:
        queries: as `wanted_queries` returns them.
        typed: places of the queries that are also typed letter by letter, which takes a list for each letter.
        what: is listed, for the reporter.
    """
    found = []
    with reporter.task(f"complete held-out queries{what}", len(queries)) as task:
        for place, query in enumerate(queries):
            found.append(_outcome(complete, query, place in typed))
            task.update(place + 1)
    return found


def _outcome(complete: Complete, query: str, typed: bool) -> Outcome:
    prefix = typed_prefix(query)
    listed = complete(prefix)
    shown = [each.text for each in listed[:SHOWN]]
    list_at = functools.cache(complete)

    def rank_at(typed: str) -> int:
        return rank(list_at(typed), query)

    def first_at(typed: str) -> list[str]:
        return [each.text for each in list_at(typed)[:LOOKED_AT]]

    return Outcome(
        query=query,
        prefix=prefix,
        rank=rank(listed, query),
        partial_rank=partial_rank(listed, query, prefix),
        top=tuple(shown[:_EXAMPLE]),
        probabilities=tuple(each.probability for each in listed[:SHOWN]),
        sources=tuple(each.source for each in listed[:SHOWN]),
        right=shown.index(query) if query in shown else None,
        keystrokes=keystrokes(query, rank_at) if typed else None,
        keystrokes_in_parts=keystrokes_in_parts(query, first_at) if typed else None,
        recoverable_length=recoverable_length(query, rank_at) if typed else None,
    )


def with_errors(complete: Complete, found: Sequence[Outcome]) -> list[Outcome]:
    """What a user sees who mistypes now and then: one list in ten is that for a typing error.

    Only `probabilities`, `sources` and `right` are of these lists.
    """
    return [_with_error(complete, outcome) if is_mistyped(outcome.query) else outcome for outcome in found]


def _with_error(complete: Complete, outcome: Outcome) -> Outcome:
    listed = complete(typed_with_error(outcome.query))[:SHOWN]
    shown = [each.text for each in listed]
    return replace(
        outcome,
        probabilities=tuple(each.probability for each in listed),
        sources=tuple(each.source for each in listed),
        right=shown.index(outcome.query) if outcome.query in shown else None,
    )
