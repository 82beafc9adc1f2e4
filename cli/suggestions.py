"""Suggestions as a table for people."""

from __future__ import annotations

import math

from autocomplete.v1 import autocomplete_service_pb2 as pb
from rich.markup import escape
from rich.table import Table

from cli.ask import Response

SOURCES = {
    pb.SUGGESTION_SOURCE_HISTORY: "log",
    pb.SUGGESTION_SOURCE_TRENDING: "trending",
    pb.SUGGESTION_SOURCE_GENERATED: "generated",
}
_TERMS = {
    "popularity": "popularity_log_probability",
    "n-gram": "ngram_log_probability",
    "neural": "neural_log_probability",
}


def suggestions_table(text: str, response: Response, *, explain: bool) -> Table:
    """Suggestion, source and probability; with `explain` the terms of the score, as log probabilities, and edits."""
    caption = f"{response.model} {response.model_version}" + (", degraded" if response.degraded else "")
    if isinstance(response, pb.CompleteQueryResponse) and response.corrected_query:
        caption = f"corrected to: {escape(response.corrected_query)}\n{caption}"
    table = Table(caption=caption, caption_justify="left")
    table.add_column("suggestion")
    table.add_column("source")
    table.add_column("probability", justify="right")
    for term in (*_TERMS, "edits") if explain else ():
        table.add_column(term, justify="right")
    for item in response.suggestions:
        terms = [_term(item.explanation, field) for field in _TERMS.values()] if explain else []
        terms += [str(item.explanation.edit_count)] if explain else []
        table.add_row(*_cells(text, item, response), *terms)
    if not response.suggestions:
        table.add_row("[dim]nothing fits[/dim]")
    return table


def _cells(
    text: str,
    item: pb.CompleteQueryResponse.QuerySuggestion | pb.PredictNextWordResponse.WordSuggestion,
    response: Response,
) -> tuple[str, str, str]:
    if isinstance(item, pb.CompleteQueryResponse.QuerySuggestion):
        shown = "".join(_segment(part) for part in item.segments) or escape(item.text)
        return shown, SOURCES.get(item.source, "other"), f"{item.acceptance_probability:.1%}"
    assert isinstance(response, pb.PredictNextWordResponse)
    kept = escape(text[: response.replace_start])
    return (
        f"[dim]{kept}[/dim][bold]{escape(item.text)}[/bold]",
        "model",
        f"{math.exp(item.log_probability):.1%}",
    )


def _segment(part: pb.TextSegment) -> str:
    style = "dim" if part.typed else "bold"
    return f"[{style}]{escape(part.text)}[/{style}]"


def _term(explanation: pb.ScoreExplanation, field: str) -> str:
    return f"{getattr(explanation, field):.2f}" if explanation.HasField(field) else "-"
