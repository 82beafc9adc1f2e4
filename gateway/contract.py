"""The API's methods and how HTTP calls them, read from the descriptors of the `.proto` files.

`google.api.http` gives a method's paths. `google.api.visibility` marks what the server does not serve yet: the gateway
has no path for it, and `/openapi.json` does not mention it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from autocomplete.v1 import (
    autocomplete_service_pb2,
    curation_service_pb2,
    deny_list_service_pb2,
    model_service_pb2,
    user_event_service_pb2,
)
from google.api import annotations_pb2, visibility_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

_FILES = (
    autocomplete_service_pb2,
    model_service_pb2,
    user_event_service_pb2,
    deny_list_service_pb2,
    curation_service_pb2,
)
_RESTRICTIONS = {
    extension.containing_type.full_name: extension
    for extension in visibility_pb2.DESCRIPTOR.extensions_by_name.values()
}
"""The extension that restricts a kind of descriptor, by the name of its options."""
_FOR_OPERATORS = {
    deny_list_service_pb2.DESCRIPTOR.services_by_name["DenyListService"].full_name,
    curation_service_pb2.DESCRIPTOR.services_by_name["CurationService"].full_name,
    *(
        user_event_service_pb2.DESCRIPTOR.services_by_name["UserEventService"].methods_by_name[name].full_name
        for name in ("ListTrendingQueries", "ListUnansweredQueries")
    ),
}
"""Services and methods."""
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


def services() -> list[ServiceDescriptor]:
    """All services that the server serves."""
    found = [service for file in _FILES for service in file.DESCRIPTOR.services_by_name.values()]
    return [service for service in found if is_served(service)]


def is_for_operators(method: MethodDescriptor) -> bool:
    """Whether the gateway serves a method with `--admin` alone."""
    return bool({method.full_name, method.containing_service.full_name} & _FOR_OPERATORS)


def methods() -> list[MethodDescriptor]:
    """All methods that the server serves."""
    return [method for service in services() for method in service.methods]


def is_served(descriptor: Any) -> bool:
    """Whether the server serves a service, a field or an enum's value: nothing restricts its visibility."""
    options = descriptor.GetOptions()
    return not options.HasExtension(_RESTRICTIONS[options.DESCRIPTOR.full_name])


def full_path(method: MethodDescriptor) -> str:
    """What gRPC calls a method by, such as `/autocomplete.v1.ModelService/GetModel`."""
    return f"/{method.containing_service.full_name}/{method.name}"


def bindings(method: MethodDescriptor) -> Iterator[Binding]:
    """The annotated way to call a method, then its additional ones; none if HTTP cannot express the method."""
    options = method.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return
    rule = options.Extensions[annotations_pb2.http]
    for each in (rule, *rule.additional_bindings):
        verb = each.WhichOneof("pattern")
        if verb in _VERBS:
            yield Binding(verb=verb.upper(), path=getattr(each, verb), body=each.body)
