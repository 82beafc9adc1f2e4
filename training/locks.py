"""One process at a time in a folder that several may want to fill."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.progress import Reporter

_RETRY_S = 0.2


@contextmanager
def exclusive(lock_file: Path, reporter: Reporter, *, waiting_for: str) -> Iterator[None]:
    """Holds a lock that the system frees by itself when its process ends, however that ends.

    Args:
        lock_file: made if it is not there, and left behind.
        waiting_for: shown while another process holds it.
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with reporter.task(f"Waiting for another process: {waiting_for}"):
                while not _taken(file.fileno()):
                    time.sleep(_RETRY_S)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
