"""A check is not repeated while nothing changed, and is as soon as anything did."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import lm.bundle.verified
from lm.bundle.manifest import Manifest, read_manifest, verify_files
from lm.bundle.verified import VerifiedBundles
from lm.errors import BundleDamagedError
from tests.empty_bundle import finished


class Checks:
    """Counts what is really read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        monkeypatch.setattr(lm.bundle.verified, "verify_files", self._verify)

    def _verify(self, folder: Path, manifest: Manifest) -> None:
        self.count += 1
        verify_files(folder, manifest)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return finished(tmp_path, "1")


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Checks:
    return Checks(monkeypatch)


def test_what_did_not_change_is_read_once_by_all_processes(bundle: Path, tmp_path: Path, checks: Checks) -> None:
    for _ in range(3):
        VerifiedBundles(tmp_path / "verified").verify(bundle, read_manifest(bundle))
    assert checks.count == 1
    VerifiedBundles(None).verify(bundle, read_manifest(bundle))
    assert checks.count == 2


def test_a_change_that_keeps_size_and_time_is_found(bundle: Path, tmp_path: Path) -> None:
    verified = VerifiedBundles(tmp_path / "verified")
    manifest = read_manifest(bundle)
    verified.verify(bundle, manifest)
    path = bundle / "queries" / "counts.npy"
    before = path.stat()
    path.write_bytes(b"cOunts")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    for _ in range(2):  # a failure is no record
        with pytest.raises(BundleDamagedError, match="SHA-256 differs"):
            verified.verify(bundle, manifest)


def test_a_file_that_is_gone_or_replaced_is_found(bundle: Path, tmp_path: Path, checks: Checks) -> None:
    verified = VerifiedBundles(tmp_path / "verified")
    manifest = read_manifest(bundle)
    verified.verify(bundle, manifest)
    path = bundle / "queries" / "counts.npy"
    path.unlink()
    with pytest.raises(BundleDamagedError, match="missing"):
        verified.verify(bundle, manifest)
    path.write_bytes(b"counts")
    verified.verify(bundle, manifest)
    assert checks.count == 3


def test_a_record_of_another_place_or_manifest_does_not_count(bundle: Path, tmp_path: Path, checks: Checks) -> None:
    verified = VerifiedBundles(tmp_path / "verified")
    verified.verify(bundle, read_manifest(bundle))
    moved = bundle.rename(tmp_path / "moved")
    verified.verify(moved, read_manifest(moved))
    assert checks.count == 2
    manifest = read_manifest(moved)
    (moved / "manifest.json").write_text((moved / "manifest.json").read_text() + "\n")
    verified.verify(moved, manifest)
    assert checks.count == 3


def test_where_no_record_can_be_kept_all_is_read_each_time(bundle: Path, tmp_path: Path, checks: Checks) -> None:
    (tmp_path / "file").touch()
    for _ in range(2):
        VerifiedBundles(tmp_path / "file" / "verified").verify(bundle, read_manifest(bundle))
    assert checks.count == 2
