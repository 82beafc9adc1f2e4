"""Asks a server, or a bundle opened here, for suggestions, and lays them out as a table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from autocomplete_client import CallError, Client, DeadlineError
from lm.errors import AutocompleteError, ConfigError, UnavailableError

_TIMEOUT_S = 10.0
Request = pb.CompleteQueryRequest | pb.PredictNextWordRequest
Response = pb.CompleteQueryResponse | pb.PredictNextWordResponse
_SOURCES = {
    pb.SUGGESTION_SOURCE_HISTORY: "log",
    pb.SUGGESTION_SOURCE_CATALOGUE: "catalogue",
    pb.SUGGESTION_SOURCE_GENERATED: "generated",
    pb.SUGGESTION_SOURCE_TRENDING: "trending",
    pb.SUGGESTION_SOURCE_PERSONAL: "own",
}
_TERMS = {
    "popularity": "popularity_log_probability",
    "n-gram": "ngram_log_probability",
    "neural": "neural_log_probability",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A suggestion as people see it.

    Attributes:
        text: what the box holds once it is taken.
        shown: its parts: whether it is typed already, and the text.
        source: where it came from.
        probability: that it is what the user wants, in [0, 1].
        explanation: the terms of its score, if asked for.
    """

    text: str
    shown: list[tuple[bool, str]]
    source: str
    probability: float
    explanation: pb.ScoreExplanation


def rows(text: str, response: Response) -> list[Row]:
    """The suggestions for a text. A next word gets a space after it."""
    if isinstance(response, pb.PredictNextWordResponse):
        kept = text[: response.replace_start]
        return [
            Row(
                text=f"{kept}{item.text} ",
                shown=[(True, kept), (False, item.text)],
                source="model",
                probability=math.exp(item.log_probability),
                explanation=item.explanation,
            )
            for item in response.suggestions
        ]
    return [
        Row(
            text=item.text,
            shown=[(part.typed, part.text) for part in item.segments] or [(False, item.text)],
            source=_SOURCES.get(item.source, "other"),
            probability=item.acceptance_probability,
            explanation=item.explanation,
        )
        for item in response.suggestions
    ]


class Choice(NamedTuple):
    """What is chosen besides the text; None is left to server and model.

    Attributes:
        model: its name, with or without `models/`; empty for the default one.
        limit: suggestions at most.
        generated: `off`, `fill` or `mix`.
    """

    model: str = ""
    limit: int = 10
    explain: bool = False
    generated: str | None = None
    min_probability: float | None = None


def build_request(text: str, choice: Choice, *, words: bool) -> Request:
    """The request for next words, or for whole queries."""
    resource = f"models/{choice.model.removeprefix('models/')}" if choice.model else ""
    fields: Any = {"model": resource, "max_suggestions": choice.limit, "explain": choice.explain}
    if words:
        return pb.PredictNextWordRequest(text=text, min_probability=choice.min_probability, **fields)
    generated = f"GENERATED_QUERIES_{choice.generated.upper()}" if choice.generated else None
    return pb.CompleteQueryRequest(
        query=text, generated=generated, min_acceptance_probability=choice.min_probability, **fields
    )


def ask_server(request: Request, address: str) -> Response:
    """What the server at HOST:PORT answers.

    Raises:
        ConfigError: that is no address.
        UnavailableError: the server does not answer.
        AutocompleteError: it refuses the request.
    """
    fields: Any = {field.name: value for field, value in request.ListFields()}
    with reaching(address), Client(address) as client:
        if isinstance(request, pb.PredictNextWordRequest):
            return client.predict_next_word(timeout_s=_TIMEOUT_S, **fields)
        return client.complete_query(timeout_s=_TIMEOUT_S, **fields)


@contextmanager
def reaching(address: str) -> Iterator[None]:
    """Turns the client's errors into errors of the command line.

    Raises:
        AutocompleteError: as `ask_server`.
    """
    try:
        yield
    except ValueError as error:
        raise ConfigError(str(error)) from None
    except CallError as error:
        raise explain_failure(error, address) from None


def explain_failure(error: CallError, address: str) -> AutocompleteError:
    """A failed call as an error of the command line."""
    if error.from_service:
        return AutocompleteError(error.message)
    if isinstance(error, DeadlineError):
        return UnavailableError(f"The server at {address} did not answer in time.", remedy="Its log may say why.")
    if error.code is grpc.StatusCode.UNAVAILABLE:
        return UnavailableError(
            f"No server answers at {address} ({error.message}).",
            remedy="Start it with `autocomplete serve`, or name another address.",
        )
    return AutocompleteError(f"The server at {address} refused: {error}")


def ask_bundle(request: Request, folder: Path) -> Response:
    """What the bundle in this folder answers.

    Raises:
        BundleError: it cannot be opened.
        RequestError: a field of the request is wrong.
    """
    from service.rpc.completer import completion_response, words_response
    from service.rpc.requests import read_query, read_words
    from suggest.model import open_model

    if isinstance(request, pb.PredictNextWordRequest):
        wanted = read_words(request)
        model = open_model(folder)
        words = model.predict_next_word(wanted.text, wanted.options)
        return words_response(words, wanted.text, model, explain=request.explain)
    question = read_query(request, request.query)
    model = open_model(folder)
    completion = model.complete_query(question.text, question.options._replace(explain=False))
    return completion_response(completion, model, explain=request.explain)


def suggestions_table(text: str, response: Response, *, explain: bool) -> Table:
    """Suggestions with source and probability; with `explain` also the log probabilities in the score and the edits."""
    caption = f"{response.model} {response.model_version}" + (", degraded" if response.degraded else "")
    if isinstance(response, pb.CompleteQueryResponse) and response.corrected_query:
        caption = f"corrected to: {escape(response.corrected_query)}\n{caption}"
    table = Table(caption=caption, caption_justify="left")
    table.add_column("suggestion")
    table.add_column("source")
    table.add_column("probability", justify="right")
    for term in (*_TERMS, "edits") if explain else ():
        table.add_column(term, justify="right")
    for row in rows(text, response):
        terms = [_term(row.explanation, field) for field in _TERMS.values()] if explain else []
        terms += [str(row.explanation.edit_count)] if explain else []
        shown = Text.assemble(*((part, "dim" if typed else "bold") for typed, part in row.shown))
        table.add_row(shown, row.source, _percent(row.probability), *terms)
    if not response.suggestions:
        table.add_row("[dim]nothing fits[/dim]")
    return table


def _percent(probability: float) -> str:
    return f"{probability:.1%}" if probability >= 0.0005 else "<0.1%"


def _term(explanation: pb.ScoreExplanation, field: str) -> str:
    return f"{getattr(explanation, field):.2f}" if explanation.HasField(field) else "-"
