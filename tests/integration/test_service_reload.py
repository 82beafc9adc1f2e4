"""Another version takes a model's place while calls go on, over real ports and with real bundles."""

from __future__ import annotations

import gc
from functools import partial
from pathlib import Path

import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import model_service_pb2 as model_pb
from autocomplete.v1 import model_service_pb2_grpc as model_grpc

from lm.bundle.registry import Registry
from tests.reloading import FIRST, SECOND, Load, answers, publish_two, serving, version_of
from tests.service_twins import TwinModel, eventually, registry_of, sample
from tests.typist import Typist


@pytest.fixture
def registry(tmp_path: Path, tiny_bundle: Path) -> Registry:
    bundles = Registry(tmp_path / "registry")
    publish_two(bundles, tiny_bundle, tmp_path)
    return bundles


def mapped(folder: Path) -> bool:
    return str(folder) in Path("/proc/self/maps").read_text(encoding="utf-8")


@pytest.mark.parametrize("cache", ["none", "process"])
def test_no_call_fails_during_ten_swaps(registry: Registry, cache: str) -> None:
    # on a machine that has little time for the test, calls do wait: who is refused for it is not what is asked here
    with serving(registry.root, cache=cache, max_wait_ms=5000) as (server, channel), Load(channel) as load:
        for version in (SECOND, FIRST) * 5:
            registry.activate("tiny", version)
            eventually(partial(answers, channel, version), timeout_s=60)
            load.wait_for_more(version)
        assert sample(server, "autocomplete_model_openings_total", model="tiny", outcome="opened") == 11
        assert sample(server, "autocomplete_model_info", model="tiny", version=FIRST) == 1
        assert (
            server.metrics.registry.get_sample_value("autocomplete_model_info", {"model": "tiny", "version": SECOND})
            is None
        )
    assert load.errors == []
    assert set(load.versions) == {FIRST, SECOND}


def test_what_no_call_needs_any_longer_is_unmapped(registry: Registry) -> None:
    with serving(registry.root) as (_, channel):
        pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(pb.CompleteQueryRequest(query="new"))
        assert mapped(registry.bundle_path("tiny", FIRST))
        registry.activate("tiny", SECOND)
        eventually(lambda: version_of(channel) == SECOND)
        gc.collect()
        eventually(lambda: not mapped(registry.bundle_path("tiny", FIRST)))
        assert mapped(registry.bundle_path("tiny", SECOND))


def test_a_damaged_version_is_told_and_the_old_one_stays_until_it_is_mended(registry: Registry) -> None:
    damaged = next(iter(registry.bundle_path("tiny", SECOND).glob("queries_index/*")))
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with serving(registry.root) as (server, channel):
        stub = model_grpc.ModelServiceStub(channel)
        registry.activate("tiny", SECOND)
        eventually(lambda: sample(server, "autocomplete_model_openings_total", model="tiny", outcome="failed") == 1)
        eventually(lambda: server.models.status("tiny").latest_error is not None)
        model = stub.GetModel(model_pb.GetModelRequest(name="models/tiny"))
        assert (model.state, model.version, model.latest_version) == (model_pb.Model.STATE_ACTIVE, FIRST, SECOND)
        assert damaged.name in model.latest_version_error.message
        completed = pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(pb.CompleteQueryRequest(query="n"))
        assert completed.model_version == FIRST
        damaged.write_bytes(content)
        eventually(lambda: version_of(channel) == SECOND)


def test_a_call_under_way_ends_on_the_version_that_it_began_on(tmp_path: Path) -> None:
    root = registry_of(tmp_path, {"twin": ["1", "2"]})
    twins = {version: TwinModel(version=version) for version in ("1", "2")}
    (root / "twin" / "ACTIVE").write_text("1", encoding="utf-8")
    with serving(root, opener=lambda path: twins[path.name]) as (server, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        typist = Typist(channel)
        typist.type(1, "new")
        assert {next(typist.answers).completion.model_version for _ in range(2)} == {"1"}
        twins["1"].gate.clear()
        slow = stub.CompleteQuery.future(pb.CompleteQueryRequest(query="q"))
        eventually(lambda: ("q", True) in twins["1"].asked)
        Registry(root).activate("twin", "2")
        eventually(lambda: server.models.status("twin").model is twins["2"])
        assert stub.CompleteQuery(pb.CompleteQueryRequest(query="q")).model_version == "2"
        typist.type(2, "new y")
        assert {next(typist.answers).completion.model_version for _ in range(2)} == {"2"}
        typist.finish()
        twins["1"].gate.set()
        assert slow.result().model_version == "1"
