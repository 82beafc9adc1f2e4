"""Finished steps are kept: a run that was interrupted goes on after the last one.

A step's folder is named after everything that went into it, so a changed input or setting makes another folder, and
an unchanged one is found again. Its `DONE` file keeps the seconds that the step took, so that a later run knows them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from lm.bundle.manifest import FORMAT_VERSION
from lm.text.normalize import NORMALIZER_VERSION

DONE_FILE = "DONE"


class Workshop:
    """Folders of steps below one folder."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        folder.mkdir(parents=True, exist_ok=True)

    def step(self, name: str, key: object, make: Callable[[Path], object], *, resumable: bool = False) -> Path:
        """Runs a step unless it is finished; returns its folder.

        Args:
            key: all that the result depends on, as JSON takes it.
            make: writes into the folder it is given.
            resumable: `make` goes on with what an interrupted run left in the folder.
        """
        document = json.dumps([FORMAT_VERSION, NORMALIZER_VERSION, name, key], sort_keys=True, default=str)
        folder = self._folder / f"{name}-{hashlib.sha256(document.encode()).hexdigest()[:16]}"
        if (folder / DONE_FILE).is_file():
            return folder
        if folder.exists() and not resumable:
            shutil.rmtree(folder)
        folder.mkdir(exist_ok=True)
        start_s = self._clock()
        make(folder)
        facts = {"seconds": self._clock() - start_s}
        (folder / DONE_FILE).write_text(json.dumps(facts), encoding="utf-8")
        return folder


def seconds(step: Path) -> float | None:
    """How long a finished step took (one that was interrupted, since it last went on); None where it was not kept."""
    facts = (step / DONE_FILE).read_text(encoding="utf-8")
    return float(json.loads(facts)["seconds"]) if facts else None


def fingerprints(paths: Iterable[Path]) -> list[tuple[str, int, int]]:
    """What changes when a file does: its path, size and time of change."""
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
