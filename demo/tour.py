"""The guided tour: what the server answers while a dozen inputs are being typed."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from autocomplete.v1 import autocomplete_service_pb2 as pb
from rich.markup import escape
from rich.table import Table

from autocomplete_client import CallError, Client
from lm.errors import UnavailableError

QUERY_PREFIXES = ("what is the ", "how to ", "new yor", "weather in ", "best ", "free o", "map of ", "cheap ")
TEXT_PREFIXES = ("the united st", "my fellow ", "we must ", "the american pe")

_SUGGESTIONS_SHOWN = 3
_TIMEOUT_S = 10.0
_SOURCES = {
    pb.SUGGESTION_SOURCE_HISTORY: "from the log",
    pb.SUGGESTION_SOURCE_CATALOGUE: "from the catalogue",
    pb.SUGGESTION_SOURCE_GENERATED: "[cyan]generated[/cyan]",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The answer to a prefix.

    Attributes:
        suggestions: text and where it comes from, best first, as mark-up.
        duration_s: as the client saw it.
    """

    prefix: str
    suggestions: tuple[tuple[str, str], ...]
    duration_s: float


def take_tour(address: str) -> list[Table]:
    """Asks the server at `address` and lays its answers out as tables.

    Raises:
        UnavailableError: it does not answer.
    """
    try:
        with Client(address) as client:
            _complete_query(client, "")  # connects, so that the times shown are those of answers alone
            queries = [_complete_query(client, prefix) for prefix in QUERY_PREFIXES]
            words = [_predict_next_word(client, prefix) for prefix in TEXT_PREFIXES]
    except CallError as error:
        raise UnavailableError(
            f"The server at {address} does not answer: {error.message}.", remedy="Its log says why."
        ) from None
    return [
        _table("Queries that begin with what was typed (CompleteQuery)", "source", queries),
        _table("Words that come next in a text (PredictNextWord)", "probability", words),
    ]


def _complete_query(client: Client, prefix: str) -> Row:
    started = time.perf_counter()
    answer = client.complete_query(prefix, timeout_s=_TIMEOUT_S)
    duration_s = time.perf_counter() - started
    shown = answer.suggestions[:_SUGGESTIONS_SHOWN]
    suggestions = tuple((_with_typed_dimmed(item), _SOURCES.get(item.source, "")) for item in shown)
    return Row(prefix=prefix, suggestions=suggestions, duration_s=duration_s)


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
    answer = client.predict_next_word(prefix, max_suggestions=_SUGGESTIONS_SHOWN, timeout_s=_TIMEOUT_S)
    duration_s = time.perf_counter() - started
    kept = escape(prefix[: answer.replace_start])
    suggestions = tuple(
        (f"[dim]{kept}[/dim][bold]{escape(item.text)}[/bold]", f"{math.exp(item.log_probability):.0%}")
        for item in answer.suggestions
    )
    return Row(prefix=prefix, suggestions=suggestions, duration_s=duration_s)


def _table(title: str, label: str, rows: Sequence[Row]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("typed", no_wrap=True)
    table.add_column("best suggestions", no_wrap=True)
    table.add_column(label, no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    for row in rows:
        texts = "\n".join(text for text, _ in row.suggestions) or "[dim]nothing fits[/dim]"
        labels = "\n".join(label for _, label in row.suggestions)
        table.add_row(f"{escape(row.prefix)}[dim]_[/dim]", texts, labels, f"{row.duration_s * 1000:.1f} ms")
        table.add_section()
    return table
