"""What the commands have in common that change what a running server suggests."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli.output import stderr

TIMEOUT_S = 10.0
_PAGE = 1000
Server = Annotated[str, typer.Option(metavar="HOST:PORT", help="Server to ask.")]
Who = Annotated[str, typer.Option(metavar="NAME", help="Who does it. If not given, USER@MACHINE.")]


@contextmanager
def calling(address: str, module: str, service: str, *, model: str = "") -> Iterator[Any]:
    """The stub of a service of the API; what goes wrong in a call is one of our errors.

    Args:
        module: of the stubs, such as `deny_list_service_pb2_grpc`.
        model: what the API calls the model that calls name: people are told afterwards if the server does not have it.
    """
    from importlib import import_module

    import grpc

    from autocomplete_client.channel import open_channel
    from autocomplete_client.errors import from_rpc
    from cli.suggestions import reaching

    stubs = import_module(f"autocomplete.v1.{module}")
    with reaching(address), open_channel(address) as channel:
        try:
            yield getattr(stubs, f"{service}Stub")(channel)
            if model:
                _tell_if_unknown(channel, model)
        except grpc.RpcError as error:
            raise from_rpc(error) from None


def pages(method: Any, request: Any) -> Iterator[Any]:
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


def parse_time(text: str, option: str) -> datetime:
    """A time as people give it."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("it is no time, such as 2027-01-31T18:00Z.", param_hint=option) from None
    if time.tzinfo is None:
        raise typer.BadParameter("it has no time zone: add Z, or +01:00.", param_hint=option)
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
