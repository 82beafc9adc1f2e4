"""The API keeps its style and breaks no caller; the check notices where it would."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts.check_api import RELEASED, check
from scripts.generate_stubs import PROTO

_FILE = Path("autocomplete/v1/autocomplete_service.proto")


def test_the_api_keeps_its_style_and_breaks_nobody() -> None:
    assert RELEASED.is_file()
    assert check() == 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  bool explain = 6 ", "  bool explain = 16 ", 'field "6" with name "explain"'),
        ("  float log_probability = 2;", "  double log_probability = 2;", "changed type"),
        ("    bool out_of_vocabulary = 3;\n", "", "Previously present"),
        ("  // The suggested query, as it should be displayed.\n", "", "comment"),
        ("StageTiming", "stage_timing", "PascalCase"),
    ],
)
def test_a_change_that_would_break_callers_is_said(
    old: str, new: str, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(PROTO / "autocomplete", tmp_path / "autocomplete", ignore=shutil.ignore_patterns("*.py*"))
    text = (tmp_path / _FILE).read_text(encoding="utf-8")
    assert old in text
    changed = text.replace(old, new)
    (tmp_path / _FILE).write_text(changed, encoding="utf-8")

    assert check(tmp_path) != 0
    assert said in capfd.readouterr().out
