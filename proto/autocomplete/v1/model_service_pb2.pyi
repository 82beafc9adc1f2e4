import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Model(_message.Message):
    __slots__ = ("name", "version", "state", "latest_version", "latest_version_error", "create_time", "language_models", "query_count", "manifest_sha256", "served_versions")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Model.State]
        STATE_LOADING: _ClassVar[Model.State]
        STATE_ACTIVE: _ClassVar[Model.State]
        STATE_FAILED: _ClassVar[Model.State]
    STATE_UNSPECIFIED: Model.State
    STATE_LOADING: Model.State
    STATE_ACTIVE: Model.State
    STATE_FAILED: Model.State
    class LanguageModel(_message.Message):
        __slots__ = ("name", "unit", "vocabulary_size", "ngram_order", "ngram_count", "neural_kind", "parameter_count")
        NAME_FIELD_NUMBER: _ClassVar[int]
        UNIT_FIELD_NUMBER: _ClassVar[int]
        VOCABULARY_SIZE_FIELD_NUMBER: _ClassVar[int]
        NGRAM_ORDER_FIELD_NUMBER: _ClassVar[int]
        NGRAM_COUNT_FIELD_NUMBER: _ClassVar[int]
        NEURAL_KIND_FIELD_NUMBER: _ClassVar[int]
        PARAMETER_COUNT_FIELD_NUMBER: _ClassVar[int]
        name: str
        unit: str
        vocabulary_size: int
        ngram_order: int
        ngram_count: int
        neural_kind: str
        parameter_count: int
        def __init__(self, name: _Optional[str] = ..., unit: _Optional[str] = ..., vocabulary_size: _Optional[int] = ..., ngram_order: _Optional[int] = ..., ngram_count: _Optional[int] = ..., neural_kind: _Optional[str] = ..., parameter_count: _Optional[int] = ...) -> None: ...
    class ServedVersion(_message.Message):
        __slots__ = ("version", "share", "configured_share", "error")
        VERSION_FIELD_NUMBER: _ClassVar[int]
        SHARE_FIELD_NUMBER: _ClassVar[int]
        CONFIGURED_SHARE_FIELD_NUMBER: _ClassVar[int]
        ERROR_FIELD_NUMBER: _ClassVar[int]
        version: str
        share: float
        configured_share: float
        error: _status_pb2.Status
        def __init__(self, version: _Optional[str] = ..., share: _Optional[float] = ..., configured_share: _Optional[float] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LATEST_VERSION_FIELD_NUMBER: _ClassVar[int]
    LATEST_VERSION_ERROR_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_MODELS_FIELD_NUMBER: _ClassVar[int]
    QUERY_COUNT_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_SHA256_FIELD_NUMBER: _ClassVar[int]
    SERVED_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    state: Model.State
    latest_version: str
    latest_version_error: _status_pb2.Status
    create_time: _timestamp_pb2.Timestamp
    language_models: _containers.RepeatedCompositeFieldContainer[Model.LanguageModel]
    query_count: int
    manifest_sha256: str
    served_versions: _containers.RepeatedCompositeFieldContainer[Model.ServedVersion]
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., state: _Optional[_Union[Model.State, str]] = ..., latest_version: _Optional[str] = ..., latest_version_error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., language_models: _Optional[_Iterable[_Union[Model.LanguageModel, _Mapping]]] = ..., query_count: _Optional[int] = ..., manifest_sha256: _Optional[str] = ..., served_versions: _Optional[_Iterable[_Union[Model.ServedVersion, _Mapping]]] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "next_page_token")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    next_page_token: str
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
