"""Messages as JSON, by the protobuf JSON mapping; fields without presence are always there.

An encoder is made once for each type of message from its descriptor. `python -m benchmarks.gateway` compares it with
`google.protobuf.json_format`, to which it leaves the well-known types.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import orjson
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

_Encode = Callable[[Any], Any]
_DETAIL_TYPES = {
    kind.DESCRIPTOR.full_name
    for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)
}


def to_json(message: Message) -> bytes:
    """The message as UTF-8 JSON."""
    # single precision as numpy's, which orjson writes with as few digits as tell it apart
    return orjson.dumps(message_encoder(message.DESCRIPTOR)(message), option=orjson.OPT_SERIALIZE_NUMPY)


@cache
def message_encoder(descriptor: Descriptor) -> _Encode:
    """What makes a dict, for `orjson`, of messages of a type."""
    if descriptor.full_name == status_pb2.Status.DESCRIPTOR.full_name:
        return status_document
    if descriptor.full_name.startswith("google.protobuf."):
        return json_format.MessageToDict
    plain: list[tuple[str, str, _Encode | None]] = []
    optional: list[tuple[str, str, _Encode]] = []
    for field in descriptor.fields:
        encode = _value_encoder(field)
        if field.is_repeated:
            plain.append((field.json_name, field.name, _each(encode)))
        elif field.has_presence:
            optional.append((field.json_name, field.name, encode or _same))
        else:
            plain.append((field.json_name, field.name, encode))

    def document(message: Any) -> dict[str, Any]:
        made = {}
        for json_name, name, encode in plain:
            value = getattr(message, name)
            made[json_name] = value if encode is None else encode(value)
        for json_name, name, encode in optional:
            if message.HasField(name):
                made[json_name] = encode(getattr(message, name))
        return made

    return document


def status_document(status: status_pb2.Status) -> dict[str, Any]:
    """A `google.rpc.Status`; details of types that are not the contract's are left out."""
    details = [
        json_format.MessageToDict(detail)
        for detail in status.details
        if detail.type_url.rpartition("/")[2] in _DETAIL_TYPES
    ]
    return {"code": status.code, "message": status.message, "details": details}


def _value_encoder(field: Any) -> _Encode | None:
    """What makes one value; None where it is what it is."""
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_MESSAGE:
        return message_encoder(field.message_type)
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        names = {value.number: value.name for value in field.enum_type.values}
        return lambda number: names.get(number, number)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: base64.b64encode(value).decode()
    return _SCALARS.get(kind)


def _each(encode: _Encode | None) -> _Encode:
    return list if encode is None else lambda values: [encode(value) for value in values]


def _same(value: Any) -> Any:
    return value


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


_SCALARS: dict[int, _Encode] = {
    FieldDescriptor.CPPTYPE_INT64: str,
    FieldDescriptor.CPPTYPE_UINT64: str,
    FieldDescriptor.CPPTYPE_FLOAT: lambda value: np.float32(value) if math.isfinite(value) else _not_finite(value),
    FieldDescriptor.CPPTYPE_DOUBLE: lambda value: value if math.isfinite(value) else _not_finite(value),
}
