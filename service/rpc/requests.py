"""Requests as the service uses them: checked, defaults filled in, hard limits in one place."""

from __future__ import annotations

import math
import re
from typing import Any, Generic, NamedTuple, TypeVar

from autocomplete.v1 import autocomplete_service_pb2 as pb

from lm.errors import RequestError
from lm.index.tags import TagFilter
from lm.models.parts import Part
from lm.text.normalize import normalize_query
from service.config import ServerSettings
from service.live.curation import check_tags
from suggest.session import MAX_CONTEXT
from suggest.types import Generated, GenerationOptions, QueryOptions, WordOptions

MAX_QUERY_LENGTH = 256
MAX_TEXT_LENGTH = 4096
MAX_USER_ID_LENGTH = 128
DEFAULT_SUGGESTIONS, MAX_SUGGESTIONS = 10, 20
DEFAULT_OUTPUT_TOKENS, MAX_OUTPUT_TOKENS = 32, 256
MAX_BEAM_WIDTH = 16
DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 100, 1000
_MODEL = re.compile(r"models/([a-z][a-z0-9_-]{0,62})")
_PARTS: dict[int, Part] = {
    pb.ENSEMBLE_PART_UNSPECIFIED: Part.ENSEMBLE,
    pb.ENSEMBLE_PART_NGRAM: Part.NGRAM,
    pb.ENSEMBLE_PART_NEURAL: Part.NEURAL,
}
_GENERATED: dict[int, Generated | None] = {
    pb.GENERATED_QUERIES_UNSPECIFIED: None,
    pb.GENERATED_QUERIES_OFF: Generated.OFF,
    pb.GENERATED_QUERIES_FILL: Generated.FILL,
    pb.GENERATED_QUERIES_MIX: Generated.MIX,
}


_Options = TypeVar("_Options")
_AS_THE_MODEL_SAYS = QueryOptions(max_suggestions=DEFAULT_SUGGESTIONS)
_WORDS_AS_THE_MODEL_SAYS = WordOptions(max_suggestions=DEFAULT_SUGGESTIONS)


class Question(NamedTuple, Generic[_Options]):
    """What was asked of a model; its name is empty for the default one, and the user's for nobody in particular.

    A tuple, as answers from the cache cost little else.
    """

    text: str
    model: str
    options: _Options
    user_pseudo_id: str = ""


QueryFields = pb.CompleteQueryRequest | pb.StreamCompleteQueryRequest.Config


class Defaults(NamedTuple):
    """What holds where a request leaves it open, by the server's settings or, where they do, by the model."""

    query: QueryOptions = _AS_THE_MODEL_SAYS
    words: WordOptions = _WORDS_AS_THE_MODEL_SAYS

    @classmethod
    def of(cls, settings: ServerSettings) -> Defaults:
        """Those of a server."""
        query = _AS_THE_MODEL_SAYS._replace(
            generated=None if settings.generated is None else Generated(settings.generated),
            min_acceptance_prob=settings.min_probability,
        )
        words = _WORDS_AS_THE_MODEL_SAYS._replace(min_ghost_probability=settings.min_ghost_probability)
        return cls(query, words)


def read_query(
    fields: QueryFields, query: str, *, defaults: QueryOptions = _AS_THE_MODEL_SAYS, prefix: str = ""
) -> Question[QueryOptions]:
    """Checks a query, which it normalizes, and what holds for it. All that read requests raise `RequestError`.

    Args:
        query: as typed.
        defaults: what holds where the request leaves it open.
        prefix: path of `fields` in the request, for messages.
    """
    check_length("query", query, MAX_QUERY_LENGTH)
    check_length(prefix + "user_pseudo_id", fields.user_pseudo_id, MAX_USER_ID_LENGTH)
    least = defaults.min_acceptance_prob
    if fields.HasField("min_acceptance_probability"):
        least = fields.min_acceptance_probability
        check_range(prefix + "min_acceptance_probability", least, 0.0, 1.0)
    options = defaults._replace(
        max_suggestions=_suggestions(prefix + "max_suggestions", fields.max_suggestions),
        generated=_generated(fields, prefix) or defaults.generated,
        min_acceptance_prob=least,
        explain=fields.explain,
        tags=_tags(prefix + "filter", fields.filter) if fields.HasField("filter") else None,
        context=_context(fields, prefix),
    )
    user = "" if fields.incognito else fields.user_pseudo_id
    return Question(normalize_query(query), read_model_name(prefix + "model", fields.model), options, user)


def read_words(
    request: pb.PredictNextWordRequest, *, defaults: WordOptions = _WORDS_AS_THE_MODEL_SAYS
) -> Question[WordOptions]:
    """Checks a request for next words; `defaults` hold where it leaves something open."""
    check_length("text", request.text, MAX_TEXT_LENGTH)
    check_range("min_probability", request.min_probability, 0.0, 1.0)
    least = defaults.min_ghost_probability
    if request.HasField("min_ghost_probability"):
        least = request.min_ghost_probability
        check_range("min_ghost_probability", least, 0.0, 1.0)
    options = WordOptions(
        max_suggestions=_suggestions("max_suggestions", request.max_suggestions),
        min_probability=request.min_probability,
        min_ghost_probability=least,
        part=_part(request.part),
        explain=request.explain,
    )
    return Question(request.text, read_model_name("model", request.model), options)


