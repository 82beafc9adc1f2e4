"""What goes wrong with pip, in words that help. A real pip runs, on a folder of packages made here."""

from __future__ import annotations

import errno
import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from lm.errors import InputError, MissingToolError
from training.ngram.pip_fetch import Pinned, reports_disk_errors, run_pip
from training.progress import SilentReporter

_WHEEL = "probe-1.0-py3-none-any.whl"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes packages from, with one in it, and nothing else."""
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    with zipfile.ZipFile(folder / _WHEEL, "w") as wheel:
        wheel.writestr("probe.py", "")
        wheel.writestr("probe-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: probe\nVersion: 1.0\n")
        wheel.writestr("probe-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("probe-1.0.dist-info/RECORD", "")
    return folder


def _probe(digest: str, version: str = "1.0") -> Pinned:
    return Pinned(name="probe", version=version, sha256=(digest,))


def _download(package: Pinned, folder: Path) -> Path:
    with SilentReporter().task("fetch") as task:
        run_pip(["download", "--dest", str(folder / "fetched")], [package], scratch=folder, task=task)
    return folder / "fetched" / _WHEEL


def test_the_expected_file_is_fetched(index: Path, tmp_path: Path) -> None:
    content = (index / _WHEEL).read_bytes()

    fetched = _download(_probe(hashlib.sha256(content).hexdigest()), tmp_path)

    assert fetched.read_bytes() == content


@pytest.mark.usefixtures("index")
def test_a_file_with_another_checksum_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"probe==1\.0: .*checksum is not the expected one"):
        _download(_probe("0" * 64), tmp_path)

    assert not (tmp_path / "fetched" / _WHEEL).exists()


@pytest.mark.usefixtures("index")
def test_a_version_that_is_not_offered_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingToolError, match=r"offers no probe==2\.0 for this Python"):
        _download(_probe("0" * 64, version="2.0"), tmp_path)


@pytest.mark.parametrize(("number", "says"), [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "cannot be written")])
def test_what_a_disk_refuses_is_said_with_a_remedy(tmp_path: Path, number: int, says: str) -> None:
    with pytest.raises(InputError, match=says), reports_disk_errors(tmp_path):
        raise OSError(number, os.strerror(number))
