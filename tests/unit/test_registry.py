"""Bundles in a registry: whole or not there, and one of them active."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.bundle.manifest import MANIFEST_FILE
from lm.bundle.registry import Activation, Registry
from lm.errors import BundleError, ModelNotFoundError


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

    with pytest.raises(FileNotFoundError):
        registry.publish("search", "20260101", bundle)

    assert registry.versions("search") == []
    assert [path.name for path in (registry.root / "search").iterdir()] == [".publish.lock"]


def test_a_disk_without_room_leaves_what_answers_and_is_said_as_such(registry: Registry, bundle: Path) -> None:
    registry.publish("search", "20260101", bundle)
    registry.activate("search", "20260101")
    (bundle / "queries" / "counts.npy").write_bytes(bytes(100_000))
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, former[1]))  # no file may become larger
    try:
        with pytest.raises(OSError, match="too large") as caught:
            registry.publish("search", "20260102", bundle)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)

    assert caught.value.errno == errno.EFBIG
    assert registry.active_version("search") == "20260101"
    left = [".ACTIVE.lock", ".publish.lock", "20260101", "ACTIVE"]
    assert sorted(path.name for path in (registry.root / "search").iterdir()) == left


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
    assert {path.name for path in (registry.root / "search").iterdir()} == {
        *kept,
        "ACTIVE",
        ".ACTIVE.lock",
        ".publish.lock",
    }
    assert registry.active_version("search") == active


def test_pruning_keeps_what_can_be_gone_back_to(registry: Registry, bundle: Path) -> None:
    for version in "12345":
        registry.publish("search", version, bundle)
    for version in "125":
        registry.activate("search", version)

    assert registry.prune("search", keep=1) == ["1", "3", "4"]
    active = registry.activation("search")
    assert active is not None
    assert active.previous(registry.versions("search")) == "2"


def test_going_back_goes_further_each_time_and_forward_again() -> None:
    versions = ["1", "2", "3", "4", "5"]
    active = Activation("1").then("2").then("5")  # 3 and 4 never answered
    gone_back = [active]
    while (previous := gone_back[-1].previous(versions)) is not None:
        gone_back.append(gone_back[-1].then(previous))
    assert [each.version for each in gone_back] == ["5", "2", "1"]
    assert [each.rolled_back_from for each in gone_back] == [None, "5", "5"]
    assert gone_back[-1].then("5").rolled_back_from is None
    assert gone_back[-1].then("2").rolled_back_from == "5"


def test_a_marker_of_one_line_goes_back_to_the_version_before() -> None:
    active = Activation.parse("3\n")
    assert active == Activation("3")
    assert active.previous(["1", "2", "3", "4"]) == "2"
    assert active.previous(["3", "4"]) is None
    assert Activation.parse(" \n") is None


@given(st.lists(st.integers(1, 30).map(str), min_size=1, max_size=40))
def test_a_marker_says_what_was_written(activated: list[str]) -> None:
    active = Activation(activated[0])
    for version in activated[1:]:
        active = active.then(version)
    assert Activation.parse(active.text()) == active
    assert active.version == activated[-1]
    formers = list(dict.fromkeys(version for version in reversed(activated) if version != active.version))
    assert list(active.before) == formers[:10]


def test_what_became_active_meanwhile_is_not_replaced(registry: Registry, bundle: Path) -> None:
    for version in "123":
        registry.publish("search", version, bundle)
    registry.activate("search", "1")
    compared_with = registry.activation("search")
    registry.activate("search", "2")

    assert not registry.replace_active("search", compared_with, "3")
    assert registry.active_version("search") == "2"
    assert registry.replace_active("search", registry.activation("search"), "3")
    assert registry.activation("search") == Activation("3", ("2", "1"))


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


def test_processes_that_activate_at_the_same_time_do_not_meet(registry: Registry, bundle: Path) -> None:
    registry.publish("demo", "1", bundle)
    registry.activate("demo", "1")
    program = (
        "import sys; from pathlib import Path; from lm.bundle.registry import Registry\n"
        "for number in range(500): Registry(Path(sys.argv[1])).activate('demo', str(number % 2 + 1))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, str(registry.root)]) for _ in range(3)]
    seen = set()
    while any(process.poll() is None for process in processes):
        seen.add(registry.active_version("demo"))
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert seen <= {"1", "2"}
