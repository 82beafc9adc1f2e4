"""A registry of bundles: a folder of `NAME/VERSION` folders, and in `NAME/ACTIVE` the version that answers.

Versions sort by time. A bundle is written aside and renamed into place, so a reader never meets half of one.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from lm.errors import BundleError, ModelNotFoundError
from lm.manifest import MANIFEST_FILE

_ACTIVE = "ACTIVE"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


class Registry:
    """The bundles below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def models(self) -> list[str]:
        """Names of the models that have a version, sorted."""
        if not self.root.is_dir():
            return []
        return sorted(path.name for path in self.root.iterdir() if self.versions(path.name))

    def versions(self, model: str) -> list[str]:
        """Versions of a model, oldest first; empty if there is no such model."""
        folder = self.root / model
        if not _NAME.fullmatch(model) or not folder.is_dir():
            return []
        return sorted(
            path.name for path in folder.iterdir() if not path.name.startswith(".") and (path / MANIFEST_FILE).is_file()
        )

    def active_version(self, model: str) -> str | None:
        """The version that answers, or None if none was activated."""
        try:
            return (self.root / model / _ACTIVE).read_text(encoding="utf-8", errors="replace").strip() or None
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

    def resolve(self, bundle: str) -> Path:
        """The folder of `NAME` (its active version) or `NAME/VERSION`.

        Raises:
            ModelNotFoundError: there is none.
        """
        model, _, version = bundle.partition("/")
        version = version or self.active_version(model) or ""
        if version not in self.versions(model):
            known = ", ".join(self.models()) or "none"
            raise ModelNotFoundError(f"No bundle {bundle!r} in {self.root}.", remedy=f"Models there: {known}.")
        return self.bundle_path(model, version)

    def publish(self, model: str, version: str, folder: Path) -> Path:
        """Moves a finished bundle into the registry, whole or not at all.

        Raises:
            BundleError: that version is there already.
        """
        target = self.bundle_path(model, version)
        if target.exists():
            raise BundleError(f"{target} is there already.", remedy="Publish under another version.")
        aside = target.with_name(f".{version}.partial")
        shutil.rmtree(aside, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copytree(folder, aside)
            aside.rename(target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return target

    def activate(self, model: str, version: str) -> None:
        """Makes a version the one that answers."""
        marker = self.root / model / _ACTIVE
        aside = marker.with_name(f".{_ACTIVE}.partial")
        aside.write_text(version + "\n", encoding="utf-8")
        aside.replace(marker)

    def prune(self, model: str, keep: int) -> list[str]:
        """Removes old versions but the newest `keep` and the active one; returns what went."""
        active = self.active_version(model)
        gone = [version for version in self.versions(model)[:-keep] if version != active]
        for version in gone:
            target = self.bundle_path(model, version)
            aside = target.with_name(f".{version}.removed")
            target.rename(aside)  # whole for readers until it is gone
            shutil.rmtree(aside)
        return gone
