"""The documents: generated pages are current, and what is read first stays short."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.write_reference import FOLDER, pages

_ROOT = Path(__file__).resolve().parents[2]


def test_reference_pages_are_current() -> None:
    for name, text in pages().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, f"{name}: run `make reference`"


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md"])
def test_what_is_read_first_is_short(name: str) -> None:
    assert len((_ROOT / name).read_bytes()) <= 8 * 1024
