"""Messages from JSON and to JSON, both by `google.protobuf.json_format`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.contract import Binding
from lm.errors import RequestError

_BOOLEANS = {"true": True, "false": False}
# `json_format` says in text alone which field is wrong
_PARENTS = re.compile(r"Failed to parse (\w+) field: ")
_PLACE = re.compile(r" at (\w+(?:\.\w+)*)[.]*\Z")
_UNKNOWN = re.compile(r'no field named "(.*?)" at "([^"]*)"', re.DOTALL)


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
        _add_parameter(document, kind, name, text)
    return read_message(kind, document | dict(path_fields))


def read_message(kind: type[Message], document: dict[str, Any]) -> Message:
    """The message that a JSON object describes.

    Raises:
        RequestError: the object has an unknown field, or a value of the wrong type or out of its type's range.
    """
    try:
        return json_format.ParseDict(document, kind())
    except json_format.ParseError as error:
        raise _explained(str(error)) from None
    except (ValueError, TypeError, OverflowError, RecursionError):  # such as half of a surrogate pair
        raise malformed("body", "is not a message of the API.", "See /openapi.json.") from None


def parse_object(text: bytes | str) -> dict[str, Any]:
    """The JSON object in a text.

    Raises:
        RequestError: the text is not a JSON object.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise malformed("body", f"not valid JSON: {error}.", "Send a JSON object in UTF-8.") from None
    if not isinstance(document, dict):
        raise malformed("body", "is not a JSON object.", 'Send one, such as {"query": "new yor"}.')
    return document


def malformed(field: str, problem: str, remedy: str) -> RequestError:
    """The error for a request that HTTP or JSON makes impossible to read."""
    return RequestError(field, problem, fault="MALFORMED", remedy=remedy)


def _add_parameter(document: dict[str, Any], kind: type[Message], name: str, text: str) -> None:
    descriptor = kind.DESCRIPTOR
    field = descriptor.fields_by_name.get(name) or descriptor.fields_by_camelcase_name.get(name)
    if field is None:
        raise _no_such_field(name, descriptor.full_name)
    value = _BOOLEANS.get(text, text) if field.type == FieldDescriptor.TYPE_BOOL else text
    if field.is_repeated:
        document.setdefault(field.name, []).append(value)
    elif field.name in document:
        raise malformed(name, "is there twice.", "The field takes one value.")
    else:
        document[field.name] = value


def _explained(problem: str) -> RequestError:
    """The error for what `json_format` says."""
    unknown = _UNKNOWN.search(problem)
    if unknown:
        message, *parents = unknown[2].split(".")
        return _no_such_field(".".join([*parents, unknown[1]]), message)
    place = _PLACE.search(problem)
    path = place[1].split(".")[1:] if place else _PARENTS.findall(problem)
    reason = _PARENTS.sub("", problem[: place.start()] if place else problem).rstrip(".")
    return malformed(".".join(path) or "body", f"{reason}.", "See /openapi.json for its type.")


def _no_such_field(field: str, message: str) -> RequestError:
    return malformed(field, "no such field.", f"See {message.rpartition('.')[2]} in /openapi.json.")
