"""The committed stubs are those of the `.proto` files beside them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def _stubs(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*_pb2*") if path.suffix in (".py", ".pyi")]
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in files}


def test_committed_stubs_match_the_proto_files(tmp_path: Path) -> None:
    subprocess.run([sys.executable, _ROOT / "scripts" / "generate_stubs.py", tmp_path], check=True)

    fresh = _stubs(tmp_path)

    assert fresh
    assert fresh == _stubs(_ROOT / "proto"), "run `make proto` and commit what it changes"
