"""Short beginnings are answered before anybody asks: from the training to the server."""

from __future__ import annotations

import shutil
from pathlib import Path

import grpc
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc

from lm.bundle.bundle import open_bundle
from lm.bundle.manifest import read_manifest, write_manifest
from lm.index.warm_set import WARM_SET_FILE
from service.app import Server
from tests.redis_process import RedisProcess
from tests.service_twins import TwinModel, eventually, running, sample


def _ask(channel: grpc.Channel, query: str) -> pb.CompleteQueryResponse:
    answer: pb.CompleteQueryResponse = pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(
        pb.CompleteQueryRequest(query=query)
    )
    return answer


def _warmed(server: Server, outcome: str) -> float:
    return sample(server, "autocomplete_warmed_answers_total", model="twin", outcome=outcome)


def test_a_usual_call_finds_the_answer_that_was_made_ready(tmp_path: Path) -> None:
    twin = TwinModel(warm_queries=("", "n", "ne"))
    with running(tmp_path, twin, generated="mix", min_probability=0.1) as (server, channel):
        eventually(lambda: _warmed(server, "computed") == 3)
        assert sample(server, "autocomplete_cache_lookups_total", tier="process", outcome="miss") == 0
        assert [each.text for each in _ask(channel, "ne").suggestions] == ["nec", "neb", "nea"]
        assert sample(server, "autocomplete_cache_lookups_total", tier="process", outcome="hit") == 1
    assert twin.asked == [("", True), ("n", True), ("ne", True)]


def test_what_redis_holds_is_not_computed_again(tmp_path: Path, redis_server: RedisProcess) -> None:
    redis_server.start()
    version = f"{tmp_path.name}-{tmp_path.stat().st_ino}"  # of this test alone
    first, second = (TwinModel(warm_queries=("a", "b"), version=version) for _ in range(2))
    url = redis_server.url
    with running(tmp_path / "1", first, redis=url, redis_timeout_ms=1000) as (server, _):
        eventually(lambda: _warmed(server, "computed") == 2)
    with running(tmp_path / "2", second, redis=url, redis_timeout_ms=1000) as (server, _):
        eventually(lambda: _warmed(server, "found") == 2)
    assert not second.asked


@pytest.mark.parametrize("cache", ["none", "process"])
def test_without_a_cache_nothing_is_made_ready(tmp_path: Path, cache: str) -> None:
    twin = TwinModel(warm_queries=("a", "b"))
    with running(tmp_path, twin, cache=cache, cache_entries=1) as (_, channel):
        _ask(channel, "z")
    assert twin.asked == [("z", True)]


def test_training_writes_the_most_typed_beginnings(tiny_bundle: Path) -> None:
    warm_set = open_bundle(tiny_bundle).warm_set
    assert warm_set[0] == ""
    assert len(set(warm_set)) == len(warm_set) == 2000
    assert max(map(len, warm_set)) == 3
    queries = open_bundle(tiny_bundle).queries
    assert queries is not None
    weights = [queries.completions(text, 1)[1] for text in warm_set[1:]]
    assert weights == sorted(weights, reverse=True)


def test_a_bundle_without_them_opens(tiny_bundle: Path, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(tiny_bundle, older)
    (older / WARM_SET_FILE).unlink()
    write_manifest(older, read_manifest(older))
    assert open_bundle(older).warm_set == ()
