"""What a connection may cost the gateway: heads that come at once, readers that read nothing, headers that are none."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gateways import RunningGateway, running_gateway
from tests.redis_process import free_port
from tests.service_twins import eventually, running

_UPGRADE = (
    b"GET /v1:streamCompleteQuery HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_REFUSED = "autocomplete_gateway_refused_connections_total"


@pytest.fixture
def gateway() -> Iterator[RunningGateway]:
    """One without a server: what is asked here ends before it."""
    with running_gateway(f"127.0.0.1:{free_port()}") as started:
        yield started


@contextmanager
def connection(gateway: RunningGateway) -> Iterator[socket.socket]:
    """One with hardly any room for what was sent and not read."""
    with socket.socket() as opened:
        opened.settimeout(20)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.connect(("127.0.0.1", gateway.port))
        yield opened


@pytest.mark.parametrize(("size", "large"), [(30_000, False), (60_000, True), (200_000, True)])
def test_a_head_that_comes_at_once_is_bounded_too(gateway: RunningGateway, size: int, large: bool) -> None:
    with connection(gateway) as sender:
        sender.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nx-more: " + b"y" * size + b"\r\n\r\n")
        try:
            answer = sender.recv(4096)
        except ConnectionResetError:
            answer = b""
    assert answer == b"" if large else answer.startswith(b"HTTP/1.1 200")
    assert gateway.sample(_REFUSED, reason="large_head") == large


def test_a_head_that_does_not_end_is_cut_off(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.connections._HEAD_TIMEOUT_S", 0.2)
    with connection(gateway) as sender:
        sender.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        eventually(lambda: gateway.sample(_REFUSED, reason="slow_head") == 1)
        eventually(lambda: gateway.sample("autocomplete_gateway_open_connections") == 0)


def test_a_body_larger_than_a_head_may_be_is_read(gateway: RunningGateway) -> None:
    answer = gateway.ask("POST", "/v1:scoreText", {"text": "a " * 25_000})
    assert answer.status == 503  # there is no server, but the request was understood
    assert gateway.sample(_REFUSED, reason="large_head") == 0


def test_who_reads_nothing_is_cut_off(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.connections._READ_TIMEOUT_S", 0.2)
    request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connection(gateway) as sender:
        sender.sendall(request * 400)  # more than the system holds for it
        eventually(lambda: gateway.sample(_REFUSED, reason="slow_reader") == 1)
        eventually(lambda: gateway.sample("autocomplete_gateway_open_connections") == 0)


def test_pongs_do_not_pile_up_for_who_reads_none(tmp_path: Path) -> None:
    ping, close = (bytes([0x80 | opcode, 0x80 | 125]) + bytes(4) + b"\3\xe8" + b"p" * 123 for opcode in (9, 8))
    with (
        running(tmp_path) as (server, _),
        running_gateway(f"127.0.0.1:{server.port}") as gateway,
        connection(gateway) as sender,
    ):
        sender.sendall(_UPGRADE)
        assert sender.recv(4096).startswith(b"HTTP/1.1 101")
        sender.sendall(ping * 200_000 + close)
        received = sum(len(part) for part in iter(lambda: sender.recv(65536), b""))
    assert 100_000 < received < 13_000_000  # of 25 MB: what the system holds for it, and 64 KB


def test_a_trace_that_is_none_is_left_out(tmp_path: Path) -> None:
    with running(tmp_path) as (server, _), running_gateway(f"127.0.0.1:{server.port}") as gateway:
        for trace in ("\xff\xfe", "a\tb", "a" * 20_000):
            answer = gateway.ask("GET", "/v1:completeQuery?query=a", traceparent=trace, tracestate=trace)
            assert answer.status == 200


def test_a_wrong_verb_is_told_all_that_the_path_has(gateway: RunningGateway) -> None:
    answer = gateway.ask("PUT", "/v1:completeQuery")
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
