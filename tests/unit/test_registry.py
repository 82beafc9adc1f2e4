"""Bundles in a registry: whole or not there, and one of them active."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lm.errors import BundleError, ModelNotFoundError
from lm.manifest import MANIFEST_FILE
from lm.registry import Registry


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "finished"
    (folder / "queries").mkdir(parents=True)
    (folder / MANIFEST_FILE).write_text("{}")
    (folder / "queries" / "counts.npy").write_bytes(b"counts")
    return folder


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


def test_a_registry_that_is_not_there_is_empty(registry: Registry) -> None:
    assert registry.models() == []
    assert registry.versions("search") == []
    assert registry.active_version("search") is None


def test_a_published_bundle_is_there_with_all_its_files(registry: Registry, bundle: Path) -> None:
    target = registry.publish("search", "20260101", bundle)

    assert target == registry.bundle_path("search", "20260101") == registry.resolve("search/20260101")
    assert (target / "queries" / "counts.npy").read_bytes() == b"counts"
    assert registry.models() == ["search"]


def test_publishing_alone_changes_no_answer(registry: Registry, bundle: Path) -> None:
    registry.publish("search", "20260101", bundle)

    assert registry.active_version("search") is None
    with pytest.raises(ModelNotFoundError):
        registry.resolve("search")


def test_a_bundle_that_cannot_be_copied_whole_leaves_nothing(registry: Registry, bundle: Path) -> None:
    (bundle / "queries" / "dangling.npy").symlink_to(bundle / "nowhere")

    with pytest.raises(shutil.Error):
        registry.publish("search", "20260101", bundle)

    assert registry.versions("search") == []
    assert list((registry.root / "search").iterdir()) == []


def test_what_a_killed_publication_left_is_no_version_and_no_obstacle(registry: Registry, bundle: Path) -> None:
    left_over = registry.root / "search" / ".20260101.partial"
    shutil.copytree(bundle, left_over)
    (left_over / "stale.npy").write_bytes(b"old")
    assert registry.versions("search") == []

    target = registry.publish("search", "20260101", bundle)

    assert registry.versions("search") == ["20260101"]
    assert not (target / "stale.npy").exists()
    assert not left_over.exists()


def test_a_version_is_never_overwritten(registry: Registry, bundle: Path) -> None:
    target = registry.publish("search", "20260101", bundle)
    (bundle / "queries" / "counts.npy").write_bytes(b"others")

    with pytest.raises(BundleError, match="is there already"):
        registry.publish("search", "20260101", bundle)

    assert (target / "queries" / "counts.npy").read_bytes() == b"counts"


def test_the_active_version_answers(registry: Registry, bundle: Path) -> None:
    for version in ("20260102", "20260101"):
        registry.publish("search", version, bundle)

    assert registry.versions("search") == ["20260101", "20260102"]
    for version in ("20260102", "20260101"):
        registry.activate("search", version)
        assert registry.active_version("search") == version
        assert registry.resolve("search") == registry.root / "search" / version


def test_a_fingerprint_tells_a_changed_file(registry: Registry, bundle: Path) -> None:
    file = registry.publish("search", "1", bundle) / "queries" / "counts.npy"
    before = registry.fingerprint("search", "1")
    assert registry.fingerprint("search", "1") == before
    os.utime(file, (1, 1))
    touched = registry.fingerprint("search", "1")
    file.unlink()
    assert len({before, touched, registry.fingerprint("search", "1"), registry.fingerprint("search", "2")}) == 4


def test_a_marker_that_is_no_text_names_no_version(registry: Registry, bundle: Path) -> None:
    registry.publish("search", "1", bundle)
    (registry.root / "search" / "ACTIVE").write_bytes(b"\xff1")
    assert registry.active_version("search") not in registry.versions("search")


@pytest.mark.parametrize("active", ["1", "3", "5"])
def test_pruning_keeps_the_newest_and_the_active_one(registry: Registry, bundle: Path, active: str) -> None:
    for version in "12345":
        registry.publish("search", version, bundle)
    registry.activate("search", active)

    gone = registry.prune("search", keep=2)

    kept = sorted({active, "4", "5"})
    assert registry.versions("search") == kept
    assert gone == sorted(set("12345") - set(kept))
    assert {path.name for path in (registry.root / "search").iterdir()} == {*kept, "ACTIVE"}
    assert registry.active_version("search") == active


@pytest.mark.parametrize("wanted", ["other", "search/2", "search/", "", "/1", "../finished", "search/../search/1"])
def test_what_is_not_there_is_said_with_what_is(registry: Registry, bundle: Path, wanted: str) -> None:
    registry.publish("search", "1", bundle)

    with pytest.raises(ModelNotFoundError, match="Models there: search") as caught:
        registry.resolve(wanted)

    assert repr(wanted) in str(caught.value)


def test_a_removed_active_version_is_not_found(registry: Registry, bundle: Path) -> None:
    registry.publish("search", "1", bundle)
    registry.activate("search", "2")

    with pytest.raises(ModelNotFoundError):
        registry.resolve("search")


def test_a_folder_without_a_manifest_is_no_version(registry: Registry) -> None:
    (registry.root / "search" / "1").mkdir(parents=True)

    assert registry.versions("search") == []
    assert registry.models() == []
