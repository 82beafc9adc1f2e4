"""Suggestions as rows of the terminal's box."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autocomplete.v1 import autocomplete_service_pb2 as pb
from prompt_toolkit.formatted_text import StyleAndTextTuples

from cli.suggestions import SOURCES


@dataclass(frozen=True, slots=True)
class Row:
    """A suggestion.

    Attributes:
        text: what the box holds once it is taken.
        shown: the suggestion, what is not typed in bold.
        source: where it came from.
        probability: that it is what the user wants, in [0, 1].
    """

    text: str
    shown: StyleAndTextTuples
    source: str
    probability: float


def query_rows(answer: pb.CompleteQueryResponse) -> list[Row]:
    """Of whole queries."""
    return [
        Row(
            text=item.text,
            shown=[("" if part.typed else "bold", part.text) for part in item.segments] or [("", item.text)],
            source=SOURCES.get(item.source, "other"),
            probability=item.acceptance_probability,
        )
        for item in answer.suggestions
    ]


def word_rows(text: str, answer: pb.PredictNextWordResponse) -> list[Row]:
    """Of next words; a word that is taken gets a space after it."""
    kept = text[: answer.replace_start]
    return [
        Row(
            text=f"{kept}{item.text} ",
            shown=[("", kept), ("bold", item.text)],
            source="model",
            probability=math.exp(item.log_probability),
        )
        for item in answer.suggestions
    ]
