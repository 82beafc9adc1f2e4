"""Many open streams, and callers that vanish, do not read, flood or say nothing, over a real port."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from grpc_status import rpc_status

from service import listen
from service.app import Server
from service.rpc import streams
from service.rpc.session import Limits
from tests.raw_http2 import raw_caller
from tests.service_twins import TwinModel, eventually, running, sample
from tests.typist import Typist

Request = pb.StreamCompleteQueryRequest
MANY = 500


class ShiftedClock:
    """Real time, which a test can move on."""

    def __init__(self) -> None:
        self.shift_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.shift_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ShiftedClock:
    """The clock of servers that the test starts."""
    shifted = ShiftedClock()
    assert Server.__init__.__kwdefaults__ is not None
    monkeypatch.setitem(Server.__init__.__kwdefaults__, "clock", shifted)
    return shifted


def ends(server: Server, reason: str) -> float:
    return sample(server, "autocomplete_stream_ends_total", reason=reason)


def open_streams(server: Server) -> float:
    return sample(server, "autocomplete_open_streams")


MANY_CALLERS = """
import asyncio, sys
import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb, autocomplete_service_pb2_grpc as pb_grpc
Request = pb.StreamCompleteQueryRequest
async def type_all(address, count):
    async with grpc.aio.insecure_channel(address) as channel:
        stub = pb_grpc.AutocompleteServiceStub(channel)
        calls = [stub.StreamCompleteQuery() for _ in range(count)]
        for number, call in enumerate(calls):
            await call.write(Request(config=Request.Config()))
            await call.write(Request(keystroke=Request.Keystroke(sequence_number=number, query=f"q{number}")))
        answers = [await call.read() for call in calls]
        print([answer.sequence_number for answer in answers if answer.is_final], flush=True)
        sys.stdin.readline()
        for call in calls[: count // 2]:
            await call.done_writing()
            assert await call.read() is grpc.aio.EOF
        for call in calls[count // 2 :]:
            call.cancel()
asyncio.run(type_all(sys.argv[1], int(sys.argv[2])))
"""


def test_many_streams_hold_no_thread_and_let_calls_through(tmp_path: Path) -> None:
    with running(tmp_path, TwinModel(neural_kind="")) as (server, channel):
        threads = threading.active_count()
        command = [sys.executable, "-c", MANY_CALLERS, f"127.0.0.1:{server.port}", str(MANY)]
        callers = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ)
        try:
            assert callers.stdout is not None
            assert json.loads(callers.stdout.readline()) == list(range(MANY))
            stub = pb_grpc.AutocompleteServiceStub(channel)
            assert stub.CompleteQuery(pb.CompleteQueryRequest(query="new"), timeout=20).suggestions
            assert open_streams(server) == MANY
            assert threading.active_count() - threads < 30
        finally:
            callers.communicate(b"\n")
        eventually(lambda: open_streams(server) == 0)
        assert (ends(server, "finished"), ends(server, "cancelled")) == (MANY // 2, MANY // 2)
        assert sample(server, "autocomplete_requests_in_flight") == 0


VANISHING = """
import sys, threading
import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb, autocomplete_service_pb2_grpc as pb_grpc
Request = pb.StreamCompleteQueryRequest
def messages():
    yield Request(config=Request.Config())
    yield Request(keystroke=Request.Keystroke(sequence_number=1, query="new"))
    threading.Event().wait()
channel = grpc.insecure_channel(sys.argv[1])
for answer in pb_grpc.AutocompleteServiceStub(channel).StreamCompleteQuery(messages()):
    print(answer.sequence_number, flush=True)
"""


@pytest.mark.parametrize("way", [signal.SIGSTOP, signal.SIGKILL], ids=["half-open", "killed"])
def test_a_caller_that_vanishes_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: int) -> None:
    quick = tuple(
        (name, 300 if "keepalive" in name or "timeout" in name else value) for name, value in listen.GRPC_OPTIONS
    )
    monkeypatch.setattr(listen, "GRPC_OPTIONS", quick)
    with running(tmp_path, TwinModel(neural_kind="")) as (server, _):
        command = [sys.executable, "-c", VANISHING, f"127.0.0.1:{server.port}"]
        caller = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ)
        try:
            assert caller.stdout is not None
            assert caller.stdout.readline() == b"1\n"
            assert open_streams(server) == 1
            caller.send_signal(way)  # stopped, its kernel still takes what is sent, as a lost machine's network does
            eventually(lambda: open_streams(server) == 0)
            assert ends(server, "cancelled") == 1
        finally:
            caller.kill()
            caller.communicate()


def test_a_caller_who_does_not_read_is_cut_off_and_others_go_on(tmp_path: Path, clock: ShiftedClock) -> None:
    config = Request(config=Request.Config()).SerializeToString()
    keystroke = Request(keystroke=Request.Keystroke(sequence_number=1, query="new")).SerializeToString()
    with (
        running(tmp_path, TwinModel(neural_kind=""), max_concurrent=1) as (server, channel),
        raw_caller(server.port, window=0) as caller,
    ):

        def sending() -> list[bool]:
            return sorted(session._sending_since_s is not None for session in list(server._streams._sessions))

        silent = caller.call("StreamCompleteQuery", config, ends=False)
        caller.send(silent, keystroke, ends=False)
        eventually(lambda: sending() == [True])
        reading = Typist(channel)
        reading.type(1, "new")
        assert next(reading.answers).is_final
        eventually(lambda: sending() == [False, True])  # the server may notice after its caller that it was read
        clock.shift_s += 11.0
        server.soon(server._streams.look)
        eventually(lambda: ends(server, "unread") == 1)
        assert open_streams(server) == 1
        refused = {"method": "StreamCompleteQuery", "model": "", "code": "RESOURCE_EXHAUSTED"}
        assert sample(server, "autocomplete_requests_total", **refused) == 1
        caller.widen()
        caller.read_until_ended({silent})
        reading.type(2, "newer")
        assert next(reading.answers).sequence_number == 2
        reading.finish()


def test_a_flood_is_read_slowly_then_refused_and_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_LOOK_S", 1000.0)  # the test looks
    twin = TwinModel()
    twin.gate.clear()
    with running(tmp_path, twin, time_budget_ms=20_000) as (server, channel):
        flooding, typing = Typist(channel), Typist(channel, config=Request.Config(exclude_generated=True))
        for number in range(3000):
            flooding.type(number, f"q{number}")
        eventually(lambda: sample(server, "autocomplete_stream_throttles_total") >= 1)
        typing.type(1, "new")
        assert not next(typing.answers).is_final
        for number in range(Limits().floods):
            eventually(lambda number=number: sample(server, "autocomplete_stream_throttles_total") == number + 1)  # type: ignore[misc]
            server.soon(server._streams.look)
        twin.gate.set()
        assert next(typing.answers).is_final
        with pytest.raises(grpc.RpcError) as caught:
            list(flooding.answers)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        status = rpc_status.from_call(caught.value)
        assert status is not None
        assert "faster" in status.message
        eventually(lambda: ends(server, "flood") == 1)
        flooding.finish()
        typing.finish()


def test_an_idle_stream_ends_without_an_error(tmp_path: Path, clock: ShiftedClock) -> None:
    with running(tmp_path, TwinModel(neural_kind=""), stream_idle_s=12) as (server, channel):
        idle, typing = Typist(channel), Typist(channel)
        for typist in (idle, typing):
            typist.type(1, "new")
            assert next(typist.answers).is_final
        clock.shift_s += 8
        typing.type(2, "newer")
        assert next(typing.answers).is_final
        clock.shift_s += 8  # less than who does not read is granted
        server.soon(server._streams.look)
        assert list(idle.answers) == []
        assert idle.answers.code() is grpc.StatusCode.OK
        eventually(lambda: ends(server, "idle") == 1)
        typing.type(3, "newest")
        assert next(typing.answers).sequence_number == 3
        idle.finish()
        typing.finish()


def test_what_is_not_utf8_is_an_invalid_argument(tmp_path: Path) -> None:
    keystroke = Request(keystroke=Request.Keystroke(sequence_number=1, query="abc")).SerializeToString()
    messages = [Request(config=Request.Config()).SerializeToString(), keystroke.replace(b"abc", b"a\xffc")]
    with running(tmp_path) as (server, channel):
        call: Any = channel.stream_stream("/autocomplete.v1.AutocompleteService/StreamCompleteQuery")
        with pytest.raises(grpc.RpcError) as caught:
            list(call(iter(messages)))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        eventually(lambda: ends(server, "error") == 1)


def test_an_unexpected_error_ends_the_stream_alone(tmp_path: Path) -> None:
    twin = TwinModel(neural_kind="")
    twin.failure = ZeroDivisionError("secret")
    with running(tmp_path, twin) as (server, channel):
        failing, other = Typist(channel), Typist(channel)
        failing.type(1, "new")
        with pytest.raises(grpc.RpcError) as caught:
            list(failing.answers)
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in str(caught.value.details())
        twin.failure = None
        other.type(1, "new")
        assert next(other.answers).is_final
        failing.finish()
        other.finish()
        eventually(lambda: open_streams(server) == 0)
