"""The contract's methods and how they are called over HTTP: what its `google.api.http` annotations say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from autocomplete.v1 import (
    autocomplete_service_pb2,
    deny_list_service_pb2,
    model_service_pb2,
    user_event_service_pb2,
)
from google.api import annotations_pb2
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

ADMIN_SERVICES = frozenset({"autocomplete.v1.DenyListService"})
"""Services that a public gateway does not offer unless it is told to."""

_FILES = (autocomplete_service_pb2, model_service_pb2, user_event_service_pb2, deny_list_service_pb2)
_VERBS = ("get", "put", "post", "delete", "patch")
_VARIABLE = re.compile(r"\{(\w+)(?:=([^}]+))?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One way to call a method over HTTP.

    Attributes:
        verb: `GET`, `POST`, ...
        path: the path's template, such as `/v1/{name=models/*}`.
        body: the field that the body holds; `*` for the whole request, empty for none.
    """

    verb: str
    path: str
    body: str

    @property
    def variables(self) -> dict[str, str]:
        """Templates of the path's parts by the field that they fill, such as `name`: `models/*`."""
        return {name: template or "*" for name, template in _VARIABLE.findall(self.path)}

    def spelt(self, segment: str) -> str:
        """The path with each `*` replaced: `segment` has `{}` where the field's name goes."""
        return _VARIABLE.sub(lambda found: (found[2] or "*").replace("*", segment.format(found[1])), self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method of the contract.

    Attributes:
        full_path: what gRPC calls it by, such as `/autocomplete.v1.ModelService/GetModel`.
        bindings: the annotated one, then its additional ones; none for what HTTP cannot express.
    """

    name: str
    service: str
    full_path: str
    request: type[Message]
    response: Descriptor
    streams_answers: bool
    bindings: tuple[Binding, ...]


def methods(*, admin: bool) -> list[Method]:
    """All methods of the contract, or those that anybody may call."""
    found = []
    for file in _FILES:
        for service in file.DESCRIPTOR.services_by_name.values():
            if admin or service.full_name not in ADMIN_SERVICES:
                found += [_method(descriptor) for descriptor in service.methods]
    return found


def _method(descriptor: MethodDescriptor) -> Method:
    service = descriptor.containing_service.full_name
    return Method(
        name=descriptor.name,
        service=service,
        full_path=f"/{service}/{descriptor.name}",
        request=GetMessageClass(descriptor.input_type),
        response=descriptor.output_type,
        streams_answers=descriptor.server_streaming,
        bindings=tuple(_bindings(descriptor)),
    )


def _bindings(descriptor: MethodDescriptor) -> Iterator[Binding]:
    options = descriptor.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return
    rule = options.Extensions[annotations_pb2.http]
    for each in (rule, *rule.additional_bindings):
        verb = each.WhichOneof("pattern")
        if verb in _VERBS:
            yield Binding(verb=verb.upper(), path=getattr(each, verb), body=each.body)
