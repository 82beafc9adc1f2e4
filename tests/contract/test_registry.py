"""What every registry does: a folder, memory as fsspec opens it, and S3 over HTTP."""

from __future__ import annotations

import importlib
import json
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lm.bundle.manifest import MANIFEST_FILE, read_manifest, verify_files
from lm.bundle.registry import Activation, BundleStore, open_registry
from lm.bundle.remote_registry import RemoteRegistry
from lm.errors import BundleDamagedError, BundleError, MissingToolError, ModelNotFoundError, RegistryError
from tests.empty_bundle import finished


@pytest.fixture(params=["folder", "file", "memory", "s3"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return str(request.getfixturevalue("s3_url"))
    if request.param == "memory":
        return f"memory://{uuid.uuid4()}/models"
    return f"{'file://' if request.param == 'file' else ''}{tmp_path}/models"


@pytest.fixture
def registry(location: str, tmp_path: Path) -> BundleStore:
    return open_registry(location, tmp_path / "cache")


def test_one_that_is_not_there_is_empty(registry: BundleStore) -> None:
    assert registry.models() == []
    assert registry.versions("search") == []
    assert registry.versions("../search") == []
    assert registry.activation("search") is None


def test_what_is_published_is_there_with_all_its_files(registry: BundleStore, location: str, tmp_path: Path) -> None:
    place = registry.publish("search", "1", finished(tmp_path, "1"))
    assert str(place) == f"{location.removeprefix('file://')}/search/1"
    again = open_registry(location, tmp_path / "cache")
    assert (again.models(), again.versions("search")) == (["search"], ["1"])
    folder = again.resolve("search/1")
    assert (folder / "queries" / "counts.npy").read_bytes() == b"counts"
    assert (folder / MANIFEST_FILE).read_bytes() == (tmp_path / "finished" / "1" / MANIFEST_FILE).read_bytes()


def test_a_version_is_never_overwritten(registry: BundleStore, tmp_path: Path) -> None:
    registry.publish("search", "1", finished(tmp_path, "1"))
    with pytest.raises(BundleError, match="is there already"):
        registry.publish("search", "1", finished(tmp_path, "1", b"others"))
    assert (registry.resolve("search/1") / "queries" / "counts.npy").read_bytes() == b"counts"


def test_the_marker_tells_what_answers_and_what_did(registry: BundleStore, tmp_path: Path) -> None:
    for version in "123":
        registry.publish("search", version, finished(tmp_path, version))
        registry.activate("search", version)
    active = registry.activation("search")
    assert active == Activation("3", ("2", "1"))
    registry.activate("search", "2")
    assert not registry.replace_active("search", active, "1")
    assert registry.active_version("search") == "2"
    assert registry.resolve("search").name == "2"


def test_pruning_keeps_what_answers_and_what_did_before(registry: BundleStore, tmp_path: Path) -> None:
    for version in "12345":
        registry.publish("search", version, finished(tmp_path, version))
    registry.activate("search", "1")
    registry.activate("search", "3")
    assert registry.prune("search", keep=1) == ["2", "4"]
    assert registry.versions("search") == ["1", "3", "5"]
    with pytest.raises(ModelNotFoundError, match="Models there: search"):
        registry.resolve("search/2")


def test_a_fingerprint_tells_a_replaced_file(registry: BundleStore, tmp_path: Path) -> None:
    registry.publish("search", "1", finished(tmp_path, "1"))
    before = registry.fingerprint("search", "1")
    assert registry.fingerprint("search", "1") == before
    registry._remove("search", "1")
    registry.publish("search", "1", finished(tmp_path, "1", b"others"))
    assert registry.fingerprint("search", "1") != before


@pytest.mark.parametrize("location", ["folder", "file"], indirect=True)
def test_no_activation_is_lost_among_many_at_once(location: str, tmp_path: Path) -> None:
    versions = "12345678"
    registry = open_registry(location)
    for version in versions:
        registry.publish("search", version, finished(tmp_path, version))
    with ThreadPoolExecutor(len(versions)) as users:
        list(users.map(lambda version: open_registry(location).activate("search", version), versions))
    active = registry.activation("search")
    assert active is not None
    assert sorted((active.version, *active.before)) == list(versions)


@pytest.mark.parametrize("location", ["s3"], indirect=True)
@pytest.mark.parametrize("first", [None, "", "1"], ids=["no marker", "an empty one", "one"])
def test_an_activation_between_look_and_write_is_not_lost(
    registry: BundleStore, location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str | None
) -> None:
    for version in "1234":
        registry.publish("search", version, finished(tmp_path, version))
    assert isinstance(registry, RemoteRegistry)
    if first is not None:
        registry._write(f"{registry._root}/search/ACTIVE", first.encode())
    looked = registry.activation("search")
    write, others = registry._write, iter("23")

    def after_another(path: str, content: bytes, **condition: str) -> bool:
        for version in others:
            open_registry(location, tmp_path / "other").activate("search", version)
            break
        return write(path, content, **condition)

    monkeypatch.setattr(registry, "_write", after_another)
    assert not registry.replace_active("search", looked, "4")
    assert registry.active_version("search") == "2"
    registry.activate("search", "4")
    before = ("3", "2", "1") if first else ("3", "2")
    assert registry.activation("search") == Activation("4", before)


@pytest.mark.parametrize("location", ["folder", "file"], indirect=True)
def test_of_those_who_publish_a_version_at_once_one_does(location: str, tmp_path: Path) -> None:
    def publish(name: str) -> str | None:
        folder = finished(tmp_path / name, "1", name.encode())
        try:
            open_registry(location, tmp_path / name).publish("search", "1", folder)
        except BundleError:
            return None
        return name

    with ThreadPoolExecutor(6) as publishers:
        published = [name for name in publishers.map(publish, "abcdef") if name]
    folder = open_registry(location, tmp_path / "cache").resolve("search/1")
    verify_files(folder, read_manifest(folder))
    assert [(folder / "queries" / "counts.npy").read_text()] == published


@pytest.mark.parametrize("location", ["memory", "s3"], indirect=True)
def test_who_publishes_what_another_uploads_is_told_so(registry: BundleStore, tmp_path: Path) -> None:
    assert isinstance(registry, RemoteRegistry)
    with registry._claimed("search", "1"), pytest.raises(BundleError, match="is being published"):
        registry.publish("search", "1", finished(tmp_path, "1"))
    registry.publish("search", "1", finished(tmp_path, "1"))
    assert registry.versions("search") == ["1"]


@pytest.mark.parametrize("location", ["memory", "s3"], indirect=True)
def test_who_was_a_moment_too_late_changes_no_file(
    registry: BundleStore, location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(registry, RemoteRegistry)
    claimed = registry._claimed

    def after_another(model: str, version: str) -> AbstractContextManager[None]:
        open_registry(location, tmp_path / "other").publish(model, version, finished(tmp_path / "other", version))
        return claimed(model, version)

    monkeypatch.setattr(registry, "_claimed", after_another)
    with pytest.raises(BundleError, match="is there already"):
        registry.publish("search", "1", finished(tmp_path, "1", b"others"))
    assert (registry.resolve("search/1") / "queries" / "counts.npy").read_bytes() == b"counts"


@pytest.mark.parametrize("location", ["memory", "s3"], indirect=True)
def test_an_upload_that_is_cut_off_is_no_version_and_no_obstacle(registry: BundleStore, tmp_path: Path) -> None:
    folder = finished(tmp_path, "1")
    manifest = (folder / MANIFEST_FILE).rename(tmp_path / MANIFEST_FILE)
    with pytest.raises(RegistryError, match=MANIFEST_FILE):  # which is uploaded last
        registry.publish("search", "1", folder)
    assert registry.versions("search") == []
    with pytest.raises(BundleError, match="has no search 1"):
        registry.bundle_path("search", "1")
    manifest.rename(folder / MANIFEST_FILE)
    registry.publish("search", "1", folder)
    assert registry.versions("search") == ["1"]


@pytest.mark.parametrize("location", ["memory", "s3"], indirect=True)
def test_a_bundle_that_is_not_as_its_manifest_says_leaves_no_copy(registry: BundleStore, tmp_path: Path) -> None:
    folder = finished(tmp_path, "1")
    (folder / "queries" / "counts.npy").write_bytes(b"cOunts")
    registry.publish("search", "1", folder)
    assert isinstance(registry, RemoteRegistry)
    with pytest.raises(BundleDamagedError, match="SHA-256 differs"):
        registry.resolve("search/1")
    assert registry.cache.versions("search") == []


@pytest.mark.parametrize("location", ["memory", "s3"], indirect=True)
def test_a_copy_is_made_anew_if_it_or_the_bundle_changed(registry: BundleStore, tmp_path: Path) -> None:
    registry.publish("search", "1", finished(tmp_path, "1"))
    copy = registry.resolve("search/1") / "queries" / "counts.npy"
    inode = copy.stat().st_ino
    assert registry.resolve("search/1") / "queries" / "counts.npy" == copy
    assert copy.stat().st_ino == inode  # the same copy

    copy.write_bytes(b"cOunts")
    registry.resolve("search/1")
    assert copy.read_bytes() == b"counts"

    registry._remove("search", "1")
    registry.publish("search", "1", finished(tmp_path, "1", b"others"))
    registry.resolve("search/1")
    assert copy.read_bytes() == b"others"


@pytest.mark.parametrize("location", ["memory", "s3"], indirect=True)
@pytest.mark.parametrize("name", ["../../outside", "/outside", "a/../../outside"])
def test_a_manifest_cannot_name_files_outside_its_bundle(registry: BundleStore, tmp_path: Path, name: str) -> None:
    folder = finished(tmp_path, "1")
    document = json.loads((folder / MANIFEST_FILE).read_text())
    document["files"][name] = document["files"]["queries/counts.npy"]
    (folder / MANIFEST_FILE).write_text(json.dumps(document))
    registry.publish("search", "1", folder)
    with pytest.raises(BundleDamagedError, match="outside the bundle"):
        registry.resolve("search/1")


@pytest.mark.parametrize(
    ("url", "library", "remedy"),
    [
        ("s3://bucket/models", "s3fs", r"\[s3\]"),
        ("gs://bucket/models", "gcsfs", r"\[gcs\]"),
        ("az://container/models", "adlfs", r"\[azure\]"),
    ],
)
def test_a_library_that_is_missing_is_named(
    url: str, library: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    loaded = importlib.import_module("fsspec.registry")._registry
    monkeypatch.delitem(loaded, urlsplit(url).scheme, raising=False)
    with pytest.raises(MissingToolError, match=rf"pip install '\.{remedy}'"):
        open_registry(url, tmp_path)


@pytest.mark.parametrize("url", ["nonsense://bucket", "s3://"])
def test_a_url_that_cannot_be_used_is_said(url: str, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=url):
        open_registry(url, tmp_path).models()
