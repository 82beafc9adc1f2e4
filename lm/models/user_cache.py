"""Where a machine keeps what it can fetch, build or find out again."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_home() -> Path:
    """Where what was downloaded or built is kept for the user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")) / "autocomplete"


def writable_cache() -> Path:
    """`cache_home`, or where a user has none that can be written, as in containers, a folder below $TMPDIR.

    Raises:
        OSError: neither can be written, or the latter is someone else's.
    """
    try:
        folder = cache_home()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, RuntimeError):  # RuntimeError: the user has no home
        folder = Path(tempfile.gettempdir()) / f"autocomplete-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.geteuid() or folder.is_symlink():  # anyone may write where it lies
        raise PermissionError(13, "belongs to someone else", str(folder))
    return folder
