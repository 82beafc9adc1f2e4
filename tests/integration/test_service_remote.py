"""A server that follows a registry in S3, over HTTP and with real bundles."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import fsspec
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import model_service_pb2 as model_pb
from autocomplete.v1 import model_service_pb2_grpc as model_grpc
from typer.testing import CliRunner

from cli.main import app
from lm.bundle.manifest import read_manifest
from lm.bundle.registry import BundleStore, open_registry
from tests.reloading import FIRST, SECOND, Load, answers, publish_two, serving, version_of, versioned
from tests.service_twins import eventually, sample


@pytest.fixture
def registry(tmp_path: Path, tiny_bundle: Path, s3_url: str) -> BundleStore:
    """The model `tiny` in two versions in S3, the first one active."""
    bundles = open_registry(s3_url, tmp_path / "publisher")
    publish_two(bundles, tiny_bundle, tmp_path)
    return bundles


def test_versions_are_fetched_swapped_in_and_rolled_back(registry: BundleStore, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with serving(registry.location, bundle_cache=cache) as (server, channel), Load(channel) as load:
        registry.activate("tiny", SECOND)
        eventually(partial(answers, channel, SECOND), timeout_s=60)
        load.wait_for_more(SECOND)
        back = CliRunner().invoke(app, ["rollback", "tiny", "--registry", registry.location])
        assert back.exit_code == 0, back.output
        eventually(partial(answers, channel, FIRST), timeout_s=60)
        assert sample(server, "autocomplete_model_openings_total", model="tiny", outcome="opened") == 3
        copies = open_registry(next((cache / "bundles").iterdir()))
        eventually(lambda: (copies.active_version("tiny"), copies.versions("tiny")) == (FIRST, [FIRST, SECOND]))
    assert load.errors == []


def test_a_damaged_version_is_told_and_the_old_one_stays(
    registry: BundleStore, tmp_path: Path, tiny_bundle: Path
) -> None:
    third = "20260103-000000"
    folder = versioned(tiny_bundle, tmp_path / "damaged", third)
    damaged = next(iter(folder.glob("queries_index/queries.blob.npy")))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\x00")
    registry.publish("tiny", third, folder)
    with serving(registry.location, bundle_cache=tmp_path / "cache") as (server, channel):
        registry.activate("tiny", third)
        eventually(lambda: server.models.status("tiny").latest_error is not None and version_of(channel) == FIRST)
        eventually(lambda: sample(server, "autocomplete_model_openings_total", model="tiny", outcome="failed") == 1)
        stub = model_grpc.ModelServiceStub(channel)
        eventually(
            lambda: (
                "SHA-256" in stub.GetModel(model_pb.GetModelRequest(name="models/tiny")).latest_version_error.message
            )
        )
        model = stub.GetModel(model_pb.GetModelRequest(name="models/tiny"))
        assert (model.state, model.version, model.latest_version) == (model_pb.Model.STATE_ACTIVE, FIRST, third)
        assert damaged.name in model.latest_version_error.message
        registry._remove("tiny", third)
        good = versioned(tiny_bundle, tmp_path / "mended", third)
        registry.publish("tiny", third, good)
        eventually(partial(answers, channel, third), timeout_s=60)


def test_answers_go_on_without_the_network_and_a_start_finds_the_copy(
    registry: BundleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    with serving(registry.location, bundle_cache=cache) as (_server, channel):
        eventually(partial(answers, channel, FIRST))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")  # nothing listens there
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    with serving(registry.location, bundle_cache=cache) as (server, channel):
        completed = pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(pb.CompleteQueryRequest(query="n"))
        assert completed.model_version == FIRST
        assert completed.suggestions
        assert sample(server, "autocomplete_registry_errors_total") >= 1


def _fetch(url: str, cache: str, count: multiprocessing.sharedctypes.Synchronized[int]) -> None:
    opened = open_registry(url, Path(cache))
    copy = opened._copy  # type: ignore[attr-defined]

    def counted(copy_one: Callable[[str], None], names: Iterable[str]) -> None:
        copied = list(names)
        with count.get_lock():
            count.value += len(copied)
        copy(copy_one, copied)

    opened._copy = counted  # type: ignore[attr-defined]
    opened.bundle_path("tiny", FIRST)


def test_processes_of_one_machine_download_a_version_once(registry: BundleStore, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    count = context.Value("i", 0)
    processes = [
        context.Process(target=_fetch, args=(registry.location, str(tmp_path / "cache"), count)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert count.value == len(read_manifest(registry.bundle_path("tiny", FIRST)).files)
