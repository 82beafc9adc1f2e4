"""The server as its own process, on a bundle that was really trained."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import model_service_pb2 as model_pb
from autocomplete.v1 import model_service_pb2_grpc as model_grpc

from tests.service_process import Process, started


@contextmanager
def served(registry: Path) -> Iterator[tuple[Process, grpc.Channel]]:
    with started(registry) as process, grpc.insecure_channel(process.address) as channel:
        yield process, channel


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_all_methods_and_ends_well(tiny_bundle_registry: Path, number: signal.Signals) -> None:
    with served(tiny_bundle_registry) as (process, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        popular = stub.CompleteQuery(pb.CompleteQueryRequest())
        assert popular.suggestions
        assert popular.model == "models/tiny"
        typed = popular.suggestions[0].text[:2]
        completed = stub.CompleteQuery(pb.CompleteQueryRequest(query=typed, explain=True))
        assert all(suggestion.text.startswith(typed) for suggestion in completed.suggestions)
        assert completed.timings
        assert stub.PredictNextWord(pb.PredictNextWordRequest()).suggestions
        score = stub.ScoreText(pb.ScoreTextRequest(text="the people"))
        assert score.token_scores[-1].token == "</s>"
        assert score.log_probability < 0
        chunks = list(stub.GenerateText(pb.GenerateTextRequest(prompt="the", max_output_tokens=5, seed=1)))
        assert [bool(chunk.finish_reason) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        messages = [
            pb.StreamCompleteQueryRequest(config=pb.StreamCompleteQueryRequest.Config()),
            pb.StreamCompleteQueryRequest(
                keystroke=pb.StreamCompleteQueryRequest.Keystroke(sequence_number=1, query=typed + "x")
            ),
        ]
        assert list(stub.StreamCompleteQuery(iter(messages)))[-1].is_final
        model = model_grpc.ModelServiceStub(channel).GetModel(model_pb.GetModelRequest(name="models/tiny"))
        assert model.state == model_pb.Model.STATE_ACTIVE
        assert model.query_count > 0
        assert len(model.manifest_sha256) == 64
        process.popen.send_signal(number)
        code, errors = process.end()
    assert code == 0, errors
    assert "Traceback" not in errors
    assert typed + "x" not in errors
    assert errors.count('"no_redis"') == 1


def test_it_does_without_what_trains(tiny_bundle_registry: Path) -> None:
    with served(tiny_bundle_registry) as (process, channel):
        pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(pb.CompleteQueryRequest(query="a"))
        mapped = Path(f"/proc/{process.popen.pid}/maps").read_text(encoding="utf-8")
    assert "/torch/" not in mapped
    assert "/duckdb" not in mapped


def test_a_taken_port_ends_it_with_one_paragraph(tiny_bundle_registry: Path) -> None:
    with served(tiny_bundle_registry) as (process, _):
        code, errors = Process(tiny_bundle_registry, address=process.address).end()
    assert code == 1
    assert errors.startswith(f"error: --address: cannot listen on {process.address}")
    assert errors.count("\n") == 1


def test_an_empty_registry_ends_it_with_one_paragraph(tmp_path: Path) -> None:
    code, errors = Process(tmp_path).end()
    assert code == 1
    assert "holds no model" in errors
    assert "Traceback" not in errors


def test_a_damaged_bundle_ends_it_with_one_paragraph(tmp_path: Path) -> None:
    version = tmp_path / "m" / "1"
    version.mkdir(parents=True)
    (version / "manifest.json").write_text("{}", encoding="utf-8")
    (tmp_path / "m" / "ACTIVE").write_text("1\n", encoding="utf-8")
    code, errors = Process(tmp_path).end()
    assert code == 1
    assert str(version) in errors.splitlines()[-1]
    assert "Traceback" not in errors
