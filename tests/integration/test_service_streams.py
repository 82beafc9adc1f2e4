"""`StreamCompleteQuery` and the bounds on open streams, over a real port."""

from __future__ import annotations

import threading
from pathlib import Path

import grpc
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from google.rpc import code_pb2, error_details_pb2
from grpc_status import rpc_status

from tests.service_twins import TwinModel, eventually, running, sample
from tests.typist import Typist

Request = pb.StreamCompleteQueryRequest


def reason_of(error: grpc.RpcError) -> str:
    info = error_details_pb2.ErrorInfo()
    status = rpc_status.from_call(error)
    assert status is not None
    assert status.details[0].Unpack(info)
    return str(info.reason)


def texts(answer: pb.StreamCompleteQueryResponse) -> list[str]:
    return [suggestion.text for suggestion in answer.completion.suggestions]


def test_a_keystroke_gets_a_fast_answer_then_a_refined_one(tmp_path: Path) -> None:
    with running(tmp_path, time_budget_ms=20_000) as (_, channel):
        typist = Typist(channel)
        typist.type(1, "new")
        fast, refined = next(typist.answers), next(typist.answers)
        typist.finish()
        assert list(typist.answers) == []
    assert (fast.sequence_number, fast.is_final) == (1, False)
    assert (refined.sequence_number, refined.is_final) == (1, True)
    assert texts(fast) == ["newa", "newb", "newc"]
    assert texts(refined) == ["newc", "newb", "newa"]


def test_what_is_cached_is_answered_once(tmp_path: Path) -> None:
    with running(tmp_path) as (_, channel):
        whole = pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(pb.CompleteQueryRequest(query="new"))
        typist = Typist(channel)
        typist.type(1, "new")
        answer = next(typist.answers)
        typist.finish()
        assert list(typist.answers) == []
    assert answer.is_final
    assert answer.completion == whole


def test_a_model_without_a_neural_part_answers_once(tmp_path: Path) -> None:
    with running(tmp_path, TwinModel(neural_kind="")) as (_, channel):
        typist = Typist(channel)
        typist.type(5, "new")
        typist.finish()
        assert [(answer.sequence_number, answer.is_final) for answer in typist.answers] == [(5, True)]


def test_a_newer_keystroke_supersedes_those_that_wait(tmp_path: Path) -> None:
    twin = TwinModel()
    twin.gate.clear()
    with running(tmp_path, twin, time_budget_ms=20_000) as (server, channel):
        typist = Typist(channel)
        typist.type(1, "n")
        assert not next(typist.answers).is_final
        eventually(lambda: ("n", True) in twin.asked)
        for number, query in ((2, "ne"), (3, "new"), (4, "new ")):
            typist.type(number, query)
        typist.finish()
        eventually(lambda: sample(server, "autocomplete_stream_keystrokes_total", outcome="superseded") == 2)
        twin.gate.set()
        numbers = [answer.sequence_number for answer in typist.answers]
    assert numbers == [1, 4, 4]


def test_a_bad_keystroke_is_refused_and_the_stream_goes_on(tmp_path: Path) -> None:
    with running(tmp_path, TwinModel(neural_kind="")) as (_, channel):
        typist = Typist(channel)
        typist.type(1, "x" * 257)
        refused = next(typist.answers)
        typist.type(1, "again")
        out_of_order = next(typist.answers)
        typist.type(2, "new")
        answered = next(typist.answers)
        typist.finish()
    assert (refused.sequence_number, refused.is_final, refused.error.code) == (
        1,
        True,
        code_pb2.INVALID_ARGUMENT,
    )
    info = error_details_pb2.ErrorInfo()
    refused.error.details[0].Unpack(info)
    assert info.reason == "TEXT_TOO_LONG"
    assert out_of_order.error.code == code_pb2.INVALID_ARGUMENT
    assert len(texts(answered)) == 3


