"""A lock between processes, made of a file. The system frees it however its holder ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file_lock(path: Path, pause: Callable[[], None] | None = None) -> Iterator[None]:
    """Waits for the lock and holds it.

    The file is made if it is not there. A folder would not do: over NFS only a file open for writing can be locked.

    Args:
        pause: waits a moment while another process holds the lock, and raises an error to give up. Without it the wait
            has no end of its own.

    Raises:
        OSError: the file cannot be made.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:  # another user of the folder made it: except over NFS, reading is enough
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while pause is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                pause()
        else:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
