"""Writes the client for threads from the client for asyncio, in place or into a FOLDER: `make proto`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import unasync

CLIENT = Path(__file__).resolve().parent.parent / "autocomplete_client"
_NAMES = {
    "AsyncBackground": "Background",
    "AsyncClient": "Client",
    "AsyncCondition": "Condition",
    "AsyncTypingSession": "TypingSession",
    "_async": "_sync",
    "async_sleep": "sleep",
    "open_async_channel": "open_channel",
}
_HEADER = "# Generated from _async/{name} by `make proto`. Do not edit.\n"


def main(target: Path) -> None:
    """Writes the modules into `target`."""
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder) / "_async"
        shutil.copytree(CLIENT / "_async", sources, ignore=shutil.ignore_patterns("__*"))
        rule = unasync.Rule("/_async/", "/_sync/", _NAMES)
        unasync.unasync_files([str(path) for path in sources.glob("*.py")], [rule])
        for path in sorted((Path(folder) / "_sync").glob("*.py")):
            text = _HEADER.format(name=path.name) + path.read_text(encoding="utf-8")
            for step in (["check", "--quiet", "--fix", "--select", "I,UP"], ["format"]):
                text = _ruff(step, path.name, text)
            (target / path.name).write_text(text, encoding="utf-8")


def _ruff(step: list[str], name: str, text: str) -> str:
    command = [sys.executable, "-m", "ruff", *step, "--stdin-filename", str(CLIENT / "_sync" / name), "-"]
    return subprocess.run(command, cwd=CLIENT.parent, input=text, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else CLIENT / "_sync")
