"""Calls that no well-behaved client makes, against a real server: nothing is left of them, and nothing logged."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service import listen
from service.app import Server
from service.rpc import calls
from tests.integration.test_service_calls import refusal
from tests.raw_http2 import raw_caller
from tests.service_twins import TwinModel, eventually, running, sample

_SERVICE = "/autocomplete.v1.AutocompleteService/"
_NOT_UTF8 = b"\x0a\x02\xff\xfe"
_CODES = grpc.StatusCode


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    printed = capfd.readouterr()
    assert "Traceback" not in printed.out + printed.err
    assert "[error" not in printed.out
    assert printed.err == ""


def nothing_is_left(server: Server) -> bool:
    names = ("autocomplete_requests_in_flight", "autocomplete_requests_waiting", "autocomplete_open_streams")
    return all(sample(server, name) == 0 for name in names)


def counted(server: Server, method: str, code: str, model: str = "twin") -> float:
    return sample(server, "autocomplete_requests_total", method=method, model=model, code=code)


@pytest.mark.parametrize("method", ["CompleteQuery", "PredictNextWord", "ScoreText", "GenerateText"])
def test_text_that_is_not_utf8(tmp_path: Path, method: str) -> None:
    twin = TwinModel()
    with running(tmp_path, twin) as (server, channel):
        with pytest.raises(grpc.RpcError) as caught:
            list(channel.unary_stream(_SERVICE + method)(_NOT_UTF8))
        assert refusal(caught.value) == (_CODES.INVALID_ARGUMENT, "MALFORMED", ["request"])
        eventually(lambda: nothing_is_left(server))
        assert counted(server, method, "INVALID_ARGUMENT", model="") == 1
    assert not twin.asked


@pytest.mark.parametrize("method", ["CompleteQuery", "GenerateText"])
def test_a_message_that_is_too_large(tmp_path: Path, method: str) -> None:
    with running(tmp_path) as (server, channel):
        with pytest.raises(grpc.RpcError) as caught:
            list(channel.unary_stream(_SERVICE + method)(b"\x0a\x80\x89\x7a" + b"x" * 2_000_000))
        assert caught.value.code() is _CODES.RESOURCE_EXHAUSTED
        eventually(lambda: nothing_is_left(server))
        assert pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(pb.CompleteQueryRequest(query="a")).suggestions


def test_a_method_that_does_not_exist(tmp_path: Path) -> None:
    with running(tmp_path) as (_, channel), pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(_SERVICE + "DropTables")(b"")
    assert caught.value.code() is _CODES.UNIMPLEMENTED


def test_a_deadline_that_is_past_when_the_call_arrives(tmp_path: Path) -> None:
    twin = TwinModel()
    request = pb.CompleteQueryRequest(query="late").SerializeToString()
    with running(tmp_path, twin) as (server, channel), raw_caller(server.port) as caller:
        streams = {caller.call("CompleteQuery", request, grpc_timeout="0m") for _ in range(50)}
        caller.read_until_ended(streams)
        eventually(lambda: nothing_is_left(server))
        assert pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(pb.CompleteQueryRequest(query="a")).suggestions
    assert [query for query, _ in twin.asked] == ["a"]


def test_calls_cancelled_while_they_wait_are_never_worked_on(tmp_path: Path) -> None:
    twin = TwinModel()
    twin.gate.clear()
    with running(tmp_path, twin, max_concurrent=1, max_wait_ms=1000) as (server, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        first = stub.CompleteQuery.future(pb.CompleteQueryRequest(query="first"))
        eventually(lambda: twin.asked)
        others = [stub.CompleteQuery.future(pb.CompleteQueryRequest(query=f"{number}")) for number in range(50)]
        eventually(lambda: sample(server, "autocomplete_requests_waiting") == 50)
        assert all(other.cancel() for other in others)
        # gRPC's thread knows of them once it has answered a call that came later
        pb_grpc.AutocompleteServiceStub(channel).ScoreText(pb.ScoreTextRequest(text="a"))
        twin.gate.set()
        assert first.result().suggestions
        eventually(lambda: nothing_is_left(server))
    assert [query for query, _ in twin.asked] == ["first"]


def test_generation_ends_when_its_caller_leaves(tmp_path: Path) -> None:
    with running(tmp_path) as (server, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        for _ in range(5):
            call = stub.GenerateText(pb.GenerateTextRequest(prompt="a", max_output_tokens=256))
            next(call)
            call.cancel()
            eventually(lambda: nothing_is_left(server))
        assert counted(server, "GenerateText", "CANCELLED") + counted(server, "GenerateText", "OK") == 5


def test_generation_ends_when_its_caller_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_UNREAD_S", 0.3)
    request = pb.GenerateTextRequest(prompt="a", max_output_tokens=2)
    with running(tmp_path, max_long_calls=2) as (server, channel), raw_caller(server.port, window=0) as caller:
        streams = {caller.call("GenerateText", request.SerializeToString()) for _ in range(4)}
        eventually(lambda: counted(server, "GenerateText", "CANCELLED") == 4)
        assert nothing_is_left(server)
        caller.widen()
        caller.read_until_ended(streams)
        assert len(list(pb_grpc.AutocompleteServiceStub(channel).GenerateText(request))) == 2


def test_answers_that_nobody_reads_hold_no_thread(tmp_path: Path) -> None:
    request = pb.CompleteQueryRequest(query="a").SerializeToString()
    with running(tmp_path, max_concurrent=1) as (server, channel):
        with raw_caller(server.port, window=0) as caller:
            for _ in range(20):
                caller.call("CompleteQuery", request)
            eventually(lambda: counted(server, "CompleteQuery", "OK") == 20)
            stub = pb_grpc.AutocompleteServiceStub(channel)
            assert stub.CompleteQuery(pb.CompleteQueryRequest(query="b")).suggestions
        eventually(lambda: nothing_is_left(server))


_HEALTH = "/grpc.health.v1.Health/"


def is_scored(channel: grpc.Channel) -> bool:
    """Whether a call of `ScoreText` is answered; False if it is refused."""
    call = pb_grpc.AutocompleteServiceStub(channel).ScoreText.future(pb.ScoreTextRequest(text="a"), timeout=20)
    assert call.code() in (_CODES.OK, _CODES.RESOURCE_EXHAUSTED)
    return call.code() is _CODES.OK


def test_calls_whose_message_never_comes_hold_no_thread(tmp_path: Path) -> None:
    methods = ("CompleteQuery", "PredictNextWord", "ScoreText", "GenerateText", _HEALTH + "Check", _HEALTH + "Watch")
    with running(tmp_path, max_concurrent=1, max_long_calls=1) as (server, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        with raw_caller(server.port) as caller:
            for method in 10 * methods:
                caller.call(method, None, ends=False)
            stub.CompleteQuery(pb.CompleteQueryRequest(query="a"), timeout=20)  # and they have arrived
            caller.read_until_ended({caller.call("ScoreText", pb.ScoreTextRequest(text="a").SerializeToString())})
            eventually(lambda: is_scored(channel))  # a place is lost to the next call once a message is late
            assert stub.CompleteQuery(pb.CompleteQueryRequest(query="b"), timeout=20).suggestions
            health = health_pb2_grpc.HealthStub(channel)
            assert health.Check(health_pb2.HealthCheckRequest(), timeout=20).status
            assert sample(server, "autocomplete_requests_waiting") == 0
        eventually(lambda: nothing_is_left(server))


def test_calls_whose_messages_come_late_are_refused_as_they_arrive(tmp_path: Path) -> None:
    message = pb.CompleteQueryRequest(query="late").SerializeToString()
    with running(tmp_path, max_concurrent=1, max_wait_ms=5) as (server, _), raw_caller(server.port) as caller:
        streams = {caller.call("CompleteQuery", None, ends=False) for _ in range(800)}
        refused = caller.read_until_ended(streams, but=31)  # six times 5 ms for a burst, of 1 ms each, and the first
        eventually(lambda: counted(server, "CompleteQuery", "RESOURCE_EXHAUSTED", model="") == 769)
        assert len(refused) == 769
        for stream in streams - refused:
            caller.send(stream, message)
        caller.read_until_ended(streams - refused)
        eventually(lambda: nothing_is_left(server))
        assert counted(server, "CompleteQuery", "OK") == 31


def test_a_call_that_ends_without_a_message(tmp_path: Path) -> None:
    with running(tmp_path, max_concurrent=1) as (server, channel), raw_caller(server.port) as caller:
        caller.read_until_ended({caller.call(method, None) for method in ("CompleteQuery", "GenerateText")})
        assert pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(pb.CompleteQueryRequest(query="b")).suggestions
        eventually(lambda: nothing_is_left(server))


def test_a_flood_is_answered_to_the_last_call(tmp_path: Path) -> None:
    twin = TwinModel()
    twin.gate.clear()
    with running(tmp_path, twin, max_concurrent=1, max_wait_ms=1) as (server, channel):
        call = channel.unary_unary(_SERVICE + "CompleteQuery")
        requests = [pb.CompleteQueryRequest(query=f"q{number}").SerializeToString() for number in range(500)]
        calls = [call.future(request, timeout=20) for request in requests]
        eventually(lambda: counted(server, "CompleteQuery", "RESOURCE_EXHAUSTED", model="") > 0)
        twin.gate.set()
        codes = Counter(each.code() for each in calls)
        assert codes[_CODES.OK] > 0
        assert codes[_CODES.RESOURCE_EXHAUSTED] > 0
        assert codes[_CODES.OK] + codes[_CODES.RESOURCE_EXHAUSTED] == 500
        eventually(lambda: nothing_is_left(server))
        assert counted(server, "CompleteQuery", "OK") == codes[_CODES.OK]
        assert counted(server, "CompleteQuery", "RESOURCE_EXHAUSTED", model="") == codes[_CODES.RESOURCE_EXHAUSTED]


def test_a_connection_that_says_nothing_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shorter = {**dict(listen.GRPC_OPTIONS), "grpc.server_handshake_timeout_ms": 300}
    monkeypatch.setattr(listen, "GRPC_OPTIONS", tuple(shorter.items()))
    with running(tmp_path) as (server, _):
        silent = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        while silent.recv(1024):
            pass
        silent.close()


def test_a_connection_that_speaks_another_protocol_is_closed(tmp_path: Path) -> None:
    with running(tmp_path) as (server, channel):
        for noise in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00" * 10_000, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"):
            other = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            other.sendall(noise)
            try:
                while other.recv(1024):
                    pass
            except ConnectionResetError:
                pass
            other.close()
        assert pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(pb.CompleteQueryRequest(query="a")).suggestions
