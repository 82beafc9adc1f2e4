"""What the server makes of a registry that cannot be reached: answers go on, it is told once and asked less often."""

from __future__ import annotations

import itertools
import shutil
import uuid
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from lm.bundle.manifest import read_manifest
from lm.bundle.registry import open_registry
from lm.bundle.remote_registry import RemoteRegistry
from lm.errors import RegistryError
from service.models.remote_bundles import RemoteBundles
from service.models.served_models import ServedModels, VersionOpener
from service.telemetry.metrics import Metrics
from tests.empty_bundle import finished
from tests.service_twins import TwinModel, eventually


class Network:
    """A registry in memory, which can be out of reach, and the clock by which it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"memory://{uuid.uuid4()}"
        self.now_s = 0.0
        self.publisher = open_registry(self.url, folder / "publisher")
        self.metrics = Metrics(CollectorRegistry())
        self.remote = self._open()
        self.bundles = RemoteBundles(self.remote, self.metrics, lambda: self.now_s)

    def _open(self) -> RemoteRegistry:
        opened = open_registry(self.url, self.folder / "cache")
        assert isinstance(opened, RemoteRegistry)
        return opened

    def publish(self, *versions: str) -> None:
        for version in versions:
            self.publisher.publish("search", version, finished(self.folder, version))
            self.publisher.activate("search", version)

    def restart(self, *, reachable: bool) -> None:
        """Another process on this machine."""
        self.remote = self._open()
        self.cut(not reachable)
        self.bundles = RemoteBundles(self.remote, self.metrics, lambda: self.now_s)

    def cut(self, away: bool = True) -> None:
        self.remote._fs = Away() if away else self._open()._fs

    def errors(self) -> float:
        return self.metrics.registry.get_sample_value("autocomplete_registry_errors_total") or 0.0


class Away:
    """A file system to which there is no way."""

    asked = 0

    def __getattr__(self, name: str) -> object:
        def ask(*_: object, **__: object) -> None:
            type(self).asked += name != "invalidate_cache"
            raise ConnectionError("no route to host")

        return ask


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network(tmp_path)


def test_what_was_said_last_stands_and_the_outage_is_told_once(network: Network) -> None:
    network.publish("1", "2")
    with capture_logs() as logs:
        for away in (False, True, True, False):
            network.cut(away)
            network.now_s += 100
            for _ in range(3):
                assert network.bundles.models() == ["search"]
                assert network.bundles.versions("search") == ["1", "2"]
                assert network.bundles.active_version("search") == "2"
    assert [entry["event"] for entry in logs] == ["registry_unreachable", "registry_reachable"]
    assert "no route to host" in logs[0]["error"]
    assert network.errors() == 2


def test_it_is_asked_less_and_less_often(network: Network) -> None:
    network.publish("1")
    network.bundles.models()
    network.cut()
    times_s = []
    for second in range(400):
        network.now_s = float(second)
        before = network.errors()
        network.bundles.versions("search")
        if network.errors() > before:
            times_s.append(second)
    waits_s = [later - sooner for sooner, later in itertools.pairwise(times_s)]
    assert waits_s == [1, 2, 4, 8, 16, 32, *[60] * (len(waits_s) - 6)]
    assert len(waits_s) > 8


def test_a_start_without_the_registry_answers_from_the_copies(network: Network) -> None:
    network.publish("1", "2")
    path = network.bundles.bundle_path("search", "2")
    network.restart(reachable=False)
    assert network.bundles.models() == ["search"]
    assert network.bundles.versions("search") == ["2"]
    assert network.bundles.active_version("search") == "2"
    assert network.bundles.bundle_path("search", "2") == path
    assert read_manifest(path).version == "2"
    network.cut(away=False)
    network.now_s += 100
    assert network.bundles.versions("search") == ["1", "2"]


def test_a_start_without_the_registry_and_without_copies_fails(network: Network) -> None:
    network.publish("1")
    network.restart(reachable=False)
    with pytest.raises(RegistryError, match="no route to host"):
        network.bundles.models()


def test_a_version_that_cannot_be_fetched_now_is_fetched_later(network: Network) -> None:
    network.publish("1")
    opener = VersionOpener(network.bundles, lambda path: TwinModel("search", version=path.name), network.metrics)
    network.bundles.fingerprint("search", "1")
    network.cut()
    assert isinstance(opener.open("search", "1"), RegistryError)
    network.cut(away=False)
    network.now_s += 100
    assert isinstance(opener.open("search", "1"), TwinModel)
    labels = {"model": "search", "outcome": "failed"}
    assert network.metrics.registry.get_sample_value("autocomplete_model_openings_total", labels) is None


def test_copies_stay_of_what_answers_and_of_what_can_be_gone_back_to(network: Network) -> None:
    network.publish("1", "2", "3", "4")
    for version in "1234":
        network.bundles.bundle_path("search", version)
    network.publisher.activate("search", "2")  # a roll-back from 4 that has not been followed yet
    network.bundles.keep("search", {"3"})
    assert network.remote.cache.versions("search") == ["2", "3", "4"]
    network.bundles.keep("search", {"2"})
    assert network.remote.cache.versions("search") == ["2", "4"]


def test_what_a_killed_fetch_left_is_no_obstacle(network: Network) -> None:
    network.publish("1")
    path = network.remote.cache.bundle_path("search", "1")
    for left in (path.with_name(".1.partial"), path.with_name(".1.removed")):
        shutil.copytree(network.folder / "finished" / "1", left)
    path.mkdir()  # without a manifest
    assert network.bundles.bundle_path("search", "1") == path
    assert {each.name for each in path.parent.iterdir()} == {"1", "ACTIVE", ".lock"}


def test_what_killed_fetches_of_other_versions_left_goes(network: Network) -> None:
    network.publish("1", "2")
    left = network.remote.cache.bundle_path("search", ".1.partial")
    left.mkdir(parents=True)
    path = network.bundles.bundle_path("search", "2")
    assert {each.name for each in path.parent.iterdir()} == {"2", "ACTIVE", ".lock"}


def test_a_registry_that_was_emptied_and_then_lost_is_followed_again(network: Network) -> None:
    network.publish("1")
    registry = ServedModels(
        network.bundles,
        ["search"],
        "search",
        lambda path: TwinModel("search", version=path.name),
        network.metrics,
        lambda _status: None,
        follow_s=0.002,
        new_models=True,
    )
    registry.start()
    try:
        eventually(lambda: registry.status("search").model is not None)
        network.publisher._remove("search", "1")
        eventually(lambda: registry.status("search").latest_error is not None)
        network.cut()
        eventually(lambda: network.errors() > 0)
        network.cut(away=False)
        network.publish("2")
        network.now_s += 100
        eventually(lambda: registry.get("search").version == "2")
    finally:
        registry.close()
