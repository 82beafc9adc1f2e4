"""A lock between processes by a file; the system frees it however its holder ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file_lock(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Holds the lock; yields False if another holds it and it is not to be waited for.

    The file is made if it is not there. A folder would not do: over NFS only what is open for writing can be locked.

    Raises:
        OSError: the file cannot be made.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
