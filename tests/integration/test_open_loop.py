"""The open-loop client, on servers of gRPC."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
import pytest

from benchmarks.serving import open_loop
from benchmarks.serving.open_loop import offer
from benchmarks.serving.typing_traffic import fixed_arrivals
from lm.errors import UnavailableError
from service.rpc.servicers import AUTOCOMPLETE_SERVICE

_REFUSED = b"refuse"


def _answer(request: bytes, context: Any) -> bytes:
    """The request itself, or a refusal with details that need a long header."""
    if request.startswith(_REFUSED):
        context.set_trailing_metadata((("details-bin", request),))
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Too many calls.\n" * 20)
    return request


@contextmanager
def serving(behavior: Callable[[bytes, Any], bytes] = _answer) -> Iterator[tuple[str, Any]]:
    server = grpc.server(ThreadPoolExecutor(4))
    handlers = {"CompleteQuery": grpc.unary_unary_rpc_method_handler(behavior)}
    server.add_registered_method_handlers(AUTOCOMPLETE_SERVICE, handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}", server
    finally:
        server.stop(None).wait()


@pytest.mark.parametrize("connections", [1, 3])
def test_each_call_gets_the_answer_to_its_own_request(connections: int) -> None:
    requests = [f"request {number}".encode() * (number % 7) for number in range(300)]
    requests[::11] = [_REFUSED + bytes(range(number, number + 100)) for number in range(len(requests[::11]))]

    with serving() as (address, _):
        load = offer(address, requests, fixed_arrivals(len(requests), 3000.0), connections=connections)

    refused = [request.startswith(_REFUSED) for request in requests]
    assert load.codes == ["RESOURCE_EXHAUSTED" if each else "OK" for each in refused]
    assert load.answers == [b"" if each else request for request, each in zip(requests, refused, strict=True)]
    assert load.unanswered == 0


def test_a_server_that_goes_leaves_its_calls_without_an_answer() -> None:
    begun, release = threading.Event(), threading.Event()

    def hold(request: bytes, _context: Any) -> bytes:
        begun.set()
        release.wait(20)
        return request

    with serving(hold) as (address, server):
        threading.Thread(target=lambda: (begun.wait(20), server.stop(None))).start()
        load = offer(address, [b"a"] * 3, np.zeros(3))
        release.set()

    assert load.outcomes.total() == 3
    assert load.unanswered == 3
    assert not load.answered.any()


def test_a_call_without_an_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "_TIMEOUT_S", 1)
    release = threading.Event()

    def hold(request: bytes, _context: Any) -> bytes:
        if request == b"hold":
            release.wait(20)
        return request

    with serving(hold) as (address, _):
        load = offer(address, [b"a", b"hold", b"b"], np.zeros(3))
        release.set()

    assert load.codes[::2] == ["OK", "OK"]
    assert load.codes[1] not in {"OK", "RESOURCE_EXHAUSTED"}
    assert load.done_s[1] >= 0.9


def test_what_does_not_speak_http2_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "_CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

        with pytest.raises(UnavailableError, match=address):
            offer(address, [b"a"], np.zeros(1))
