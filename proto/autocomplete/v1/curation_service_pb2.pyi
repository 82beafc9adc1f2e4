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

class CatalogueEntry(_message.Message):
    __slots__ = ("name", "model", "text", "weight", "payload", "tags", "withdrawn", "creator", "create_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    model: str
    text: str
    weight: float
    payload: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    withdrawn: bool
    creator: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., model: _Optional[str] = ..., text: _Optional[str] = ..., weight: _Optional[float] = ..., payload: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., withdrawn: _Optional[bool] = ..., creator: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Pin(_message.Message):
    __slots__ = ("name", "model", "query", "match", "text", "payload", "place", "boost", "start_time", "expire_time", "creator", "create_time")
    class Match(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MATCH_UNSPECIFIED: _ClassVar[Pin.Match]
        MATCH_TYPED: _ClassVar[Pin.Match]
        MATCH_BEGINS: _ClassVar[Pin.Match]
    MATCH_UNSPECIFIED: Pin.Match
    MATCH_TYPED: Pin.Match
    MATCH_BEGINS: Pin.Match
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    BOOST_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    model: str
    query: str
    match: Pin.Match
    text: str
    payload: str
    place: int
    boost: float
    start_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    creator: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., model: _Optional[str] = ..., query: _Optional[str] = ..., match: _Optional[_Union[Pin.Match, str]] = ..., text: _Optional[str] = ..., payload: _Optional[str] = ..., place: _Optional[int] = ..., boost: _Optional[float] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., creator: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Synonym(_message.Message):
    __slots__ = ("name", "model", "phrase", "replacement", "two_way", "creator", "create_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PHRASE_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENT_FIELD_NUMBER: _ClassVar[int]
    TWO_WAY_FIELD_NUMBER: _ClassVar[int]
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    model: str
    phrase: str
    replacement: str
    two_way: bool
    creator: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., model: _Optional[str] = ..., phrase: _Optional[str] = ..., replacement: _Optional[str] = ..., two_way: _Optional[bool] = ..., creator: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class HitCount(_message.Message):
    __slots__ = ("query", "hits")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    HITS_FIELD_NUMBER: _ClassVar[int]
    query: str
    hits: int
    def __init__(self, query: _Optional[str] = ..., hits: _Optional[int] = ...) -> None: ...

class CreateCatalogueEntryRequest(_message.Message):
    __slots__ = ("catalogue_entry",)
    CATALOGUE_ENTRY_FIELD_NUMBER: _ClassVar[int]
    catalogue_entry: CatalogueEntry
    def __init__(self, catalogue_entry: _Optional[_Union[CatalogueEntry, _Mapping]] = ...) -> None: ...

class BatchCreateCatalogueEntriesRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[CreateCatalogueEntryRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[CreateCatalogueEntryRequest, _Mapping]]] = ...) -> None: ...

class BatchCreateCatalogueEntriesResponse(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteCatalogueEntryRequest(_message.Message):
    __slots__ = ("name", "remover")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REMOVER_FIELD_NUMBER: _ClassVar[int]
    name: str
    remover: str
    def __init__(self, name: _Optional[str] = ..., remover: _Optional[str] = ...) -> None: ...

class ListCatalogueEntriesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCatalogueEntriesResponse(_message.Message):
    __slots__ = ("catalogue_entries", "next_page_token")
    CATALOGUE_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    catalogue_entries: _containers.RepeatedCompositeFieldContainer[CatalogueEntry]
    next_page_token: str
    def __init__(self, catalogue_entries: _Optional[_Iterable[_Union[CatalogueEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CreatePinRequest(_message.Message):
    __slots__ = ("pin",)
    PIN_FIELD_NUMBER: _ClassVar[int]
    pin: Pin
    def __init__(self, pin: _Optional[_Union[Pin, _Mapping]] = ...) -> None: ...

class DeletePinRequest(_message.Message):
    __slots__ = ("name", "remover")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REMOVER_FIELD_NUMBER: _ClassVar[int]
    name: str
    remover: str
    def __init__(self, name: _Optional[str] = ..., remover: _Optional[str] = ...) -> None: ...

class ListPinsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPinsResponse(_message.Message):
    __slots__ = ("pins", "next_page_token")
    PINS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    pins: _containers.RepeatedCompositeFieldContainer[Pin]
    next_page_token: str
    def __init__(self, pins: _Optional[_Iterable[_Union[Pin, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CreateSynonymRequest(_message.Message):
    __slots__ = ("synonym",)
    SYNONYM_FIELD_NUMBER: _ClassVar[int]
    synonym: Synonym
    def __init__(self, synonym: _Optional[_Union[Synonym, _Mapping]] = ...) -> None: ...

class DeleteSynonymRequest(_message.Message):
    __slots__ = ("name", "remover")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REMOVER_FIELD_NUMBER: _ClassVar[int]
    name: str
    remover: str
    def __init__(self, name: _Optional[str] = ..., remover: _Optional[str] = ...) -> None: ...

class ListSynonymsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSynonymsResponse(_message.Message):
    __slots__ = ("synonyms", "next_page_token")
    SYNONYMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    synonyms: _containers.RepeatedCompositeFieldContainer[Synonym]
    next_page_token: str
    def __init__(self, synonyms: _Optional[_Iterable[_Union[Synonym, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SetHitCountsRequest(_message.Message):
    __slots__ = ("model", "hit_counts", "creator")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    HIT_COUNTS_FIELD_NUMBER: _ClassVar[int]
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    model: str
    hit_counts: _containers.RepeatedCompositeFieldContainer[HitCount]
    creator: str
    def __init__(self, model: _Optional[str] = ..., hit_counts: _Optional[_Iterable[_Union[HitCount, _Mapping]]] = ..., creator: _Optional[str] = ...) -> None: ...

class SetHitCountsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListHitCountsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListHitCountsResponse(_message.Message):
    __slots__ = ("hidden_queries", "next_page_token")
    class HiddenQuery(_message.Message):
        __slots__ = ("query", "model", "creator", "create_time")
        QUERY_FIELD_NUMBER: _ClassVar[int]
        MODEL_FIELD_NUMBER: _ClassVar[int]
        CREATOR_FIELD_NUMBER: _ClassVar[int]
        CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
        query: str
        model: str
        creator: str
        create_time: _timestamp_pb2.Timestamp
        def __init__(self, query: _Optional[str] = ..., model: _Optional[str] = ..., creator: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
    HIDDEN_QUERIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    hidden_queries: _containers.RepeatedCompositeFieldContainer[ListHitCountsResponse.HiddenQuery]
    next_page_token: str
    def __init__(self, hidden_queries: _Optional[_Iterable[_Union[ListHitCountsResponse.HiddenQuery, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
