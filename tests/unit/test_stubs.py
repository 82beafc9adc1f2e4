"""What is generated and committed is as its source says: the stubs, and the client for threads."""

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


def test_the_client_for_threads_is_that_for_asyncio_without_async(tmp_path: Path) -> None:
    subprocess.run([sys.executable, _ROOT / "scripts" / "generate_sync.py", tmp_path], check=True)

    fresh = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.py")}

    assert set(fresh) == {"client.py", "session.py"}
    for name, text in fresh.items():
        committed = (_ROOT / "autocomplete_client" / "_sync" / name).read_text(encoding="utf-8")
        assert text == committed, "run `make proto` and commit what it changes"
