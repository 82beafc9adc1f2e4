import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_TEXT_TOO_LONG: _ClassVar[ErrorReason]
    ERROR_REASON_OUT_OF_RANGE: _ClassVar[ErrorReason]
    ERROR_REASON_MALFORMED: _ClassVar[ErrorReason]
    ERROR_REASON_MODEL_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_MODEL_LOADING: _ClassVar[ErrorReason]
    ERROR_REASON_METHOD_UNSUPPORTED: _ClassVar[ErrorReason]
    ERROR_REASON_OVERLOADED: _ClassVar[ErrorReason]
    ERROR_REASON_ENTRY_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_STORE_UNAVAILABLE: _ClassVar[ErrorReason]

class EnsemblePart(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENSEMBLE_PART_UNSPECIFIED: _ClassVar[EnsemblePart]
    ENSEMBLE_PART_NGRAM: _ClassVar[EnsemblePart]
    ENSEMBLE_PART_NEURAL: _ClassVar[EnsemblePart]

class GeneratedQueries(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GENERATED_QUERIES_UNSPECIFIED: _ClassVar[GeneratedQueries]
    GENERATED_QUERIES_OFF: _ClassVar[GeneratedQueries]
    GENERATED_QUERIES_FILL: _ClassVar[GeneratedQueries]
    GENERATED_QUERIES_MIX: _ClassVar[GeneratedQueries]

class SuggestionSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SUGGESTION_SOURCE_UNSPECIFIED: _ClassVar[SuggestionSource]
    SUGGESTION_SOURCE_HISTORY: _ClassVar[SuggestionSource]
    SUGGESTION_SOURCE_TRENDING: _ClassVar[SuggestionSource]
    SUGGESTION_SOURCE_GENERATED: _ClassVar[SuggestionSource]
    SUGGESTION_SOURCE_CATALOGUE: _ClassVar[SuggestionSource]
    SUGGESTION_SOURCE_PERSONAL: _ClassVar[SuggestionSource]
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_TEXT_TOO_LONG: ErrorReason
ERROR_REASON_OUT_OF_RANGE: ErrorReason
ERROR_REASON_MALFORMED: ErrorReason
ERROR_REASON_MODEL_NOT_FOUND: ErrorReason
ERROR_REASON_MODEL_LOADING: ErrorReason
ERROR_REASON_METHOD_UNSUPPORTED: ErrorReason
ERROR_REASON_OVERLOADED: ErrorReason
ERROR_REASON_ENTRY_NOT_FOUND: ErrorReason
ERROR_REASON_STORE_UNAVAILABLE: ErrorReason
ENSEMBLE_PART_UNSPECIFIED: EnsemblePart
ENSEMBLE_PART_NGRAM: EnsemblePart
ENSEMBLE_PART_NEURAL: EnsemblePart
GENERATED_QUERIES_UNSPECIFIED: GeneratedQueries
GENERATED_QUERIES_OFF: GeneratedQueries
GENERATED_QUERIES_FILL: GeneratedQueries
GENERATED_QUERIES_MIX: GeneratedQueries
SUGGESTION_SOURCE_UNSPECIFIED: SuggestionSource
SUGGESTION_SOURCE_HISTORY: SuggestionSource
SUGGESTION_SOURCE_TRENDING: SuggestionSource
SUGGESTION_SOURCE_GENERATED: SuggestionSource
SUGGESTION_SOURCE_CATALOGUE: SuggestionSource
SUGGESTION_SOURCE_PERSONAL: SuggestionSource

class TextSegment(_message.Message):
    __slots__ = ("text", "typed")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TYPED_FIELD_NUMBER: _ClassVar[int]
    text: str
    typed: bool
    def __init__(self, text: _Optional[str] = ..., typed: _Optional[bool] = ...) -> None: ...

class StageTiming(_message.Message):
    __slots__ = ("stage", "duration")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    stage: str
    duration: _duration_pb2.Duration
    def __init__(self, stage: _Optional[str] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ScoreExplanation(_message.Message):
    __slots__ = ("popularity_log_probability", "ngram_log_probability", "neural_log_probability", "edit_count")
    POPULARITY_LOG_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    NGRAM_LOG_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    NEURAL_LOG_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    EDIT_COUNT_FIELD_NUMBER: _ClassVar[int]
    popularity_log_probability: float
    ngram_log_probability: float
    neural_log_probability: float
    edit_count: int
    def __init__(self, popularity_log_probability: _Optional[float] = ..., ngram_log_probability: _Optional[float] = ..., neural_log_probability: _Optional[float] = ..., edit_count: _Optional[int] = ...) -> None: ...

class CompleteQueryRequest(_message.Message):
    __slots__ = ("query", "model", "max_suggestions", "exclude_generated", "user_pseudo_id", "explain", "generated", "min_acceptance_probability", "context_queries", "incognito", "filter")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MAX_SUGGESTIONS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_GENERATED_FIELD_NUMBER: _ClassVar[int]
    USER_PSEUDO_ID_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    GENERATED_FIELD_NUMBER: _ClassVar[int]
    MIN_ACCEPTANCE_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_QUERIES_FIELD_NUMBER: _ClassVar[int]
    INCOGNITO_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    query: str
    model: str
    max_suggestions: int
    exclude_generated: bool
    user_pseudo_id: str
    explain: bool
    generated: GeneratedQueries
    min_acceptance_probability: float
    context_queries: _containers.RepeatedScalarFieldContainer[str]
    incognito: bool
    filter: TagFilter
    def __init__(self, query: _Optional[str] = ..., model: _Optional[str] = ..., max_suggestions: _Optional[int] = ..., exclude_generated: _Optional[bool] = ..., user_pseudo_id: _Optional[str] = ..., explain: _Optional[bool] = ..., generated: _Optional[_Union[GeneratedQueries, str]] = ..., min_acceptance_probability: _Optional[float] = ..., context_queries: _Optional[_Iterable[str]] = ..., incognito: _Optional[bool] = ..., filter: _Optional[_Union[TagFilter, _Mapping]] = ...) -> None: ...

class TagFilter(_message.Message):
    __slots__ = ("all_of", "any_of")
    ALL_OF_FIELD_NUMBER: _ClassVar[int]
    ANY_OF_FIELD_NUMBER: _ClassVar[int]
    all_of: _containers.RepeatedScalarFieldContainer[str]
    any_of: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, all_of: _Optional[_Iterable[str]] = ..., any_of: _Optional[_Iterable[str]] = ...) -> None: ...

class CompleteQueryResponse(_message.Message):
    __slots__ = ("suggestions", "normalized_query", "corrected_query", "model", "model_version", "attribution_token", "degraded", "timings")
    class QuerySuggestion(_message.Message):
        __slots__ = ("text", "log_probability", "acceptance_probability", "source", "segments", "explanation", "payload", "pinned")
        TEXT_FIELD_NUMBER: _ClassVar[int]
        LOG_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
        ACCEPTANCE_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
        SOURCE_FIELD_NUMBER: _ClassVar[int]
        SEGMENTS_FIELD_NUMBER: _ClassVar[int]
        EXPLANATION_FIELD_NUMBER: _ClassVar[int]
        PAYLOAD_FIELD_NUMBER: _ClassVar[int]
        PINNED_FIELD_NUMBER: _ClassVar[int]
        text: str
        log_probability: float
        acceptance_probability: float
        source: SuggestionSource
        segments: _containers.RepeatedCompositeFieldContainer[TextSegment]
        explanation: ScoreExplanation
        payload: str
        pinned: bool
        def __init__(self, text: _Optional[str] = ..., log_probability: _Optional[float] = ..., acceptance_probability: _Optional[float] = ..., source: _Optional[_Union[SuggestionSource, str]] = ..., segments: _Optional[_Iterable[_Union[TextSegment, _Mapping]]] = ..., explanation: _Optional[_Union[ScoreExplanation, _Mapping]] = ..., payload: _Optional[str] = ..., pinned: _Optional[bool] = ...) -> None: ...
    SUGGESTIONS_FIELD_NUMBER: _ClassVar[int]
    NORMALIZED_QUERY_FIELD_NUMBER: _ClassVar[int]
    CORRECTED_QUERY_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    suggestions: _containers.RepeatedCompositeFieldContainer[CompleteQueryResponse.QuerySuggestion]
    normalized_query: str
    corrected_query: str
    model: str
    model_version: str
    attribution_token: str
    degraded: bool
    timings: _containers.RepeatedCompositeFieldContainer[StageTiming]
    def __init__(self, suggestions: _Optional[_Iterable[_Union[CompleteQueryResponse.QuerySuggestion, _Mapping]]] = ..., normalized_query: _Optional[str] = ..., corrected_query: _Optional[str] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ..., attribution_token: _Optional[str] = ..., degraded: _Optional[bool] = ..., timings: _Optional[_Iterable[_Union[StageTiming, _Mapping]]] = ...) -> None: ...

class PredictNextWordRequest(_message.Message):
    __slots__ = ("text", "model", "max_suggestions", "min_probability", "explain", "part", "min_ghost_probability")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MAX_SUGGESTIONS_FIELD_NUMBER: _ClassVar[int]
    MIN_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    MIN_GHOST_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    text: str
    model: str
    max_suggestions: int
    min_probability: float
    explain: bool
    part: EnsemblePart
    min_ghost_probability: float
    def __init__(self, text: _Optional[str] = ..., model: _Optional[str] = ..., max_suggestions: _Optional[int] = ..., min_probability: _Optional[float] = ..., explain: _Optional[bool] = ..., part: _Optional[_Union[EnsemblePart, str]] = ..., min_ghost_probability: _Optional[float] = ...) -> None: ...

class PredictNextWordResponse(_message.Message):
    __slots__ = ("suggestions", "replace_start", "model", "model_version", "attribution_token", "degraded", "timings", "ghost_text")
    class WordSuggestion(_message.Message):
        __slots__ = ("text", "log_probability", "explanation")
        TEXT_FIELD_NUMBER: _ClassVar[int]
        LOG_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
        EXPLANATION_FIELD_NUMBER: _ClassVar[int]
        text: str
        log_probability: float
        explanation: ScoreExplanation
        def __init__(self, text: _Optional[str] = ..., log_probability: _Optional[float] = ..., explanation: _Optional[_Union[ScoreExplanation, _Mapping]] = ...) -> None: ...
    SUGGESTIONS_FIELD_NUMBER: _ClassVar[int]
    REPLACE_START_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    GHOST_TEXT_FIELD_NUMBER: _ClassVar[int]
    suggestions: _containers.RepeatedCompositeFieldContainer[PredictNextWordResponse.WordSuggestion]
    replace_start: int
    model: str
    model_version: str
    attribution_token: str
    degraded: bool
    timings: _containers.RepeatedCompositeFieldContainer[StageTiming]
    ghost_text: str
    def __init__(self, suggestions: _Optional[_Iterable[_Union[PredictNextWordResponse.WordSuggestion, _Mapping]]] = ..., replace_start: _Optional[int] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ..., attribution_token: _Optional[str] = ..., degraded: _Optional[bool] = ..., timings: _Optional[_Iterable[_Union[StageTiming, _Mapping]]] = ..., ghost_text: _Optional[str] = ...) -> None: ...

class StreamCompleteQueryRequest(_message.Message):
    __slots__ = ("config", "keystroke")
    class Config(_message.Message):
        __slots__ = ("model", "max_suggestions", "exclude_generated", "user_pseudo_id", "explain", "generated", "min_acceptance_probability", "context_queries", "incognito", "filter")
        MODEL_FIELD_NUMBER: _ClassVar[int]
        MAX_SUGGESTIONS_FIELD_NUMBER: _ClassVar[int]
        EXCLUDE_GENERATED_FIELD_NUMBER: _ClassVar[int]
        USER_PSEUDO_ID_FIELD_NUMBER: _ClassVar[int]
        EXPLAIN_FIELD_NUMBER: _ClassVar[int]
        GENERATED_FIELD_NUMBER: _ClassVar[int]
        MIN_ACCEPTANCE_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
        CONTEXT_QUERIES_FIELD_NUMBER: _ClassVar[int]
        INCOGNITO_FIELD_NUMBER: _ClassVar[int]
        FILTER_FIELD_NUMBER: _ClassVar[int]
        model: str
        max_suggestions: int
        exclude_generated: bool
        user_pseudo_id: str
        explain: bool
        generated: GeneratedQueries
        min_acceptance_probability: float
        context_queries: _containers.RepeatedScalarFieldContainer[str]
        incognito: bool
        filter: TagFilter
        def __init__(self, model: _Optional[str] = ..., max_suggestions: _Optional[int] = ..., exclude_generated: _Optional[bool] = ..., user_pseudo_id: _Optional[str] = ..., explain: _Optional[bool] = ..., generated: _Optional[_Union[GeneratedQueries, str]] = ..., min_acceptance_probability: _Optional[float] = ..., context_queries: _Optional[_Iterable[str]] = ..., incognito: _Optional[bool] = ..., filter: _Optional[_Union[TagFilter, _Mapping]] = ...) -> None: ...
    class Keystroke(_message.Message):
        __slots__ = ("sequence_number", "query")
        SEQUENCE_NUMBER_FIELD_NUMBER: _ClassVar[int]
        QUERY_FIELD_NUMBER: _ClassVar[int]
        sequence_number: int
        query: str
        def __init__(self, sequence_number: _Optional[int] = ..., query: _Optional[str] = ...) -> None: ...
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    KEYSTROKE_FIELD_NUMBER: _ClassVar[int]
    config: StreamCompleteQueryRequest.Config
    keystroke: StreamCompleteQueryRequest.Keystroke
    def __init__(self, config: _Optional[_Union[StreamCompleteQueryRequest.Config, _Mapping]] = ..., keystroke: _Optional[_Union[StreamCompleteQueryRequest.Keystroke, _Mapping]] = ...) -> None: ...

class StreamCompleteQueryResponse(_message.Message):
    __slots__ = ("sequence_number", "completion", "error", "is_final")
    SEQUENCE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    IS_FINAL_FIELD_NUMBER: _ClassVar[int]
    sequence_number: int
    completion: CompleteQueryResponse
    error: _status_pb2.Status
    is_final: bool
    def __init__(self, sequence_number: _Optional[int] = ..., completion: _Optional[_Union[CompleteQueryResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., is_final: _Optional[bool] = ...) -> None: ...

class ScoreTextRequest(_message.Message):
    __slots__ = ("text", "model", "part")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    text: str
    model: str
    part: EnsemblePart
    def __init__(self, text: _Optional[str] = ..., model: _Optional[str] = ..., part: _Optional[_Union[EnsemblePart, str]] = ...) -> None: ...

class ScoreTextResponse(_message.Message):
    __slots__ = ("token_scores", "log_probability", "perplexity", "model", "model_version")
    class TokenScore(_message.Message):
        __slots__ = ("token", "log_probability", "out_of_vocabulary")
        TOKEN_FIELD_NUMBER: _ClassVar[int]
        LOG_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
        OUT_OF_VOCABULARY_FIELD_NUMBER: _ClassVar[int]
        token: str
        log_probability: float
        out_of_vocabulary: bool
        def __init__(self, token: _Optional[str] = ..., log_probability: _Optional[float] = ..., out_of_vocabulary: _Optional[bool] = ...) -> None: ...
    TOKEN_SCORES_FIELD_NUMBER: _ClassVar[int]
    LOG_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    PERPLEXITY_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    token_scores: _containers.RepeatedCompositeFieldContainer[ScoreTextResponse.TokenScore]
    log_probability: float
    perplexity: float
    model: str
    model_version: str
    def __init__(self, token_scores: _Optional[_Iterable[_Union[ScoreTextResponse.TokenScore, _Mapping]]] = ..., log_probability: _Optional[float] = ..., perplexity: _Optional[float] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ...) -> None: ...

class GenerateTextRequest(_message.Message):
    __slots__ = ("prompt", "model", "max_output_tokens", "temperature", "top_p", "top_k", "seed", "beam_width", "part")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    BEAM_WIDTH_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    prompt: str
    model: str
    max_output_tokens: int
    temperature: float
    top_p: float
    top_k: int
    seed: int
    beam_width: int
    part: EnsemblePart
    def __init__(self, prompt: _Optional[str] = ..., model: _Optional[str] = ..., max_output_tokens: _Optional[int] = ..., temperature: _Optional[float] = ..., top_p: _Optional[float] = ..., top_k: _Optional[int] = ..., seed: _Optional[int] = ..., beam_width: _Optional[int] = ..., part: _Optional[_Union[EnsemblePart, str]] = ...) -> None: ...

class GenerateTextResponse(_message.Message):
    __slots__ = ("text", "finish_reason")
    class FinishReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FINISH_REASON_UNSPECIFIED: _ClassVar[GenerateTextResponse.FinishReason]
        FINISH_REASON_STOP: _ClassVar[GenerateTextResponse.FinishReason]
        FINISH_REASON_LENGTH: _ClassVar[GenerateTextResponse.FinishReason]
    FINISH_REASON_UNSPECIFIED: GenerateTextResponse.FinishReason
    FINISH_REASON_STOP: GenerateTextResponse.FinishReason
    FINISH_REASON_LENGTH: GenerateTextResponse.FinishReason
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    text: str
    finish_reason: GenerateTextResponse.FinishReason
    def __init__(self, text: _Optional[str] = ..., finish_reason: _Optional[_Union[GenerateTextResponse.FinishReason, str]] = ...) -> None: ...
