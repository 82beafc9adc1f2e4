"""From JSON and query parameters to messages; what is wrong becomes a `RequestError` that names the field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.contract import Binding
from lm.errors import RequestError

_PLACES = re.compile(r"Failed to parse (\w+) field: ")
_END = re.compile(r" at (\w+(?:\.\w+)*)[.]*\Z")
_UNKNOWN = re.compile(r'no field named "(.*?)" at "([^"]*)"', re.DOTALL)
_PLAIN = {FieldDescriptor.TYPE_STRING: str, FieldDescriptor.TYPE_BOOL: bool, FieldDescriptor.TYPE_INT32: int}
_BOOLEANS = {"true": True, "false": False}


def read_request(
    kind: type[Message],
    binding: Binding,
    body: bytes,
    parameters: Iterable[tuple[str, str]],
    path_fields: Mapping[str, str],
) -> Message:
    """The request of an HTTP call, put together as `google.api.http` says.

    Args:
        parameters: names and values of the query string; `a.b` is the field `b` of the field `a`.
        path_fields: what the path's variables matched.

    Raises:
        RequestError: it is no such message.
    """
    document: dict[str, Any] = {}
    if binding.body == "*":
        document = parse_object(body)
    elif binding.body:
        document[binding.body] = parse_object(body)
    elif body.strip():
        raise _malformed("body", "there is one.", f"{binding.verb} takes its fields from the query string.")
    if binding.body != "*":
        _add_parameters(document, kind.DESCRIPTOR, parameters)
    elif next(iter(parameters), None) is not None:
        raise _malformed("query string", "there is one.", "All fields go into the body.")
    return read_message(kind, document | dict(path_fields))


def read_message(kind: type[Message], document: dict[str, Any]) -> Message:
    """The message that a JSON object is, by the protobuf JSON mapping.

    Raises:
        RequestError: it has an unknown field, or a value of the wrong type or out of its type's range.
    """
    try:
        plain = _plain_fields(kind, document)
        return json_format.ParseDict(document, kind()) if plain is None else kind(**plain)
    except json_format.ParseError as error:
        raise _explained(str(error)) from None
    except (ValueError, TypeError, OverflowError, RecursionError):  # such as half of a surrogate pair
        raise _malformed("body", "is no message of the contract.", "See /openapi.json.") from None


def _plain_fields(kind: type[Message], document: dict[str, Any]) -> dict[str, Any] | None:
    """The fields by their names in the contract, if each has its JSON type: in 1 us, `json_format` takes 17."""
    types = _plain_types(kind.DESCRIPTOR)
    plain: dict[str, Any] = {}
    for key, value in document.items():
        name, wanted, bound = types.get(key, ("", None, 0))
        if type(value) is not wanted or name in plain or (type(value) is int and not -bound <= value < bound):
            return None
        plain[name] = value
    return plain


@cache
def _plain_types(descriptor: Descriptor) -> dict[str, tuple[str, type, int]]:
    """Name, Python type and, for whole numbers, bound of the fields that need no conversion, by either name."""
    types: dict[str, tuple[str, type, int]] = {}
    for field in descriptor.fields:
        plain = _PLAIN.get(field.type)
        if plain is not None and not field.is_repeated:
            types[field.name] = types[field.json_name] = (field.name, plain, 2**31)
    return types


def parse_object(text: bytes | str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        RequestError: it is none.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _malformed("body", f"not valid JSON: {error}.", "Send a JSON object in UTF-8.") from None
    if not isinstance(document, dict):
        raise _malformed("body", "is no JSON object.", 'Send one, such as {"query": "new yor"}.')
    return document


def _add_parameters(document: dict[str, Any], descriptor: Any, parameters: Iterable[tuple[str, str]]) -> None:
    for path, text in parameters:
        *parents, last = path.split(".")
        holder, kind = document, descriptor
        for name in parents:
            field = _field(kind, name, path)
            if field.message_type is None or field.is_repeated:
                raise _malformed(path, "has no fields of its own.", f"{name!r} is a value.")
            holder, kind = holder.setdefault(field.name, {}), field.message_type
            if not isinstance(holder, dict):  # given as a whole before
                raise _malformed(path, "is there twice.", f"{name!r} has a value already.")
        field = _field(kind, last, path)
        value = _BOOLEANS.get(text, text) if field.type == FieldDescriptor.TYPE_BOOL else text
        if field.name in holder and not (field.is_repeated and isinstance(holder[field.name], list)):
            raise _malformed(path, "is there twice.", "It takes one value.")
        if field.is_repeated:
            holder.setdefault(field.name, []).append(value)
        else:
            holder[field.name] = value


def _field(descriptor: Any, name: str, path: str) -> FieldDescriptor:
    field = descriptor.fields_by_name.get(name) or descriptor.fields_by_camelcase_name.get(name)
    if field is None:
        raise _no_such_field(path, descriptor.full_name)
    found: FieldDescriptor = field
    return found


def _explained(problem: str) -> RequestError:
    """An error of `json_format`, which says where as text."""
    unknown = _UNKNOWN.search(problem)
    if unknown:
        message, *parents = unknown[2].split(".")
        return _no_such_field(".".join([*parents, unknown[1]]), message)
    end = _END.search(problem)
    places = end[1].split(".")[1:] if end else _PLACES.findall(problem)
    reason = _PLACES.sub("", problem[: end.start()] if end else problem).rstrip(".")
    return _malformed(".".join(places) or "body", f"{reason}.", "See /openapi.json for its type.")


def _no_such_field(field: str, message: str) -> RequestError:
    return _malformed(field, "no such field.", f"See {message.rpartition('.')[2]} in /openapi.json.")


def _malformed(field: str, problem: str, remedy: str) -> RequestError:
    return RequestError(field, problem, fault="MALFORMED", remedy=remedy)
