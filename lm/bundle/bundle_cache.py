"""Whole copies, on this machine, of the bundles of a registry at a URL. All processes share them.

The folder has the layout of a registry; its `ACTIVE` says what was active when the registry last answered. The first
process that wants a version fetches it under a lock, which the system frees however the process ends; others wait.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from lm.bundle.file_lock import file_lock
from lm.bundle.manifest import MANIFEST_FILE, read_manifest
from lm.bundle.registry import Activation, Registry
from lm.bundle.verified import VerifiedBundles
from lm.errors import BundleDamagedError, RegistryError

_RETRY_S = 0.1


class BundleCache(Registry):
    """Copies below a folder.

    Args:
        verified: bundles that need no second check; others are checked before they are handed out.

    Attributes:
        stopping: once it is set, no copy is waited for.
    """

    def __init__(self, root: Path, verified: VerifiedBundles) -> None:
        super().__init__(root)
        self._verified = verified
        self.stopping = threading.Event()

    def fetch(self, model: str, version: str, manifest: bytes, download: Callable[[Path], None]) -> Path:
        """The folder of a whole copy, made now if there is none.

        Args:
            manifest: the bundle's manifest; a copy with another manifest is replaced.
            download: fills a folder with the bundle's files.

        Raises:
            BundleError: the downloaded bundle is damaged.
            RegistryError: it cannot be stored, or `stopping` was set.
        """
        target = self.bundle_path(model, version)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with file_lock(target.with_name(".lock"), self._pause):
                if not self._holds(target, manifest):
                    self._replace(target, download)
        except OSError as error:
            raise RegistryError(f"{target}: {model} {version} cannot be stored ({error}).") from None
        return target

    def remember(self, model: str, activation: Activation) -> None:
        """Notes which version is active, for a start while the registry cannot be reached."""
        with suppress(OSError):
            if self.versions(model) and self.activation(model) != activation:
                self._mark(model, activation)

    def keep(self, model: str, versions: Collection[str]) -> None:
        """Removes the copies of all other versions. A process that has one mapped keeps it."""
        for version in self.versions(model):
            if version not in versions:
                with suppress(OSError):  # another process removes it as well
                    self._remove(model, version)

    def _holds(self, folder: Path, manifest: bytes) -> bool:
        try:
            if (folder / MANIFEST_FILE).read_bytes() != manifest:
                return False
            self._verified.verify(folder, read_manifest(folder))
        except (OSError, BundleDamagedError):
            return False
        return True

    def _replace(self, target: Path, download: Callable[[Path], None]) -> None:
        aside = target.with_name(f".{target.name}.partial")
        for left in target.parent.glob(".*.partial"):  # of killed processes: this one has the lock
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
        aside.mkdir()
        try:
            download(aside)
            if target.exists():
                self._remove(target.parent.name, target.name)
            aside.rename(target)
            self._verified.verify(target, read_manifest(target))
        except BundleDamagedError:
            shutil.rmtree(target, ignore_errors=True)
            raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _pause(self) -> None:
        """Waits a moment while another process fetches."""
        if self.stopping.wait(_RETRY_S):
            raise RegistryError(f"{self.root}: another process fetches a bundle, and waiting for it was stopped.")
