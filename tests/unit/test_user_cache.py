"""Where a user's cache is, and where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lm.models.user_cache import writable_cache


def test_the_users_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert writable_cache() == tmp_path / "cache" / "autocomplete"
    assert writable_cache().is_dir()


def test_a_user_without_one_gets_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = writable_cache()
    assert folder == tmp_path / f"autocomplete-{os.geteuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_somebody_else_put_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "theirs").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"autocomplete-{os.geteuid()}").symlink_to(tmp_path / "theirs")
    with pytest.raises(PermissionError, match="belongs to someone else"):
        writable_cache()
