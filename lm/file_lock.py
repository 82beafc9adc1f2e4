"""A lock between processes by a file; the system frees it however its holder ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Holds the lock, once whoever holds it lets go.

    The file is made if it is not there. A folder would not do: over NFS only what is open for writing can be locked.

    Raises:
        OSError: the file cannot be made.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:  # another user made it, who shares the folder: to read is enough, but for NFS
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