def read_score(request: pb.ScoreTextRequest) -> Question[Part]:
    """Checks a request for scores."""
    if not request.text:
        raise RequestError("text", "is required.", fault="MALFORMED", remedy="Give the text to score.")
    check_length("text", request.text, MAX_TEXT_LENGTH)
    return Question(request.text, read_model_name("model", request.model), _part(request.part))


def read_generation(request: pb.GenerateTextRequest) -> Question[GenerationOptions]:
    """Checks a request for generated text."""
    check_length("prompt", request.prompt, MAX_TEXT_LENGTH)
    check_range("max_output_tokens", request.max_output_tokens, 0, math.inf)
    check_range("beam_width", request.beam_width, 0, MAX_BEAM_WIDTH)
    temperature = request.temperature if request.HasField("temperature") else 1.0
    top_p = request.top_p if request.HasField("top_p") else None
    top_k = request.top_k if request.HasField("top_k") else None
    check_range("temperature", temperature, 0.0, 2.0)
    if top_p is not None:
        check_range("top_p", top_p, math.nextafter(0.0, 1.0), 1.0, shown="above 0 and at most 1")
    if top_k is not None:
        check_range("top_k", top_k, 1, math.inf)
    options = GenerationOptions(
        max_output_tokens=min(request.max_output_tokens or DEFAULT_OUTPUT_TOKENS, MAX_OUTPUT_TOKENS),
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        seed=request.seed if request.HasField("seed") else None,
        beam_width=max(request.beam_width, 1),
        part=_part(request.part),
    )
    return Question(request.prompt, read_model_name("model", request.model), options)


def read_page_size(request: Any, default: int = DEFAULT_PAGE_SIZE) -> int:
    """How much a page holds."""
    check_range("page_size", request.page_size, 0, math.inf)
    return min(request.page_size or default, MAX_PAGE_SIZE)


def read_page_place(request: Any) -> int:
    """Where a page begins, if tokens are numbers; 0 for the first."""
    token = request.page_token
    if token and not (token.isascii() and token.isdigit() and len(token) < 16):
        raise no_page()
    return int(token or 0)


def no_page() -> RequestError:
    """What a method that lists something answers to a token of another one."""
    remedy = "Start again without one."
    return RequestError("page_token", "was not given out by this server.", fault="MALFORMED", remedy=remedy)


def read_model_name(field: str, value: str, *, required: bool = False) -> str:
    """The name behind `models/`; empty for the default model."""
    if not value and not required:
        return ""
    match = _MODEL.fullmatch(value)
    if match is None:
        raise RequestError(field, "is not a model's name.", fault="MALFORMED", remedy="Format: `models/NAME`.")
    return match.group(1)


def _tags(field: str, tags: pb.TagFilter) -> TagFilter | None:
    """The same for the same tags in any order; None if there are none."""
    for name, each in (("all_of", tags.all_of), ("any_of", tags.any_of)):
        check_tags(f"{field}.{name}", tuple(each))
    wanted = TagFilter(tuple(sorted(set(tags.all_of))), tuple(sorted(set(tags.any_of))))
    return wanted if any(wanted) else None


def _suggestions(field: str, value: int) -> int:
    if value < 0:
        check_range(field, value, 0, math.inf)
    return min(value or DEFAULT_SUGGESTIONS, MAX_SUGGESTIONS)


def _generated(fields: QueryFields, prefix: str) -> Generated | None:
    """None where the request leaves it open."""
    field = f"{prefix}generated"
    if fields.generated not in _GENERATED:
        remedy = "0: as the server says, 1: off, 2: fill, 3: mix."
        raise RequestError(field, "is not one of its values.", fault="OUT_OF_RANGE", remedy=remedy)
    wanted = _GENERATED[fields.generated]
    if not fields.exclude_generated:
        return wanted
    if wanted not in (None, Generated.OFF):
        remedy = "Leave exclude_generated out."
        raise RequestError(field, "contradicts exclude_generated.", fault="MALFORMED", remedy=remedy)
    return Generated.OFF


def _context(fields: QueryFields, prefix: str) -> tuple[str, ...]:
    """The queries of the session, the last one last; none if they are not to be used."""
    field = f"{prefix}context_queries"
    if not fields.context_queries:  # nearly always
        return ()
    check_range(field, len(fields.context_queries), 0, MAX_CONTEXT, shown=f"at most {MAX_CONTEXT} queries")
    for place, query in enumerate(fields.context_queries):
        check_length(f"{field}[{place}]", query, MAX_QUERY_LENGTH)
    return () if fields.incognito else tuple(query for query in fields.context_queries if query.strip())


def _part(value: int) -> Part:
    part = _PARTS.get(value)
    if part is None:
        raise RequestError(
            "part", "is not a part of an ensemble.", fault="OUT_OF_RANGE", remedy="0: all, 1: n-gram, 2: neural."
        )
    return part


def check_length(field: str, value: str, limit: int) -> None:
    """Refuses a text with more characters than a limit."""
    if len(value) > limit:
        raise RequestError(
            field,
            f"has {len(value)} characters.",
            fault="TEXT_TOO_LONG",
            remedy=f"At most {limit} are allowed.",
        )


def check_range(field: str, value: float, low: float, high: float, *, shown: str = "") -> None:
    """Refuses a number outside bounds, which `shown` may put into words."""
    if low <= value <= high:  # false for NaN
        return
    allowed = shown or (f"at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}")
    raise RequestError(field, f"is {value:g}.", fault="OUT_OF_RANGE", remedy=f"It must be {allowed}.")
