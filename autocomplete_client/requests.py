"""The options of each call, and the requests made from them. Both clients share this."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict
from uuid import uuid4

from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import user_event_service_pb2 as event_pb

QUERY_TIMEOUT_S = 2.0
WORDS_TIMEOUT_S = 2.0
SCORE_TIMEOUT_S = 10.0
GENERATE_TIMEOUT_S = 30.0
MODELS_TIMEOUT_S = 5.0
EVENTS_TIMEOUT_S = 5.0
FORGET_TIMEOUT_S = 60.0


class CallOptions(TypedDict, total=False):
    """Options of every call."""

    timeout_s: float  # for all tries together; each method has a default
    traceparent: str  # W3C trace context, passed through


class QueryFields(TypedDict, total=False):
    """Options that `complete_query` and a typing session share."""

    model: str  # with or without `models/`
    max_suggestions: int
    exclude_generated: bool  # deprecated: `generated` at `GENERATED_QUERIES_OFF`
    generated: pb.GeneratedQueries
    min_acceptance_probability: float
    explain: bool
    user_pseudo_id: str  # whose own earlier queries are suggested too
    context_queries: Sequence[str]  # earlier queries of this session, the last one last
    incognito: bool  # use neither of both
    filter: pb.TagFilter  # only entries of the catalogue with such tags


class QueryOptions(QueryFields, CallOptions, total=False):
    """Options of `complete_query`."""


class SessionOptions(QueryFields, total=False):
    """Options of a typing session."""

    traceparent: str


class ScoreOptions(CallOptions, total=False):
    """Options of `score_text`; see `ScoreTextRequest`."""

    model: str
    part: pb.EnsemblePart


class WordOptions(ScoreOptions, total=False):
    """Options of `predict_next_word`; see `PredictNextWordRequest`."""

    max_suggestions: int
    min_probability: float
    min_ghost_probability: float
    explain: bool


class GenerationOptions(ScoreOptions, total=False):
    """Options of `generate_text`; see `GenerateTextRequest`."""

    max_output_tokens: int
    temperature: float
    top_p: float
    top_k: int
    seed: int
    beam_width: int


@dataclass(frozen=True, slots=True)
class Call:
    """A request with its deadline and metadata."""

    request: Any
    timeout_s: float
    metadata: tuple[tuple[str, str], ...]


def build_call(message: Callable[..., Any], timeout_s: float, options: Mapping[str, object], **fields: object) -> Call:
    """Makes the call of a method.

    Args:
        message: its request type.
        timeout_s: the deadline if `options` has none.
        options: one of the types above.
        fields: those fields of the request that are no options.
    """
    given = dict(options)
    timeout: Any = given.pop("timeout_s", timeout_s)
    metadata = trace_metadata(str(given.pop("traceparent", "")))
    if given.get("model"):
        given["model"] = model_name(str(given["model"]))
    return Call(message(**fields, **given), timeout, metadata)


def events_call(events: Iterable[event_pb.UserEvent], options: CallOptions) -> Call:
    """The call that writes events. One that has no id is given one, so that it counts once however often it is sent."""
    call = build_call(event_pb.WriteUserEventsRequest, EVENTS_TIMEOUT_S, options, user_events=events)
    for event in call.request.user_events:
        event.event_id = event.event_id or str(uuid4())
    return call


def model_name(model: str) -> str:
    """The API's name of a model, given with or without `models/`."""
    return f"models/{model.removeprefix('models/')}"


def trace_metadata(traceparent: str) -> tuple[tuple[str, str], ...]:
    """Metadata that carries a trace context; empty for none."""
    return (("traceparent", traceparent),) if traceparent else ()
