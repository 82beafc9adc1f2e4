"""The unary methods over a real port, on a twin of a model."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import model_service_pb2 as model_pb
from autocomplete.v1 import model_service_pb2_grpc as model_grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from suggest.budget import LeftOut, OptionalPart, Shortage
from tests.service_twins import TwinModel, eventually, running, sample


def refusal(error: grpc.RpcError) -> tuple[grpc.StatusCode, str, list[str]]:
    """Code, reason and the fields of a refused call."""
    reason, fields = "", []
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            assert info.domain == "autocomplete.v1"
            reason = info.reason
        elif detail.Unpack(bad):
            fields = [violation.field for violation in bad.field_violations]
    return error.code(), reason, fields


def retry_delay_s(error: grpc.RpcError) -> float:
    """What a refused call is told to wait."""
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in rpc_status.from_call(error).details)
    return float(retry.retry_delay.ToMilliseconds()) / 1000


def test_a_query_is_completed(tmp_path: Path) -> None:
    with running(tmp_path) as (_, channel):
        answer = pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(
            pb.CompleteQueryRequest(query="  New  YOR", max_suggestions=2)
        )
    assert [suggestion.text for suggestion in answer.suggestions] == ["new yorc", "new yorb"]
    assert answer.normalized_query == "new yor"
    assert (answer.model, answer.model_version) == ("models/twin", "20260101T000000Z")
    first = answer.suggestions[0]
    assert [(segment.text, segment.typed) for segment in first.segments] == [("new yor", True), ("c", False)]
    assert first.source == pb.SUGGESTION_SOURCE_HISTORY
    assert not first.HasField("explanation")
    assert not answer.timings
    assert answer.attribution_token


def test_a_request_chooses_what_is_generated_else_the_server(tmp_path: Path) -> None:
    with running(tmp_path, generated="off", min_probability=0.6) as (server, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)

        def ask(**fields: Any) -> list[str]:
            answer = stub.CompleteQuery(pb.CompleteQueryRequest(query="new", **fields))
            return [suggestion.text for suggestion in answer.suggestions]

        assert ask() == []
        assert ask(min_acceptance_probability=0) == ["newc"]
        assert ask(min_acceptance_probability=0.5, generated=pb.GENERATED_QUERIES_MIX) == ["newc", "newb", "newa"]
        assert ask(min_acceptance_probability=0.75, generated=pb.GENERATED_QUERIES_MIX) == []
        assert sample(server, "autocomplete_cache_lookups_total", tier="process", outcome="hit") == 0
        assert sample(server, "autocomplete_suggestions_total", source="generated") == 2
        with pytest.raises(grpc.RpcError) as caught:
            ask(min_acceptance_probability=1.5)
    assert refusal(caught.value) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "OUT_OF_RANGE",
        ["min_acceptance_probability"],
    )


def test_an_explanation_holds_terms_and_timings(tmp_path: Path) -> None:
    with running(tmp_path) as (_, channel):
        answer = pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(
            pb.CompleteQueryRequest(query="a", explain=True)
        )
    explanation = answer.suggestions[0].explanation
    assert explanation.popularity_log_probability == -2.0
    assert not explanation.HasField("neural_log_probability")
    assert [(timing.stage, timing.duration.nanos) for timing in answer.timings] == [("ngram", 1_000_000)]


def test_equal_questions_are_computed_once(tmp_path: Path) -> None:
    twin = TwinModel()
    with running(tmp_path, twin) as (server, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        first = stub.CompleteQuery(pb.CompleteQueryRequest(query="New york"))
        second = stub.CompleteQuery(pb.CompleteQueryRequest(query="new  york", model="models/twin"))
        assert first == second
        assert len(twin.asked) == 1
        stub.CompleteQuery(pb.CompleteQueryRequest(query="new york", max_suggestions=1))
        stub.CompleteQuery(pb.CompleteQueryRequest(query="new york "))
        assert len(twin.asked) == 3
        assert sample(server, "autocomplete_cache_lookups_total", tier="process", outcome="hit") == 1


def test_an_answer_that_the_process_holds_waits_for_no_thread(tmp_path: Path) -> None:
    twin = TwinModel()
    with running(tmp_path, twin, max_concurrent=1, max_wait_ms=1000, time_budget_ms=60_000) as (server, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        query, text = pb.CompleteQueryRequest(query="New york"), pb.PredictNextWordRequest(text="united ")
        answer, words = stub.CompleteQuery(query), stub.PredictNextWord(text)
        twin.gate.clear()
        slow = stub.CompleteQuery.future(pb.CompleteQueryRequest(query="slow"))
        eventually(lambda: ("slow", True) in twin.asked)  # has the only thread
        assert stub.CompleteQuery(query, timeout=20) == answer
        assert stub.PredictNextWord(text, timeout=20) == words
        assert not slow.done()
        twin.gate.set()
        assert slow.result().suggestions
        counted = {
            outcome: sample(server, "autocomplete_cache_lookups_total", tier="process", outcome=outcome)
            for outcome in ("hit", "miss")
        }
        assert counted == {"hit": 2, "miss": 3}
        for method, calls in (("CompleteQuery", 3), ("PredictNextWord", 2)):
            assert sample(server, "autocomplete_requests_total", method=method, model="twin", code="OK") == calls
            assert sample(server, "autocomplete_request_duration_seconds_count", method=method) == calls


def test_callers_who_ask_at_once_share_a_computation(tmp_path: Path) -> None:
    twin = TwinModel()
    twin.gate.clear()
    with (
        running(tmp_path, twin, max_concurrent=8, time_budget_ms=10_000) as (server, channel),
        ThreadPoolExecutor(8) as callers,
    ):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        calls = [
            callers.submit(stub.CompleteQuery, pb.CompleteQueryRequest(query="same"), timeout=20) for _ in range(8)
        ]
        eventually(lambda: server.metrics.registry.get_sample_value("autocomplete_requests_in_flight") == 8)
        eventually(lambda: twin.asked)
        twin.gate.set()
        assert len({call.result().SerializeToString() for call in calls}) == 1
    assert len(twin.asked) == 1


def test_degraded_answers_are_not_kept(tmp_path: Path) -> None:
    left_out = (
        LeftOut(OptionalPart.NEURAL, Shortage.OVERLOAD),
        LeftOut(OptionalPart.RERANKER, Shortage.OVERLOAD),
    )
    twin = TwinModel(left_out=left_out)
    with running(tmp_path, twin) as (server, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        for _ in range(2):
            assert stub.CompleteQuery(pb.CompleteQueryRequest(query="q")).degraded
        assert len(twin.asked) == 2
        for part in ("neural", "reranker"):
            assert sample(server, "autocomplete_degraded_answers_total", reason="overload", part=part) == 2


def test_a_deadline_bounds_the_budget(tmp_path: Path) -> None:
    twin = TwinModel()
    with running(tmp_path, twin, time_budget_ms=900) as (_, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        stub.CompleteQuery(pb.CompleteQueryRequest(query="none"))
        stub.CompleteQuery(pb.CompleteQueryRequest(query="late"), timeout=0.5)
    without, within = twin.budgets_s
    assert 0.5 < without <= 0.9
    assert within < 0.5


def test_the_server_says_how_sure_ghost_text_is_and_a_request_says_otherwise(tmp_path: Path) -> None:
    with running(tmp_path, min_ghost_probability=0.7) as (_, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        silent = stub.PredictNextWord(pb.PredictNextWordRequest(text="the united "))
        assert len(silent.suggestions) == 2
        assert silent.ghost_text == ""
        asked = pb.PredictNextWordRequest(text="the united ", min_ghost_probability=0.1)
        assert stub.PredictNextWord(asked).ghost_text == "states"


def test_words_scores_and_text(tmp_path: Path) -> None:
    with running(tmp_path) as (_, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        words = stub.PredictNextWord(pb.PredictNextWordRequest(text="the united "))
        assert [word.text for word in words.suggestions] == ["states", "nations"]
        assert words.replace_start == 11
        assert words.ghost_text == "states"
        assert words.model == "models/twin"
        score = stub.ScoreText(pb.ScoreTextRequest(text="a b"))
        assert [token.token for token in score.token_scores] == ["a", "b", "</s>"]
        assert score.log_probability == -3.0
        chunks = list(stub.GenerateText(pb.GenerateTextRequest(prompt="a", max_output_tokens=3)))
        assert "".join(chunk.text for chunk in chunks) == " word word word"
        assert [chunk.finish_reason for chunk in chunks] == [
            0,
            0,
            pb.GenerateTextResponse.FINISH_REASON_LENGTH,
        ]


def test_an_empty_query_is_no_error(tmp_path: Path) -> None:
    with running(tmp_path) as (_, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        assert len(stub.CompleteQuery(pb.CompleteQueryRequest()).suggestions) == 3
        assert len(stub.CompleteQuery(pb.CompleteQueryRequest(query="x" * 256)).suggestions) == 3


@pytest.mark.parametrize(
    ("method", "request_message", "reason", "field"),
    [
        ("CompleteQuery", pb.CompleteQueryRequest(query="x" * 257), "TEXT_TOO_LONG", "query"),
        (
            "CompleteQuery",
            pb.CompleteQueryRequest(user_pseudo_id="x" * 129),
            "TEXT_TOO_LONG",
            "user_pseudo_id",
        ),
        ("CompleteQuery", pb.CompleteQueryRequest(max_suggestions=-1), "OUT_OF_RANGE", "max_suggestions"),
        ("CompleteQuery", pb.CompleteQueryRequest(model="twin"), "MALFORMED", "model"),
        ("PredictNextWord", pb.PredictNextWordRequest(text="x" * 4097), "TEXT_TOO_LONG", "text"),
        (
            "PredictNextWord",
            pb.PredictNextWordRequest(min_probability=1.5),
            "OUT_OF_RANGE",
            "min_probability",
        ),
        (
            "PredictNextWord",
            pb.PredictNextWordRequest(min_probability=float("nan")),
            "OUT_OF_RANGE",
            "min_probability",
        ),
        ("PredictNextWord", pb.PredictNextWordRequest(part=7), "OUT_OF_RANGE", "part"),  # type: ignore[arg-type]
        ("ScoreText", pb.ScoreTextRequest(), "MALFORMED", "text"),
        ("ScoreText", pb.ScoreTextRequest(text="x" * 4097), "TEXT_TOO_LONG", "text"),
        ("GenerateText", pb.GenerateTextRequest(prompt="x" * 4097), "TEXT_TOO_LONG", "prompt"),
        ("GenerateText", pb.GenerateTextRequest(max_output_tokens=-1), "OUT_OF_RANGE", "max_output_tokens"),
        ("GenerateText", pb.GenerateTextRequest(temperature=2.5), "OUT_OF_RANGE", "temperature"),
        ("GenerateText", pb.GenerateTextRequest(temperature=float("nan")), "OUT_OF_RANGE", "temperature"),
        ("GenerateText", pb.GenerateTextRequest(top_p=0.0), "OUT_OF_RANGE", "top_p"),
        ("GenerateText", pb.GenerateTextRequest(top_k=0), "OUT_OF_RANGE", "top_k"),
        ("GenerateText", pb.GenerateTextRequest(beam_width=17), "OUT_OF_RANGE", "beam_width"),
    ],
)
def test_bad_requests_name_reason_and_field(
    tmp_path: Path, method: str, request_message: object, reason: str, field: str
) -> None:
    with running(tmp_path) as (_, channel):
        call = getattr(pb_grpc.AutocompleteServiceStub(channel), method)
        with pytest.raises(grpc.RpcError) as caught:
            list(call(request_message))
    assert refusal(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, reason, [field])


def test_an_unknown_model_is_not_found(tmp_path: Path) -> None:
    with running(tmp_path) as (server, channel):
        with pytest.raises(grpc.RpcError) as caught:
            pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(pb.CompleteQueryRequest(model="models/none"))
        labels = {"method": "CompleteQuery", "model": "other", "code": "NOT_FOUND"}
        eventually(lambda: sample(server, "autocomplete_requests_total", **labels) == 1)
    assert refusal(caught.value) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND", [])


def test_a_model_without_the_part_is_a_failed_precondition(tmp_path: Path) -> None:
    with running(tmp_path, TwinModel(text=False)) as (_, channel), pytest.raises(grpc.RpcError) as caught:
        pb_grpc.AutocompleteServiceStub(channel).ScoreText(pb.ScoreTextRequest(text="a"))
    assert refusal(caught.value) == (grpc.StatusCode.FAILED_PRECONDITION, "METHOD_UNSUPPORTED", [])


def test_an_unexpected_error_shows_an_id_and_no_trace(tmp_path: Path) -> None:
    twin = TwinModel()
    twin.failure = KeyError("what the user typed")
    with running(tmp_path, twin) as (_, channel), pytest.raises(grpc.RpcError) as caught:
        pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(pb.CompleteQueryRequest(query="q"))
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "Internal error" in caught.value.details()
    assert "KeyError" not in caught.value.details()
    assert "typed" not in caught.value.details()


def test_a_call_that_would_wait_too_long_is_refused_at_once(tmp_path: Path) -> None:
    twin = TwinModel()
    twin.gate.clear()
    with running(tmp_path, twin, max_concurrent=1, max_wait_ms=0) as (server, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        first = stub.CompleteQuery.future(pb.CompleteQueryRequest(query="q0"))
        eventually(lambda: twin.asked)
        with pytest.raises(grpc.RpcError) as caught:
            stub.CompleteQuery(pb.CompleteQueryRequest(query="q1"))
        assert refusal(caught.value)[:2] == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert 0 < retry_delay_s(caught.value) < 1
        labels = {"method": "CompleteQuery", "model": "", "code": "RESOURCE_EXHAUSTED"}
        assert sample(server, "autocomplete_requests_total", **labels) == 1
        twin.gate.set()
        assert first.result().suggestions
        assert stub.CompleteQuery(pb.CompleteQueryRequest(query="q2")).suggestions


def test_calls_that_wait_a_little_are_taken_and_their_wait_counts(tmp_path: Path) -> None:
    twin = TwinModel()
    twin.gate.clear()
    with running(tmp_path, twin, max_concurrent=1, max_wait_ms=1000, time_budget_ms=60_000) as (server, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        calls = [stub.CompleteQuery.future(pb.CompleteQueryRequest(query="q0"))]
        eventually(lambda: twin.asked)
        calls += [stub.CompleteQuery.future(pb.CompleteQueryRequest(query=f"q{number}")) for number in range(1, 4)]
        eventually(lambda: sample(server, "autocomplete_requests_waiting") == 3)
        time.sleep(0.2)
        twin.gate.set()
        assert all(call.result().suggestions for call in calls)
    assert all(budget_s < 59.8 for budget_s in twin.budgets_s[1:])
    assert all(waited_s >= 0.2 for waited_s in twin.waited_s[1:])


def test_long_calls_have_an_admission_of_their_own(tmp_path: Path) -> None:
    twin = TwinModel()
    twin.gate.clear()
    with running(tmp_path, twin, max_long_calls=1) as (server, channel), ThreadPoolExecutor(2) as callers:
        stub = pb_grpc.AutocompleteServiceStub(channel)
        request = pb.GenerateTextRequest(prompt="a", max_output_tokens=2)
        first = callers.submit(lambda: list(stub.GenerateText(request)))
        assert twin.at_gate.wait(20)
        second = callers.submit(stub.ScoreText, pb.ScoreTextRequest(text="a"))
        eventually(lambda: sample(server, "autocomplete_requests_waiting") == 1)
        for call in (lambda: list(stub.GenerateText(request)), lambda: stub.ScoreText(pb.ScoreTextRequest(text="b"))):
            with pytest.raises(grpc.RpcError) as caught:
                call()
            assert refusal(caught.value)[:2] == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
            assert retry_delay_s(caught.value) > 0
        words = pb.PredictNextWordRequest(text="the united ", part=pb.ENSEMBLE_PART_NGRAM)
        assert stub.PredictNextWord(words).suggestions
        twin.gate.set()
        assert len(first.result()) == 2
        assert second.result().token_scores


def test_models_are_described_and_paged(tmp_path: Path) -> None:
    twins = [TwinModel(name, created_at_s=created) for name, created in (("a", 10.0), ("b", 30.0), ("c", 20.5))]
    with running(tmp_path, *twins) as (server, channel):
        eventually(lambda: all(status.model for status in server.models.statuses()))
        stub = model_grpc.ModelServiceStub(channel)
        first = stub.ListModels(model_pb.ListModelsRequest(page_size=2))
        assert [model.name for model in first.models] == ["models/b", "models/c"]
        rest = stub.ListModels(model_pb.ListModelsRequest(page_size=2, page_token=first.next_page_token))
        assert [model.name for model in rest.models] == ["models/a"]
        assert rest.next_page_token == ""
        model = stub.GetModel(model_pb.GetModelRequest(name="models/c"))
        assert model.state == model_pb.Model.STATE_ACTIVE
        assert model.version == model.latest_version == "20260101T000000Z"
        assert (model.create_time.seconds, model.create_time.nanos) == (20, 500_000_000)
        assert model.language_models[0].neural_kind == "lstm"
        assert not model.HasField("latest_version_error")


@pytest.mark.parametrize(
    ("method", "message", "outcome"),
    [
        (
            "GetModel",
            model_pb.GetModelRequest(name="models/x"),
            (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND", []),
        ),
        ("GetModel", model_pb.GetModelRequest(), (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED", ["name"])),
        (
            "ListModels",
            model_pb.ListModelsRequest(page_size=-1),
            (grpc.StatusCode.INVALID_ARGUMENT, "OUT_OF_RANGE", ["page_size"]),
        ),
        (
            "ListModels",
            model_pb.ListModelsRequest(page_token="nonsense!"),
            (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED", ["page_token"]),
        ),
    ],
)
def test_bad_model_requests(
    tmp_path: Path, method: str, message: object, outcome: tuple[grpc.StatusCode, str, list[str]]
) -> None:
    with running(tmp_path) as (_, channel), pytest.raises(grpc.RpcError) as caught:
        getattr(model_grpc.ModelServiceStub(channel), method)(message)
    assert refusal(caught.value) == outcome


def test_a_loading_model_is_unavailable(tmp_path: Path) -> None:
    release = threading.Event()

    def slow(_path: Path) -> TwinModel:
        release.wait(20)
        return TwinModel()

    with running(tmp_path, opener=slow, wait=False) as (_, channel):
        with pytest.raises(grpc.RpcError) as caught:
            pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(pb.CompleteQueryRequest(query="q"))
        model = model_grpc.ModelServiceStub(channel).GetModel(model_pb.GetModelRequest(name="models/twin"))
        release.set()
    assert refusal(caught.value) == (grpc.StatusCode.UNAVAILABLE, "MODEL_LOADING", [])
    assert model.state == model_pb.Model.STATE_LOADING
