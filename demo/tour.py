"""The guided tour: what the server answers while something is being typed, an example or three of each kind.

A model that is trained anew answers a little differently. So the tour has more inputs of each kind than it shows, asks
the server, and shows those that the answer fits. Suggestions that are hardly probable are not shown.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from autocomplete.v1 import autocomplete_service_pb2 as pb
from rich.markup import escape
from rich.table import Table

from autocomplete_client import CallError, Client
from lm.errors import UnavailableError

_ROWS_SHOWN = 3
_SUGGESTIONS_SHOWN = 3
_LEAST_PROBABILITY = 0.01
_TIMEOUT_S = 10.0
_SOURCES = {
    pb.SUGGESTION_SOURCE_HISTORY: "log",
    pb.SUGGESTION_SOURCE_GENERATED: "[cyan]generated[/cyan]",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of completed query.

    Attributes:
        prefixes: what is typed, the best examples first.
        is_shown_by: whether an answer, and the suggestions of it that are shown, is an example.
    """

    title: str
    prefixes: tuple[str, ...]
    is_shown_by: Callable[[pb.CompleteQueryResponse, Sequence[pb.CompleteQueryResponse.QuerySuggestion]], bool]


KINDS = (
    Kind(
        title="Queries of the log that begin with what was typed",
        prefixes=("bank of", "new yor", "free m", "weather ch", "american i", "star wars", "social sec"),
        is_shown_by=lambda answer, shown: not answer.corrected_query and _is_from(pb.SUGGESTION_SOURCE_HISTORY, shown),
    ),
    Kind(
        title="Typing errors",
        prefixes=("wikipdia", "new yrok ti", "britny spears", "teh beatles", "harry poter", "hotmial"),
        is_shown_by=lambda answer, _shown: bool(answer.corrected_query),
    ),
    Kind(
        title="Queries that are not in the log",
        prefixes=(
            "weather in san fran",
            "who played harry p",
            "jobs in los ang",
            "hotels in las v",
            "population of san f",
            "statue of l",
            "cheap flights to new y",
            "how many people live in new y",
        ),
        is_shown_by=lambda answer, shown: (
            not answer.corrected_query and _is_from(pb.SUGGESTION_SOURCE_GENERATED, shown)
        ),
    ),
)
TEXT_PREFIXES = ("The United St", "my fellow ", "We must ", "the American pe")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The answer to a prefix.

    Attributes:
        suggestions: text, probability and where it comes from, best first, as mark-up.
        duration_s: as the client saw it.
    """

    prefix: str
    suggestions: tuple[tuple[str, str, str], ...]
    duration_s: float


def take_tour(address: str) -> list[Table]:
    """Asks the server at `address` and lays its answers out as tables.

    Raises:
        UnavailableError: it does not answer.
    """
    try:
        with Client(address) as client:
            client.complete_query("", timeout_s=_TIMEOUT_S)  # connects, so that answers alone are timed
            tables = [_table(kind.title, islice(_examples(client, kind), _ROWS_SHOWN)) for kind in KINDS]
            words = (_predict_next_word(client, prefix) for prefix in TEXT_PREFIXES)
            tables.append(_table("Words that come next in a text", (row for row in words if row.suggestions)))
    except CallError as error:
        raise UnavailableError(
            f"The server at {address} does not answer: {error.message}.", remedy="Its log says why."
        ) from None
    return [table for table in tables if table.row_count]


def _examples(client: Client, kind: Kind) -> Iterator[Row]:
    for prefix in kind.prefixes:
        started = time.perf_counter()
        answer = client.complete_query(prefix, timeout_s=_TIMEOUT_S)
        duration_s = time.perf_counter() - started
        probable = [item for item in answer.suggestions if item.acceptance_probability >= _LEAST_PROBABILITY]
        shown = probable[:_SUGGESTIONS_SHOWN]
        if shown and kind.is_shown_by(answer, shown):
            suggestions = tuple(
                (_with_typed_dimmed(item), f"{item.acceptance_probability:.0%}", _SOURCES.get(item.source, ""))
                for item in shown
            )
            yield Row(prefix=prefix, suggestions=suggestions, duration_s=duration_s)


def _is_from(source: pb.SuggestionSource, shown: Sequence[pb.CompleteQueryResponse.QuerySuggestion]) -> bool:
    return bool(shown[0].source == source)


def _with_typed_dimmed(item: pb.CompleteQueryResponse.QuerySuggestion) -> str:
    if not item.segments:
        return escape(item.text)
    parts = (
        f"[dim]{escape(part.text)}[/dim]" if part.typed else f"[bold]{escape(part.text)}[/bold]"
        for part in item.segments
        if part.text
    )
    return "".join(parts)


def _predict_next_word(client: Client, prefix: str) -> Row:
    started = time.perf_counter()
    answer = client.predict_next_word(
        prefix, max_suggestions=_SUGGESTIONS_SHOWN, min_probability=_LEAST_PROBABILITY, timeout_s=_TIMEOUT_S
    )
    duration_s = time.perf_counter() - started
    kept = escape(prefix[: answer.replace_start])
    suggestions = tuple(
        (f"[dim]{kept}[/dim][bold]{escape(item.text)}[/bold]", f"{math.exp(item.log_probability):.0%}", "text")
        for item in answer.suggestions
    )
    return Row(prefix=prefix, suggestions=suggestions, duration_s=duration_s)


def _table(title: str, rows: Iterable[Row]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", caption_justify="left")
    table.add_column("typed", no_wrap=True)
    table.add_column("suggestions", no_wrap=True)
    table.add_column("probability", justify="right", no_wrap=True)
    table.add_column("from", no_wrap=True)
    durations_ms = []
    for row in rows:
        table.add_row(f"{escape(row.prefix)}[dim]_[/dim]", *map("\n".join, zip(*row.suggestions, strict=True)))
        table.add_section()
        durations_ms.append(row.duration_s * 1000)
    if durations_ms:
        table.caption = f"answered in {min(durations_ms):.1f} to {max(durations_ms):.1f} ms"
    return table
