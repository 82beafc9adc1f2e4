"""Writes the gateway's HTTP API as an OpenAPI 3.1 document, `gateway/openapi.json`, or to a FILE: `make proto`.

The document is made from the descriptors of the `.proto` files and their comments. It leaves out what the server
does not serve yet.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor, MethodDescriptor
from google.rpc import status_pb2

from gateway.contract import Binding, bindings, is_for_operators, is_served, methods
from scripts.api_comments import PACKAGE, read_comments

_TARGET = Path(__file__).resolve().parent.parent / "gateway" / "openapi.json"
_WELL_KNOWN: dict[str, dict[str, Any]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?\d+(\.\d{1,9})?s$"},
    "google.protobuf.Empty": {"type": "object"},
    "google.protobuf.Any": {"type": "object", "properties": {"@type": {"type": "string"}}, "required": ["@type"]},
}
_SCALARS: dict[int, dict[str, Any]] = {
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer", "format": "uint32"},
    FieldDescriptor.CPPTYPE_INT64: {"type": "string", "format": "int64"},
    FieldDescriptor.CPPTYPE_UINT64: {"type": "string", "format": "uint64"},
    FieldDescriptor.CPPTYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
}
_ERROR = {
    "description": "A `google.rpc.Status`; with the header `Retry-After` where it has a `RetryInfo`.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/google.rpc.Status"}}},
}
_AS_ASKED = "See `CompleteQueryRequest`."


def _suggest_option(name: str, about: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": about}


_SUGGEST = {
    "get": {
        "operationId": "Suggest",
        "tags": ["OpenSearch"],
        "summary": "Completes a query in the form of OpenSearch Suggestions, for the address bar of a browser.",
        "parameters": [
            _suggest_option("q", "What was typed.", {"type": "string"}) | {"required": True},
            _suggest_option("model", "A model's name, with or without `models/`.", {"type": "string"}),
            _suggest_option("max_suggestions", _AS_ASKED, {"type": "integer"}),
            _suggest_option("generated", _AS_ASKED, {"type": "string", "enum": ["off", "fill", "mix"]}),
            _suggest_option("min_acceptance_probability", _AS_ASKED, {"type": "number"}),
        ],
        "responses": {
            "200": {
                "description": "What was typed, the completions, and two empty lists.",
                "content": {"application/x-suggestions+json": {"schema": {"type": "array"}}},
            },
            "default": _ERROR,
        },
    }
}


def main(target: Path) -> None:
    """Writes the document."""
    document = _Writer(read_comments()).document(methods())
    target.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


class _Writer:
    """Collects the schemas of all messages that it meets."""

    def __init__(self, comments: Mapping[str, str]) -> None:
        self._schemas: dict[str, Any] = {}
        self._comments = comments

    def document(self, methods: list[MethodDescriptor]) -> dict[str, Any]:
        """The whole document."""
        paths: dict[str, Any] = {}
        for method in methods:
            for number, binding in enumerate(bindings(method)):
                operation = self._operation(method, binding, number)
                paths.setdefault(binding.spelt("{{{}}}"), {})[binding.verb.lower()] = operation
        self._reference(status_pb2.Status.DESCRIPTOR)
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "Autocomplete",
                "version": "v1",
                "summary": "The gRPC API of package autocomplete.v1 as JSON over HTTP.",
                "description": self._comments[f"{PACKAGE}.AutocompleteService"]
                + "\n\n`StreamCompleteQuery` is a WebSocket at `/v1:streamCompleteQuery`, its messages as JSON.",
            },
            "servers": [{"url": "."}],
            "paths": {**paths, "/suggest": _SUGGEST},
            "components": {"schemas": dict(sorted(self._schemas.items()))},
        }

    def _operation(self, method: MethodDescriptor, binding: Binding, number: int) -> dict[str, Any]:
        summary, _, description = self._comments[method.full_name].partition("\n\n")
        if is_for_operators(method):
            description = "\n\n".join(filter(None, (description, "The gateway serves this with `--admin` alone.")))
        operation: dict[str, Any] = {
            "operationId": method.name + ("" if number == 0 else f"By{binding.verb.title()}"),
            "tags": [method.containing_service.name],
            "summary": summary,
            "description": description,
            "parameters": self._parameters(method, binding),
            "responses": {"200": self._success(method), "default": _ERROR},
        }
        if binding.body:
            fields = method.input_type.fields_by_name
            body = method.input_type if binding.body == "*" else fields[binding.body].message_type
            schema = self._reference(body)
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        return operation

    def _parameters(self, method: MethodDescriptor, binding: Binding) -> list[dict[str, Any]]:
        """The fields that the path holds and, if there is no body, those that the query string may hold."""
        found: list[dict[str, Any]] = []
        for field in _served(method.input_type.fields):
            about = {"description": self._comments.get(field.full_name, "")}
            if field.name in binding.variables:
                schema = {"type": "string", "pattern": "^[^/]+$"}
                found.append({"name": field.name, "in": "path", "required": True, "schema": schema, **about})
            elif binding.body == "" and field.message_type is None:
                found.append({"name": field.json_name, "in": "query", "schema": self._value(field), **about})
            elif binding.body == "" and not field.is_repeated and field.message_type.file is field.file:
                for part in _served(field.message_type.fields):
                    about = {"description": self._comments.get(part.full_name, "")}
                    name = f"{field.json_name}.{part.json_name}"
                    found.append({"name": name, "in": "query", "schema": self._value(part), **about})
        return found

    def _success(self, method: MethodDescriptor) -> dict[str, Any]:
        schema = self._reference(method.output_type)
        if not method.server_streaming:
            return {"description": "The answer.", "content": {"application/json": {"schema": schema}}}
        return {
            "description": 'One JSON object a line, as produced. After a failure the last line is `{"error": ...}`.',
            "content": {"application/x-ndjson": {"schema": schema}},
        }

    def _reference(self, descriptor: Any) -> dict[str, Any]:
        known = _WELL_KNOWN.get(descriptor.full_name)
        if known is not None:
            return known
        name = descriptor.full_name.removeprefix(f"{PACKAGE}.")
        if name not in self._schemas:
            self._schemas[name] = {}  # first, so that a message that holds itself ends
            self._schemas[name] = (
                self._enum(descriptor) if isinstance(descriptor, EnumDescriptor) else self._object(descriptor)
            )
        return {"$ref": f"#/components/schemas/{name}"}

    def _object(self, descriptor: Any) -> dict[str, Any]:
        properties, required = {}, []
        for field in _served(descriptor.fields):
            behavior = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
            schema = self._value(field) | {"description": self._comments.get(field.full_name, "")}
            if field_behavior_pb2.OUTPUT_ONLY in behavior:
                schema["readOnly"] = True
            if field_behavior_pb2.REQUIRED in behavior:
                required.append(field.json_name)
            properties[field.json_name] = schema
        made: dict[str, Any] = {"type": "object", "properties": properties}
        if required:
            made["required"] = required
        return made | {"description": self._comments.get(descriptor.full_name, "")}

    def _enum(self, descriptor: Any) -> dict[str, Any]:
        names = [value.name for value in _served(descriptor.values)]
        lines = [f"- `{name}`: {self._comments.get(f'{descriptor.full_name}.{name}', '')}" for name in names]
        about = self._comments.get(descriptor.full_name, "")
        return {"type": "string", "enum": names, "description": "\n".join([about, "", *lines])}

    def _value(self, field: Any) -> dict[str, Any]:
        kind = field.message_type or field.enum_type
        schema = self._reference(kind) if kind is not None else _SCALARS[field.cpp_type]
        return {"type": "array", "items": schema} if field.is_repeated else dict(schema)


def _served(descriptors: Any) -> list[Any]:
    return [each for each in descriptors if is_served(each)]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else _TARGET)
