import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DenyListEntry(_message.Message):
    __slots__ = ("name", "phrase", "match_operator", "create_time", "model", "reason", "creator", "expire_time")
    class MatchOperator(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MATCH_OPERATOR_UNSPECIFIED: _ClassVar[DenyListEntry.MatchOperator]
        MATCH_OPERATOR_EXACT: _ClassVar[DenyListEntry.MatchOperator]
        MATCH_OPERATOR_CONTAINS: _ClassVar[DenyListEntry.MatchOperator]
        MATCH_OPERATOR_PATTERN: _ClassVar[DenyListEntry.MatchOperator]
        MATCH_OPERATOR_GENERATED: _ClassVar[DenyListEntry.MatchOperator]
        MATCH_OPERATOR_EVERYTHING: _ClassVar[DenyListEntry.MatchOperator]
    MATCH_OPERATOR_UNSPECIFIED: DenyListEntry.MatchOperator
    MATCH_OPERATOR_EXACT: DenyListEntry.MatchOperator
    MATCH_OPERATOR_CONTAINS: DenyListEntry.MatchOperator
    MATCH_OPERATOR_PATTERN: DenyListEntry.MatchOperator
    MATCH_OPERATOR_GENERATED: DenyListEntry.MatchOperator
    MATCH_OPERATOR_EVERYTHING: DenyListEntry.MatchOperator
    NAME_FIELD_NUMBER: _ClassVar[int]
    PHRASE_FIELD_NUMBER: _ClassVar[int]
    MATCH_OPERATOR_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    phrase: str
    match_operator: DenyListEntry.MatchOperator
    create_time: _timestamp_pb2.Timestamp
    model: str
    reason: str
    creator: str
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., phrase: _Optional[str] = ..., match_operator: _Optional[_Union[DenyListEntry.MatchOperator, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., model: _Optional[str] = ..., reason: _Optional[str] = ..., creator: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateDenyListEntryRequest(_message.Message):
    __slots__ = ("deny_list_entry",)
    DENY_LIST_ENTRY_FIELD_NUMBER: _ClassVar[int]
    deny_list_entry: DenyListEntry
    def __init__(self, deny_list_entry: _Optional[_Union[DenyListEntry, _Mapping]] = ...) -> None: ...

class DeleteDenyListEntryRequest(_message.Message):
    __slots__ = ("name", "remover")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REMOVER_FIELD_NUMBER: _ClassVar[int]
    name: str
    remover: str
    def __init__(self, name: _Optional[str] = ..., remover: _Optional[str] = ...) -> None: ...

class ListDenyListEntriesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDenyListEntriesResponse(_message.Message):
    __slots__ = ("deny_list_entries", "next_page_token")
    DENY_LIST_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    deny_list_entries: _containers.RepeatedCompositeFieldContainer[DenyListEntry]
    next_page_token: str
    def __init__(self, deny_list_entries: _Optional[_Iterable[_Union[DenyListEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
