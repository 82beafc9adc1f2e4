"""Registries: folders or URLs with the versions of models, and which version of each answers.

A registry is a tree of `NAME/VERSION` bundles. `NAME/ACTIVE` is text: its first line is the version that answers, its
second `before` and the versions that answered before, the last one first. The second line may be missing.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lm.bundle.file_lock import file_lock
from lm.bundle.manifest import MANIFEST_FILE
from lm.errors import BundleError, ModelNotFoundError, UnavailableError
from lm.models.user_cache import writable_cache

ACTIVE_FILE = "ACTIVE"
_BEFORE = "before"
_REMEMBERED = 10
_TRIES = 100
_PUBLISH_LOCK = ".publish.lock"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Activation:
    """Which version answers.

    Attributes:
        before: versions that answered before, each once, the last one first.
    """

    version: str
    before: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Activation | None:
        """Reads `ACTIVE`; None if it names no version."""
        first, _, rest = text.strip().partition("\n")
        words = rest.split()
        return cls(first.strip(), tuple(words[1:]) if words[:1] == [_BEFORE] else ()) if first else None

    def text(self) -> str:
        """The content of `ACTIVE`."""
        before = f"{_BEFORE} {' '.join(self.before)}\n" if self.before else ""
        return f"{self.version}\n{before}"

    def then(self, version: str) -> Activation:
        """The activation after this one, of another version."""
        if version == self.version:
            return self
        before = [self.version, *(former for former in self.before if former not in (self.version, version))]
        return Activation(version, tuple(before[:_REMEMBERED]))

    @property
    def rolled_back_from(self) -> str | None:
        """The version that somebody went back from: the newest that answered before, if it is newer than this one."""
        newest = max(self.before, default="")
        return newest if newest > self.version else None

    def previous(self, versions: list[str]) -> str | None:
        """The version before this one: the last older one that answered, or the newest older one.

        Args:
            versions: those that are there, oldest first.
        """
        older = [version for version in versions if version < self.version]
        answered = [version for version in self.before if version in older]
        return next(iter(answered or older[-1:]), None)


class BundleStore(ABC):
    """A registry in any kind of storage; versions sort by time.

    Attributes:
        location: folder or URL, as it was given.
    """

    location: str

    @abstractmethod
    def models(self) -> list[str]:
        """Names of the models that have a version, sorted."""

    @abstractmethod
    def versions(self, model: str) -> list[str]:
        """Versions of a model that are whole, oldest first; empty if there is no such model."""

    @abstractmethod
    def bundle_path(self, model: str, version: str) -> Path:
        """The folder on this machine in which a version lies."""

    @abstractmethod
    def fingerprint(self, model: str, version: str) -> Hashable:
        """Differs from an earlier one if a file of the version was changed or replaced."""

    @abstractmethod
    def publish(self, model: str, version: str, folder: Path) -> Path | str:
        """Puts a finished bundle into the registry, whole or not at all; returns where it is.

        Raises:
            BundleError: that version is there already.
        """

    @abstractmethod
    def activation(self, model: str) -> Activation | None:
        """Which version answers, or None if none was activated."""

    @abstractmethod
    def _replace_marker(self, model: str, active: Activation | None, by: Activation) -> bool:
        """Replaces `ACTIVE` at once; False if it no longer says `active`.

        In a folder a lock, and in S3 a conditional write, sees to it that no activation is lost. fsspec offers no
        conditional write for other object storage: of two activations at the same moment one can be lost there.
        """

    @abstractmethod
    def _remove(self, model: str, version: str) -> None:
        """Removes a version; readers see all of it or nothing."""

    def active_version(self, model: str) -> str | None:
        """The version that answers, or None if none was activated."""
        activation = self.activation(model)
        return None if activation is None else activation.version

    def resolve(self, bundle: str) -> Path:
        """The folder of `NAME` (its active version) or `NAME/VERSION`.

        Raises:
            ModelNotFoundError: there is none.
        """
        model, _, version = bundle.partition("/")
        version = version or self.active_version(model) or ""
        if version not in self.versions(model):
            known = ", ".join(self.models()) or "none"
            raise ModelNotFoundError(f"No bundle {bundle!r} in {self.location}.", remedy=f"Models there: {known}.")
        return self.bundle_path(model, version)

    def activate(self, model: str, version: str) -> None:
        """Makes a version the one that answers."""
        for _ in range(_TRIES):
            if self.replace_active(model, self.activation(model), version):
                return  # else somebody was quicker, and this version replaces theirs
        raise UnavailableError(
            f"The active version of {model!r} in {self.location} changes all the time.", remedy="Try again in a while."
        )

    def replace_active(self, model: str, active: Activation | None, version: str) -> bool:
        """Makes a version the one that answers instead of `active`; False if something else is active by now."""
        return self._replace_marker(model, active, Activation(version) if active is None else active.then(version))

    def prune(self, model: str, keep: int) -> list[str]:
        """Removes versions except the newest `keep`, the active one and the one before it; returns those removed."""
        active = self.activation(model)
        needed = () if active is None else (active.version, *active.before[:1])
        gone = [version for version in self.versions(model)[:-keep] if version not in needed]
        for version in gone:
            self._remove(model, version)
        return gone


class Registry(BundleStore):
    """A registry in a folder: a bundle is renamed into place, so readers never see half of one; writers lock it."""

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
        """Names, sizes and times of a version's files."""
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
        aside = target.with_name(f".{version}.partial")
        target.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(target.with_name(_PUBLISH_LOCK)):  # never removed: another process may be about to lock it
            if target.exists():
                raise taken(target)
            shutil.rmtree(aside, ignore_errors=True)  # of a process that was killed
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
        shutil.rmtree(aside, ignore_errors=True)  # of a process that was killed here
        target.rename(aside)  # whole for readers until it is gone
        shutil.rmtree(aside)


def open_registry(location: str | Path, cache: Path | None = None) -> BundleStore:
    """Opens a registry; `file://` is the folder that it names.

    Args:
        cache: folder for the copies of bundles that lie at a URL; None: below `writable_cache()`.

    Raises:
        MissingToolError: no library for URLs of this kind is installed.
        RegistryError: the URL cannot be used.
        OSError: there is no place for a cache.
    """
    text = str(location)
    if not is_url(text):
        return Registry(Path(location))
    if text.lower().startswith("file://"):
        return Registry(Path(unquote(urlsplit(text).path)))
    from lm.bundle.bundle_cache import BundleCache
    from lm.bundle.remote_registry import RemoteRegistry
    from lm.bundle.verified import VERIFIED_FOLDER, VerifiedBundles

    root = cache or writable_cache()
    folder = root / "bundles" / hashlib.sha256(text.rstrip("/").encode()).hexdigest()[:16]
    return RemoteRegistry(text, BundleCache(folder, VerifiedBundles(root / VERIFIED_FOLDER)))


def is_url(location: str) -> bool:
    """Whether a registry's location is a URL, and not a folder."""
    return _URL.match(location) is not None


def is_model_name(name: str) -> bool:
    """Whether a model may have this name."""
    return _NAME.fullmatch(name) is not None


def taken(target: Path | str) -> BundleError:
    """The error of a version that is there already."""
    return BundleError(f"{target} is there already.", remedy="Publish under another version.")


def _copy(folder: Path, target: Path) -> None:
    """Like `shutil.copytree`, but raises the first error as it is, so that a full disk shows as one."""
    target.mkdir()
    for path in sorted(folder.rglob("*")):
        copy = target / path.relative_to(folder)
        if path.is_dir():
            copy.mkdir()
        else:
            shutil.copy2(path, copy)