def test_a_configuration_holds_for_the_stream(tmp_path: Path) -> None:
    with running(tmp_path, TwinModel("a"), TwinModel("b", neural_kind="")) as (server, channel):
        eventually(lambda: all(status.model for status in server.models.statuses()))
        typist = Typist(channel, config=Request.Config(model="models/b", max_suggestions=1))
        typist.type(1, "new")
        answer = next(typist.answers)
        typist.finish()
    assert answer.completion.model == "models/b"
    assert len(texts(answer)) == 1


def test_a_stream_chooses_what_is_generated_else_the_server(tmp_path: Path) -> None:
    mixed = Request.Config(generated=pb.GENERATED_QUERIES_MIX)
    silent = Request.Config(min_acceptance_probability=0.75)
    found = []
    with running(tmp_path, TwinModel(neural_kind=""), generated="off", min_probability=0.25) as (_, channel):
        for config in (None, mixed, silent):
            typist = Typist(channel, config=config)
            typist.type(1, "new")
            found.append(texts(next(typist.answers)))
            typist.finish()
    assert found == [["newa"], ["newa", "newb", "newc"], []]


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([Request(keystroke=Request.Keystroke(sequence_number=1))], "MALFORMED"),
        ([Request()], "MALFORMED"),
        ([Request(config=Request.Config()), Request(config=Request.Config())], "MALFORMED"),
        ([Request(config=Request.Config(max_suggestions=-1))], "OUT_OF_RANGE"),
        ([Request(config=Request.Config(min_acceptance_probability=-1))], "OUT_OF_RANGE"),
        ([Request(config=Request.Config(model="models/none"))], "MODEL_NOT_FOUND"),
    ],
)
def test_messages_out_of_turn_end_the_stream(tmp_path: Path, messages: list[Request], reason: str) -> None:
    with running(tmp_path) as (_, channel):
        answers = pb_grpc.AutocompleteServiceStub(channel).StreamCompleteQuery(iter(messages))
        with pytest.raises(grpc.RpcError) as caught:
            list(answers)
    assert reason_of(caught.value) == reason


def test_streams_beyond_the_bound_are_refused_and_calls_go_on(tmp_path: Path) -> None:
    with running(tmp_path, TwinModel(neural_kind=""), max_streams=2, max_concurrent=1) as (server, channel):
        open_ones = [Typist(channel), Typist(channel)]
        for typist in open_ones:
            typist.type(1, "new")
            next(typist.answers)
        assert sample(server, "autocomplete_open_streams") == 2
        with pytest.raises(grpc.RpcError) as caught:
            next(Typist(channel).answers)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason_of(caught.value) == "OVERLOADED"
        stub = pb_grpc.AutocompleteServiceStub(channel)
        assert stub.CompleteQuery(pb.CompleteQueryRequest(query="q"), timeout=20).suggestions
        open_ones[0].finish()
        assert list(open_ones[0].answers) == []
        eventually(lambda: sample(server, "autocomplete_open_streams") == 1)
        again = Typist(channel)
        again.type(1, "new")
        assert next(again.answers).is_final
        again.finish()
        open_ones[1].answers.cancel()
        eventually(lambda: sample(server, "autocomplete_open_streams") == 0)
        refused = {"method": "StreamCompleteQuery", "model": "", "code": "RESOURCE_EXHAUSTED"}
        assert sample(server, "autocomplete_requests_total", **refused) == 1
        assert sample(server, "autocomplete_requests_in_flight") == 0


def test_a_stopping_server_ends_idle_streams(tmp_path: Path) -> None:
    with running(tmp_path, TwinModel(neural_kind=""), drain_s=600) as (server, channel):
        typist, silent = Typist(channel), Typist(channel)
        typist.type(1, "new")
        assert next(typist.answers).is_final
        eventually(lambda: sample(server, "autocomplete_open_streams") == 2)
        server.stop()  # the time limit of the test is shorter than the drain
        assert list(typist.answers) == []
        assert list(silent.answers) == []
        typist.finish()
        silent.finish()
        assert sample(server, "autocomplete_stream_ends_total", reason="stopped") == 2
    eventually(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith(("keys", "stream-l"))])
