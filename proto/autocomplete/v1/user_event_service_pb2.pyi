import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import visibility_pb2 as _visibility_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UserEvent(_message.Message):
    __slots__ = ("event_id", "event_type", "attribution_token", "query", "selected_position", "typed_length", "user_pseudo_id", "event_time")
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
    event_id: str
    event_type: UserEvent.EventType
    attribution_token: str
    query: str
    selected_position: int
    typed_length: int
    user_pseudo_id: str
    event_time: _timestamp_pb2.Timestamp
    def __init__(self, event_id: _Optional[str] = ..., event_type: _Optional[_Union[UserEvent.EventType, str]] = ..., attribution_token: _Optional[str] = ..., query: _Optional[str] = ..., selected_position: _Optional[int] = ..., typed_length: _Optional[int] = ..., user_pseudo_id: _Optional[str] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class WriteUserEventRequest(_message.Message):
    __slots__ = ("user_event",)
    USER_EVENT_FIELD_NUMBER: _ClassVar[int]
    user_event: UserEvent
    def __init__(self, user_event: _Optional[_Union[UserEvent, _Mapping]] = ...) -> None: ...
