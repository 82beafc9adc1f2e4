"""Messages from JSON and to JSON, both by `google.protobuf.json_format`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import orjson
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.contract import Binding, is_served
from lm.errors import RequestError

Kind = TypeVar("Kind", bound=Message)
_BOOLEANS = {"true": True, "false": False}
_WHOLE, _NUMBER = "no whole number, or too large", "no number, or too large"
_EXPECTED = {
    FieldDescriptor.CPPTYPE_STRING: "no string, or not of Unicode characters",
    FieldDescriptor.CPPTYPE_BOOL: "neither true nor false, without quotes",
    FieldDescriptor.CPPTYPE_INT32: _WHOLE,
    FieldDescriptor.CPPTYPE_INT64: _WHOLE,
    FieldDescriptor.CPPTYPE_UINT32: _WHOLE,
    FieldDescriptor.CPPTYPE_UINT64: _WHOLE,
    FieldDescriptor.CPPTYPE_FLOAT: _NUMBER,
    FieldDescriptor.CPPTYPE_DOUBLE: _NUMBER,
    FieldDescriptor.CPPTYPE_MESSAGE: "no JSON object",
}
_UNREADABLE = (json_format.ParseError, ValueError, TypeError, OverflowError, RecursionError)
"""What `json_format` raises; half of a surrogate pair is no `ParseError`."""


def to_document(message: Message) -> dict[str, Any]:
    """The message as a JSON object. Fields without presence are always there."""
    document: dict[str, Any] = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    return document


def to_json(message: Message) -> bytes:
    """The message as UTF-8 JSON."""
    return orjson.dumps(to_document(message))


def read_request(
    kind: type[Message],
    binding: Binding,
    body: bytes,
    parameters: Iterable[tuple[str, str]],
    path_fields: Mapping[str, str],
) -> Message:
    """The request of an HTTP call, put together as `google.api.http` says.

    Args:
        parameters: names and values of the query string.
        path_fields: what the path's variables matched.

    Raises:
        RequestError: the call has no such message.
    """
    given = list(parameters)
    document: dict[str, Any] = {}
    if binding.body == "*":
        document = parse_object(body)
        if given:
            raise malformed("query string", "must be empty.", "Put all fields into the body.")
    elif binding.body:
        document[binding.body] = parse_object(body)
    elif body.strip():
        raise malformed("body", "must be empty.", f"{binding.verb} takes its fields from the query string.")
    for name, text in given:
        _add_parameter(document, kind.DESCRIPTOR, name, text)
    return read_message(kind, document | dict(path_fields))


def read_message(kind: type[Kind], document: dict[str, Any]) -> Kind:
    """The message that a JSON object describes.

    Raises:
        RequestError: the object has an unknown field, or a value of the wrong type or out of its type's range.
    """
    try:
        message = json_format.ParseDict(document, kind())
    except _UNREADABLE:
        raise _explained(kind, document) from None
    _refuse_booleans(kind.DESCRIPTOR, document)
    return message


def parse_object(text: bytes | str) -> dict[str, Any]:
    """The JSON object in a text.

    Raises:
        RequestError: the text is not a JSON object.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise malformed("body", f"not valid JSON ({place}).", "Send a JSON object in UTF-8.") from None
    if not isinstance(document, dict):
        raise malformed("body", "is not a JSON object.", 'Send one, such as {"query": "new yor"}.')
    return document


def malformed(field: str, problem: str, remedy: str) -> RequestError:
    """The error for a request that HTTP or JSON makes impossible to read."""
    return RequestError(field, problem, fault="MALFORMED", remedy=remedy)


def _add_parameter(document: dict[str, Any], message: Any, name: str, text: str) -> None:
    """Adds a field; the name of one of a message in it has dots, as `filter.allOf`."""
    outer, dot, inner = name.partition(".")
    holder = _field_of(message, outer) if dot else None
    if holder is not None and holder.message_type is not None and not holder.is_repeated:
        _add_parameter(document.setdefault(holder.name, {}), holder.message_type, inner, text)
        return
    field = _field_of(message, name)
    if field is None or field.message_type is not None:
        raise _no_such_field(name, message)
    value = _BOOLEANS.get(text, text) if field.type == FieldDescriptor.TYPE_BOOL else text
    if field.is_repeated:
        document.setdefault(field.name, []).append(value)
    elif field.name in document:
        raise malformed(name, "is there twice.", "The field takes one value.")
    else:
        document[field.name] = value


def _explained(kind: type[Message], document: Mapping[str, Any], path: str = "") -> RequestError:
    """The error for the field of the document that is wrong.

    `json_format` says which one it is only in a text, and why only in words of Python's: each field is read by itself.
    """
    for name, value in document.items():
        field = _field_of(kind.DESCRIPTOR, name)
        if field is None:
            return _no_such_field(path + name, kind.DESCRIPTOR)
        if _is_read(kind, {name: value}):
            continue
        inner = None if field.message_type is None else GetMessageClass(field.message_type)
        if inner is not None and not field.is_repeated and isinstance(value, dict):
            return _explained(inner, value, f"{path}{name}.")
        if inner is not None and field.is_repeated and isinstance(value, list):
            for place, item in enumerate(value):
                if isinstance(item, dict) and not _is_read(kind, {name: [item]}):
                    return _explained(inner, item, f"{path}{name}[{place}].")
        return _unexpected(path + name, field)
    return malformed(path.rstrip(".") or "body", "has fields that exclude each other.", "See /openapi.json.")


def _refuse_booleans(message: Any, document: Mapping[str, Any], path: str = "") -> None:
    """Raises for `true` and `false` where a number or a name belongs: `json_format` takes them for 1 and 0."""
    for name, value in document.items():
        field = _field_of(message, name)
        if field is not None and field.message_type is not None:
            if isinstance(value, dict):
                _refuse_booleans(field.message_type, value, f"{path}{name}.")
            for place, item in enumerate(value if isinstance(value, list) else ()):
                _refuse_booleans(field.message_type, item, f"{path}{name}[{place}].")
        elif isinstance(value, bool) and field is not None and field.cpp_type != FieldDescriptor.CPPTYPE_BOOL:
            raise _unexpected(path + name, field)


def _unexpected(place: str, field: FieldDescriptor) -> RequestError:
    return malformed(place, f"is {_expected(field)}.", "See /openapi.json for its type.")


def _is_read(kind: type[Message], document: dict[str, Any]) -> bool:
    try:
        json_format.ParseDict(document, kind())
    except _UNREADABLE:
        return False
    return True


def _expected(field: FieldDescriptor) -> str:
    if field.is_repeated:
        return "not a list, or not one of the right type"
    if field.enum_type is None:
        return _EXPECTED[field.cpp_type]
    return "not one of " + ", ".join(value.name for value in field.enum_type.values if is_served(value))


def _field_of(message: Any, name: str) -> FieldDescriptor | None:
    found: FieldDescriptor | None = message.fields_by_name.get(name) or message.fields_by_camelcase_name.get(name)
    return found


def _no_such_field(field: str, message: Any) -> RequestError:
    name = message.full_name.removeprefix(f"{message.file.package}.")
    return malformed(field, "no such field.", f"See {name} in /openapi.json.")
