import datetime

from autocomplete.v1 import autocomplete_service_pb2 as _autocomplete_service_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UserEvent(_message.Message):
    __slots__ = ("event_id", "event_type", "attribution_token", "query", "selected_position", "typed_length", "user_pseudo_id", "event_time", "session_id", "shown")
    class EventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        EVENT_TYPE_UNSPECIFIED: _ClassVar[UserEvent.EventType]
        EVENT_TYPE_IMPRESSION: _ClassVar[UserEvent.EventType]
        EVENT_TYPE_SELECTION: _ClassVar[UserEvent.EventType]
        EVENT_TYPE_SUBMISSION: _ClassVar[UserEvent.EventType]
    EVENT_TYPE_UNSPECIFIED: UserEvent.EventType
    EVENT_TYPE_IMPRESSION: UserEvent.EventType
    EVENT_TYPE_SELECTION: UserEvent.EventType
    EVENT_TYPE_SUBMISSION: UserEvent.EventType
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    SELECTED_POSITION_FIELD_NUMBER: _ClassVar[int]
    TYPED_LENGTH_FIELD_NUMBER: _ClassVar[int]
    USER_PSEUDO_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SHOWN_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    event_type: UserEvent.EventType
    attribution_token: str
    query: str
    selected_position: int
    typed_length: int
    user_pseudo_id: str
    event_time: _timestamp_pb2.Timestamp
    session_id: str
    shown: _containers.RepeatedCompositeFieldContainer[ShownSuggestion]
    def __init__(self, event_id: _Optional[str] = ..., event_type: _Optional[_Union[UserEvent.EventType, str]] = ..., attribution_token: _Optional[str] = ..., query: _Optional[str] = ..., selected_position: _Optional[int] = ..., typed_length: _Optional[int] = ..., user_pseudo_id: _Optional[str] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., session_id: _Optional[str] = ..., shown: _Optional[_Iterable[_Union[ShownSuggestion, _Mapping]]] = ...) -> None: ...

class ShownSuggestion(_message.Message):
    __slots__ = ("text", "source")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    text: str
    source: _autocomplete_service_pb2.SuggestionSource
    def __init__(self, text: _Optional[str] = ..., source: _Optional[_Union[_autocomplete_service_pb2.SuggestionSource, str]] = ...) -> None: ...

class WriteUserEventRequest(_message.Message):
    __slots__ = ("user_event",)
    USER_EVENT_FIELD_NUMBER: _ClassVar[int]
    user_event: UserEvent
    def __init__(self, user_event: _Optional[_Union[UserEvent, _Mapping]] = ...) -> None: ...

class WriteUserEventsRequest(_message.Message):
    __slots__ = ("user_events",)
    USER_EVENTS_FIELD_NUMBER: _ClassVar[int]
    user_events: _containers.RepeatedCompositeFieldContainer[UserEvent]
    def __init__(self, user_events: _Optional[_Iterable[_Union[UserEvent, _Mapping]]] = ...) -> None: ...

class WriteUserEventsResponse(_message.Message):
    __slots__ = ("written_count", "duplicate_count")
    WRITTEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    written_count: int
    duplicate_count: int
    def __init__(self, written_count: _Optional[int] = ..., duplicate_count: _Optional[int] = ...) -> None: ...

class TrendingQuery(_message.Message):
    __slots__ = ("query", "decayed_count", "shown")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    DECAYED_COUNT_FIELD_NUMBER: _ClassVar[int]
    SHOWN_FIELD_NUMBER: _ClassVar[int]
    query: str
    decayed_count: float
    shown: bool
    def __init__(self, query: _Optional[str] = ..., decayed_count: _Optional[float] = ..., shown: _Optional[bool] = ...) -> None: ...

class ListTrendingQueriesRequest(_message.Message):
    __slots__ = ("model", "page_size", "page_token")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    model: str
    page_size: int
    page_token: str
    def __init__(self, model: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTrendingQueriesResponse(_message.Message):
    __slots__ = ("trending_queries", "next_page_token")
    TRENDING_QUERIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    trending_queries: _containers.RepeatedCompositeFieldContainer[TrendingQuery]
    next_page_token: str
    def __init__(self, trending_queries: _Optional[_Iterable[_Union[TrendingQuery, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UnansweredQuery(_message.Message):
    __slots__ = ("query", "search_count", "user_count")
    class Lack(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        LACK_UNSPECIFIED: _ClassVar[UnansweredQuery.Lack]
        LACK_ACCEPTED: _ClassVar[UnansweredQuery.Lack]
        LACK_SUGGESTED: _ClassVar[UnansweredQuery.Lack]
    LACK_UNSPECIFIED: UnansweredQuery.Lack
    LACK_ACCEPTED: UnansweredQuery.Lack
    LACK_SUGGESTED: UnansweredQuery.Lack
    QUERY_FIELD_NUMBER: _ClassVar[int]
    SEARCH_COUNT_FIELD_NUMBER: _ClassVar[int]
    USER_COUNT_FIELD_NUMBER: _ClassVar[int]
    query: str
    search_count: int
    user_count: int
    def __init__(self, query: _Optional[str] = ..., search_count: _Optional[int] = ..., user_count: _Optional[int] = ...) -> None: ...

class ListUnansweredQueriesRequest(_message.Message):
    __slots__ = ("model", "lack", "page_size", "page_token")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LACK_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    model: str
    lack: UnansweredQuery.Lack
    page_size: int
    page_token: str
    def __init__(self, model: _Optional[str] = ..., lack: _Optional[_Union[UnansweredQuery.Lack, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListUnansweredQueriesResponse(_message.Message):
    __slots__ = ("unanswered_queries", "next_page_token", "partial")
    UNANSWERED_QUERIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    unanswered_queries: _containers.RepeatedCompositeFieldContainer[UnansweredQuery]
    next_page_token: str
    partial: bool
    def __init__(self, unanswered_queries: _Optional[_Iterable[_Union[UnansweredQuery, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., partial: _Optional[bool] = ...) -> None: ...

class DeleteUserDataRequest(_message.Message):
    __slots__ = ("user_pseudo_id", "remover")
    USER_PSEUDO_ID_FIELD_NUMBER: _ClassVar[int]
    REMOVER_FIELD_NUMBER: _ClassVar[int]
    user_pseudo_id: str
    remover: str
    def __init__(self, user_pseudo_id: _Optional[str] = ..., remover: _Optional[str] = ...) -> None: ...

class DeleteUserDataResponse(_message.Message):
    __slots__ = ("event_count",)
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    event_count: int
    def __init__(self, event_count: _Optional[int] = ...) -> None: ...
