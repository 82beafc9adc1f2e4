"""Records of checks, so that the next process that opens a bundle need not read every byte of it again.

A record holds sizes, inodes and times of all files. One of the times, `ctime`, is that of the last change, and no
program can set it. Files that changed after the check are read again; only decay of the disk goes unnoticed.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path

from lm.bundle.manifest import MANIFEST_FILE, Manifest, sha256, verify_files

VERIFIED_FOLDER = "verified"
"""Below the folder of a cache."""
_TICK_S = 0.02
"""Changes closer together than this may have the same time (kernels have ticks of 1 to 10 ms)."""


class VerifiedBundles:
    """Records of checks, in a folder that nobody else may write to.

    Args:
        folder: made if it is not there. If it is None or cannot be written to, no record is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def verify(self, bundle: Path, manifest: Manifest) -> None:
        """Checks every file against the manifest, unless that was done after their last change.

        Raises:
            BundleDamagedError: a file is missing, longer, shorter or other than it was published.
        """
        stamp = _stamp(bundle, manifest)
        record = None if self._folder is None else self._folder / _digest(str(bundle.resolve()))
        if stamp is not None and record is not None and _read(record) == stamp:
            return
        verify_files(bundle, manifest)
        if stamp is not None and record is not None and _stamp(bundle, manifest) == stamp:
            _write(record, stamp)


def _stamp(bundle: Path, manifest: Manifest) -> str | None:
    """Differs if a file was changed or replaced; None if a file is missing."""
    facts = [sha256(bundle / MANIFEST_FILE)]
    newest_s = 0.0
    for name in manifest.files:
        try:
            stat = (bundle / name).stat()
        except OSError:
            return None
        facts.append(f"{name} {stat.st_dev} {stat.st_ino} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}")
        newest_s = max(newest_s, stat.st_ctime)
    time.sleep(max(0.0, min(newest_s + _TICK_S - time.time(), _TICK_S)))
    return _digest("\n".join(facts))


def _digest(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()


def _read(record: Path) -> str | None:
    try:
        return record.read_text(encoding="ascii")
    except (OSError, ValueError):
        return None


def _write(record: Path, stamp: str) -> None:
    aside = record.with_name(f".{record.name}.{os.getpid()}")
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(stamp, encoding="ascii")
        aside.replace(record)
    except OSError:  # a read-only or full disk: the next process checks again
        with suppress(OSError):
            aside.unlink()
