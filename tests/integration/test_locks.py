"""Two processes that want the same folder take turns."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

from training.locks import exclusive
from training.progress import SilentReporter


def _append_in_two_steps(folder: Path, name: str) -> None:
    with exclusive(folder / "lock", SilentReporter(), waiting_for="the other"):
        for _ in range(2):
            with (folder / "log").open("a") as log:
                log.write(name)
            time.sleep(0.2)


def test_processes_take_turns(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_append_in_two_steps, args=(tmp_path, name)) for name in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert (tmp_path / "log").read_text() in ("aabb", "bbaa")
