"""Where KenLM's programs are looked for, and what is said when they cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from lm.errors import InputError, MissingToolError
from training.ngram.kenlm_tools import KENLM_BIN_VARIABLE, PROGRAMS, cache_folder, ensure_kenlm_tools
from training.progress import SilentReporter


def _put_programs(folder: Path, names: tuple[str, ...] = PROGRAMS) -> None:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(KENLM_BIN_VARIABLE, raising=False)


def test_a_named_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _put_programs(cache_folder() / "bin")
    _put_programs(tmp_path / "own")
    monkeypatch.setenv(KENLM_BIN_VARIABLE, str(tmp_path / "own"))

    assert ensure_kenlm_tools(SilentReporter()) == tmp_path / "own"


def test_a_named_folder_that_lacks_a_program_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _put_programs(tmp_path / "own", ("lmplz", "query"))
    monkeypatch.setenv(KENLM_BIN_VARIABLE, str(tmp_path / "own"))

    with pytest.raises(InputError, match="lacks build_binary"):
        ensure_kenlm_tools(SilentReporter())


def test_the_cache_is_used_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    _put_programs(cache_folder() / "bin")
    monkeypatch.setenv("PATH", "/nonexistent")

    assert ensure_kenlm_tools(SilentReporter()) == cache_folder() / "bin"


def test_no_compiler_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("CXX", raising=False)

    with pytest.raises(MissingToolError, match=r"lacks a C\+\+ compiler.*`make`.*apt install"):
        ensure_kenlm_tools(SilentReporter())

    assert not (tmp_path / "cache").exists()
