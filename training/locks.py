"""One process at a time in a folder that several may want to fill."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lm.bundle.file_lock import file_lock
from training.progress import Reporter

_RETRY_S = 0.2


@contextmanager
def exclusive(lock_file: Path, reporter: Reporter, *, waiting_for: str) -> Iterator[None]:
    """Holds a lock. The system frees it when the process ends, however it ends.

    Args:
        lock_file: made if it is not there, and never removed: another process may be about to lock it.
        waiting_for: shown while another process holds the lock.
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as waiting:

        def pause() -> None:
            if not told:
                waiting.enter_context(reporter.task(f"Waiting for another process: {waiting_for}"))
                told.append(True)
            time.sleep(_RETRY_S)

        told: list[bool] = []
        with file_lock(lock_file, pause):
            waiting.close()
            yield
