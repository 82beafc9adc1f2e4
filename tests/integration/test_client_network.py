"""The client among several servers, over TLS, and where streams are few."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from autocomplete_client import CallError, Client, OverloadedError, UnavailableError
from tests.redis_process import free_port
from tests.service_twins import TwinModel, eventually, running

_PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class _Notes(grpc.ServerInterceptor):  # type: ignore[misc]
    """Notes the trace context of each call."""

    def __init__(self) -> None:
        self.parents: list[str | None] = []

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        self.parents.append(dict(details.invocation_metadata).get("traceparent"))
        return continuation(details)


def _certificate() -> tuple[bytes, bytes]:
    """A key and a certificate that it has signed itself, for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "autocomplete")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)


@contextmanager
def _bare_server(notes: _Notes, credentials: grpc.ServerCredentials) -> Iterator[str]:
    """A server without methods, so that whoever reaches it gets UNIMPLEMENTED."""
    server = grpc.server(ThreadPoolExecutor(1), interceptors=(notes,))
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0).wait()


def test_calls_go_over_tls_with_their_trace_context_to_a_server_that_is_trusted() -> None:
    key, certificate = _certificate()
    notes = _Notes()
    with _bare_server(notes, grpc.ssl_server_credentials([(key, certificate)])) as address:
        trusted, other = (grpc.ssl_channel_credentials(authority) for authority in (certificate, _certificate()[1]))
        with Client(address, credentials=trusted) as client, pytest.raises(CallError, match="UNIMPLEMENTED"):
            client.complete_query("new", traceparent=_PARENT)
        with Client(address, credentials=other) as client, pytest.raises(UnavailableError):
            client.complete_query("new")

    assert notes.parents == [_PARENT]


def test_a_call_that_a_server_could_not_take_is_tried_again_by_grpc() -> None:
    tries = 0

    def answer(_request: Any, context: grpc.ServicerContext) -> pb.CompleteQueryResponse:
        nonlocal tries
        tries += 1
        if tries < 4:
            context.abort(grpc.StatusCode.UNAVAILABLE, "Going away.")
        return pb.CompleteQueryResponse(model="models/shop")

    method = grpc.unary_unary_rpc_method_handler(
        answer, pb.CompleteQueryRequest.FromString, pb.CompleteQueryResponse.SerializeToString
    )
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("autocomplete.v1.AutocompleteService", {"CompleteQuery": method}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with Client(f"127.0.0.1:{port}") as client:
        assert client.complete_query("new", timeout_s=10).model == "models/shop"
    server.stop(0).wait()

    assert tries == 4


def test_calls_go_round_all_servers_and_past_one_that_is_down(tmp_path: Path) -> None:
    first, second = TwinModel(), TwinModel()
    with (
        running(tmp_path / "first", first, cache="none") as (one, _),
        running(tmp_path / "second", second, cache="none") as (two, _),
    ):
        addresses = (f"127.0.0.1:{port}" for port in (one.port, two.port, free_port()))
        with Client("ipv4:" + ",".join(addresses)) as client:

            def both_asked() -> bool:
                client.complete_query("new")
                return all(("new", True) in twin.asked for twin in (first, second))

            eventually(both_asked)


def test_a_session_waits_for_a_stream_where_all_are_taken(tmp_path: Path) -> None:
    with (
        running(tmp_path, max_streams=1) as (server, _),
        Client(f"127.0.0.1:{server.port}") as client,
        client.session() as first,
        client.session() as second,
    ):
        first.type("a")
        assert [answer.error for answer in first.answers()] == [None, None]
        threading.Timer(0.5, first.close).start()
        second.type("b")
        assert [answer.error for answer in second.answers()] == [None, None]


def test_text_that_breaks_off_is_an_error_and_no_end(tmp_path: Path) -> None:
    twin = TwinModel()
    with running(tmp_path, twin) as (server, _), Client(f"127.0.0.1:{server.port}") as client:
        twin.gate.clear()
        pieces = client.generate_text("once", max_output_tokens=50, timeout_s=1.0)
        assert next(pieces).text == " word"
        with pytest.raises(CallError, match="DEADLINE_EXCEEDED"):
            list(pieces)
        twin.gate.set()


def test_streams_that_stay_taken_are_an_answer_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autocomplete_client._sync.session.PATIENCE_S", 0.5)
    with (
        running(tmp_path, max_streams=1) as (server, _),
        Client(f"127.0.0.1:{server.port}") as client,
        client.session() as first,
        client.session() as second,
    ):
        first.type("a")
        list(first.answers())
        second.type("b")
        (answer,) = second.answers()

    assert isinstance(answer.error, OverloadedError)
    assert answer.error.retry_delay_s == 1.0
