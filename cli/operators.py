"""What the commands have in common that change what a running server suggests."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import Annotated, Any

import typer

from cli.output import print_json, print_rows, stderr
from cli.serve import DEFAULT_SERVER

TIMEOUT_S = 10.0
_PAGE = 1000
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
Row = Mapping[str, Any]
"""A message as `MessageToDict` gives it."""
Server = Annotated[str, typer.Option(metavar="HOST:PORT", help="Server to ask.")]
Who = Annotated[str, typer.Option(metavar="NAME", help="Who does it. If not given, USER@MACHINE.")]


@contextmanager
def calling(address: str, service: str, *, model: str = "") -> Iterator[Any]:
    """The stub of a service of the API, such as `DenyListService`; what goes wrong in a call is one of our errors.

    Args:
        model: what the API calls the model that calls name: people are told afterwards if the server does not have it.
    """
    import grpc

    from autocomplete_client.channel import open_channel
    from autocomplete_client.errors import from_rpc
    from cli.suggestions import reaching

    stubs = import_module(f"{_module(service)}_grpc")
    with reaching(address), open_channel(address) as channel:
        try:
            yield getattr(stubs, f"{service}Stub")(channel)
            if model:
                _tell_if_unknown(channel, model)
        except grpc.RpcError as error:
            raise from_rpc(error) from None


def lister(
    service: str, method: str, field: str, shown: Callable[[Row], Mapping[str, str]], doc: str
) -> Callable[..., None]:
    """A command that lists what a service keeps.

    Args:
        field: of the response, which has the messages.
        shown: what a table shows of a message, by column.
    """

    def list_all(
        *,
        as_json: Annotated[bool, typer.Option("--json", help="Prints them as JSON.")] = False,
        server: Server = DEFAULT_SERVER,
    ) -> None:
        from google.protobuf.json_format import MessageToDict

        request = getattr(import_module(_module(service)), f"{method}Request")()
        with calling(server, service) as stub:
            found = [each for page in _pages(getattr(stub, method), request) for each in getattr(page, field)]
        rows = [MessageToDict(each, preserving_proto_field_name=True) for each in found]
        if as_json:
            print_json({field: rows})
        else:
            print_rows([shown(row) for row in rows])

    list_all.__doc__ = doc
    return list_all


def remover(service: str, method: str, collection: str, doc: str) -> Callable[..., None]:
    """A command that removes what a service keeps, by names with or without their collection."""

    def remove(
        names: Annotated[list[str], typer.Argument(metavar="NAME...", help="What `add` printed and `list` shows.")],
        *,
        by: Who = "",
        server: Server = DEFAULT_SERVER,
    ) -> None:
        request = getattr(import_module(_module(service)), f"{method}Request")
        with calling(server, service) as stub:
            for name in names:
                full = f"{collection}/{name.removeprefix(collection + '/')}"
                getattr(stub, method)(request(name=full, remover=by or who()), timeout=TIMEOUT_S)
                print(f"{name}: removed")

    remove.__doc__ = doc
    return remove


def _module(service: str) -> str:
    return f"autocomplete.v1.{_CAPITAL.sub('_', service).lower()}_pb2"


def _pages(method: Any, request: Any) -> Iterator[Any]:
    """All pages that a method gives which lists something."""
    request.page_size = _PAGE
    while True:
        page = method(request, timeout=TIMEOUT_S)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def resource(model: str) -> str:
    """What the API calls a model; empty for none."""
    return f"models/{model.removeprefix('models/')}" if model else ""


def parse_time(text: str, option: str, such_as: str = "2027-01-31T18:00Z") -> datetime:
    """A time as people give it, `such_as` this."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time such as {such_as}.", param_hint=option) from None
    if time.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no time zone: add Z, or +01:00.", param_hint=option)
    return time.astimezone(UTC)


def _tell_if_unknown(channel: Any, model: str) -> None:
    import grpc
    from autocomplete.v1 import model_service_pb2 as pb
    from autocomplete.v1.model_service_pb2_grpc import ModelServiceStub

    try:
        ModelServiceStub(channel).GetModel(pb.GetModelRequest(name=model), timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            stderr().print(f"Note: this server does not have {model}. What you changed holds as soon as it does.")


def who() -> str:
    """Who runs the command."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"[:128]
    except (KeyError, OSError):  # a user id without a name, as in a container
        return socket.gethostname()[:128]
