"""Traces: a call's span goes on from the caller's, its stages are its children, and nothing says what was typed."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import grpc
import pytest
import structlog
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import service.telemetry.tracing
from lm.errors import ConfigError
from service.config import load_settings
from service.telemetry.logs import configure_logs
from service.telemetry.tracing import open_tracing
from tests.service_twins import TwinModel, running, sample

_TRACE, _PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
_CALLER = (("traceparent", f"00-{_TRACE}-{_PARENT}-01"),)
_ENDPOINT = "http://127.0.0.1:4317"


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    memory = InMemorySpanExporter()
    monkeypatch.setattr(service.telemetry.tracing, "open_exporter", lambda _endpoint: memory)
    return memory


def of_name(exporter: InMemorySpanExporter, name: str) -> ReadableSpan:
    (span,) = [span for span in exporter.get_finished_spans() if span.name == name]
    return span


def test_a_trace_goes_on_from_the_callers_and_shows_the_stages(tmp_path: Path, exporter: InMemorySpanExporter) -> None:
    with running(tmp_path, trace_endpoint=_ENDPOINT, trace_share=0.0) as (_, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        stub.CompleteQuery(pb.CompleteQueryRequest(query="secret"), metadata=_CALLER)
        stub.CompleteQuery(pb.CompleteQueryRequest(query="untraced"))  # by the share
        list(stub.GenerateText(pb.GenerateTextRequest(prompt="secret"), metadata=_CALLER))
        with pytest.raises(grpc.RpcError):
            stub.PredictNextWord(pb.PredictNextWordRequest(text="secret", model="models/none"), metadata=_CALLER)
    call, stage = of_name(exporter, "autocomplete.v1/CompleteQuery"), of_name(exporter, "ngram")
    assert call.context is not None
    assert call.parent is not None
    assert stage.parent is not None
    assert (f"{call.context.trace_id:032x}", f"{call.parent.span_id:016x}") == (_TRACE, _PARENT)
    assert stage.parent.span_id == call.context.span_id
    assert stage.end_time is not None
    assert stage.start_time is not None
    assert stage.end_time - stage.start_time == 1_000_000  # the twin's millisecond
    assert dict(call.attributes or {}) == {
        "rpc.system": "grpc",
        "rpc.method": "CompleteQuery",
        "rpc.grpc.status_code": 0,
    }
    failed = of_name(exporter, "autocomplete.v1/PredictNextWord")
    assert dict(failed.attributes or {})["rpc.grpc.status_code"] == grpc.StatusCode.NOT_FOUND.value[0]
    assert not failed.status.is_ok
    assert of_name(exporter, "autocomplete.v1/GenerateText").end_time is not None
    assert "secret" not in "".join(span.to_json() for span in exporter.get_finished_spans())


def test_an_answer_from_the_cache_has_a_span_as_any_other(tmp_path: Path, exporter: InMemorySpanExporter) -> None:
    with running(tmp_path, trace_endpoint=_ENDPOINT, trace_share=0.0) as (server, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        for _ in range(2):
            stub.CompleteQuery(pb.CompleteQueryRequest(query="new"), metadata=_CALLER)
        assert sample(server, "autocomplete_cache_lookups_total", tier="process", outcome="hit") == 1
    names = [span.name for span in exporter.get_finished_spans()]
    assert names.count("autocomplete.v1/CompleteQuery") == 2
    assert names.count("ngram") == 1


def test_lines_of_the_log_say_their_trace(
    tmp_path: Path, exporter: InMemorySpanExporter, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exporter is not None
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs("info", "json")
    twin = TwinModel()
    twin.failure = RuntimeError("what broke")
    try:
        with running(tmp_path, twin, trace_endpoint=_ENDPOINT) as (_, channel), pytest.raises(grpc.RpcError):
            pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(pb.CompleteQueryRequest(query="a"), metadata=_CALLER)
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    finally:
        structlog.reset_defaults()
        root.handlers[:], root.level = handlers, level
        logging.getLogger("service").setLevel(logging.NOTSET)
    assert [line["trace_id"] for line in lines if line["event"] == "internal_error"] == [_TRACE]
    assert all("trace_id" not in line for line in lines if line["event"] == "listening")


def test_off_by_default_and_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_tracing(load_settings({}, None)) is None

    def missing(_endpoint: str) -> None:
        raise ModuleNotFoundError("No module named 'opentelemetry'", name="opentelemetry")

    monkeypatch.setattr(service.telemetry.tracing, "open_exporter", missing)
    with pytest.raises(ConfigError, match="opentelemetry is not installed"):
        open_tracing(load_settings({"trace_endpoint": _ENDPOINT}, None))
    with pytest.raises(ConfigError, match="--trace-endpoint"):
        load_settings({"trace_endpoint": "127.0.0.1:4317"}, None)
