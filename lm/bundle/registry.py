"""A registry in a folder.

A bundle is written aside and renamed into place, so a reader never meets half of one. Who writes holds a lock.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lm.bundle.bundle_store import ACTIVE_FILE, Activation, BundleStore, is_model_name
from lm.bundle.file_lock import file_lock
from lm.bundle.manifest import MANIFEST_FILE
from lm.errors import BundleError

_PUBLISH_LOCK = ".publish.lock"


class Registry(BundleStore):
    """The bundles below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root)

    def models(self) -> list[str]:
        """Names of the models that have a version, sorted."""
        if not self.root.is_dir():
            return []
        return sorted(path.name for path in self.root.iterdir() if self.versions(path.name))

    def versions(self, model: str) -> list[str]:
        """Versions of a model, oldest first; empty if there is no such model."""
        folder = self.root / model
        if not is_model_name(model) or not folder.is_dir():
            return []
        return sorted(
            path.name for path in folder.iterdir() if not path.name.startswith(".") and (path / MANIFEST_FILE).is_file()
        )

    def activation(self, model: str) -> Activation | None:
        """Which version answers, or None if none was activated."""
        try:
            return Activation.parse((self.root / model / ACTIVE_FILE).read_text(encoding="utf-8", errors="replace"))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def bundle_path(self, model: str, version: str) -> Path:
        """Where a version lies."""
        return self.root / model / version

    def fingerprint(self, model: str, version: str) -> frozenset[tuple[str, int, int]]:
        """Names, sizes and times of a version's files: differs from an earlier one if any was changed or replaced."""
        folder = self.bundle_path(model, version)
        return frozenset(
            (str(path.relative_to(folder)), stat.st_size, stat.st_mtime_ns)
            for path in folder.rglob("*")
            for stat in [path.lstat()]
        )

    def publish(self, model: str, version: str, folder: Path) -> Path:
        """Moves a finished bundle into the registry, whole or not at all.

        Raises:
            BundleError: that version is there already.
        """
        target = self.bundle_path(model, version)
        if target.exists():
            raise _taken(target)
        aside = target.with_name(f".{version}.partial")
        target.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(target.with_name(_PUBLISH_LOCK)):  # which is never removed: another may be about to lock it
            if target.exists():  # another process has just published it
                raise _taken(target)
            shutil.rmtree(aside, ignore_errors=True)  # of one that was killed
            try:
                _copy(folder, aside)
                aside.rename(target)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        return target

    def _replace_marker(self, model: str, active: Activation | None, by: Activation) -> bool:
        with file_lock(self.root / model / f".{ACTIVE_FILE}.lock"):
            if self.activation(model) != active:
                return False
            self._mark(model, by)
        return True

    def _mark(self, model: str, activation: Activation) -> None:
        marker = self.root / model / ACTIVE_FILE
        aside = marker.with_name(f".{ACTIVE_FILE}.{os.getpid()}.partial")  # workers may mark at the same time
        aside.write_text(activation.text(), encoding="utf-8")
        aside.replace(marker)

    def _remove(self, model: str, version: str) -> None:
        target = self.bundle_path(model, version)
        aside = target.with_name(f".{version}.removed")
        shutil.rmtree(aside, ignore_errors=True)  # of one that was killed here
        target.rename(aside)  # whole for readers until it is gone
        shutil.rmtree(aside)


def _taken(target: Path) -> BundleError:
    return BundleError(f"{target} is there already.", remedy="Publish under another version.")


def _copy(folder: Path, target: Path) -> None:
    """As `shutil.copytree`, but ends at the first error and raises it: a full disk is then said as such."""
    target.mkdir()
    for path in sorted(folder.rglob("*")):
        copy = target / path.relative_to(folder)
        if path.is_dir():
            copy.mkdir()
        else:
            shutil.copy2(path, copy)
