"""Publishes a bundle: into the registry always, in front of users only if it is no worse than the one there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from lm.bundle.manifest import Manifest
from lm.bundle.registry import Activation, BundleStore
from lm.errors import BundleError
from training.config import Publishing
from training.gate import Comparison
from training.progress import Reporter
from training.steps import BundleFolder

_SECOND = timedelta(seconds=1)
_TRIES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A bundle in the registry.

    Attributes:
        location: its folder, or its URL.
        manifest: with its version.
        activated: whether it answers from now on; `reason` says why not.
        size: bytes of its files.
        comparison: with the version that was active; None if there was none, or it could not be opened.
    """

    location: str
    manifest: Manifest
    activated: bool
    reason: str
    size: int
    comparison: Comparison | None = None

    @property
    def version(self) -> str:
        """The version under which it was published."""
        return self.manifest.version

    @property
    def path(self) -> Path:
        """The folder of one that was published into a folder."""
        return Path(self.location)


def publish(
    bundle: BundleFolder,
    manifest: Manifest,
    registry: BundleStore,
    config: Publishing,
    *,
    compare: Callable[[Path], Comparison],
    activate: bool,
    reporter: Reporter,
) -> Published:
    """Publishes a finished bundle, compares it with the active one, and removes old versions.

    Args:
        manifest: all of it but the version, which is the time of creation.
        compare: measures it beside the active bundle, whose folder it is given. It raises `BundleError` if that one
            cannot be opened; a good bundle then takes its place.
        activate: do so even if the bundle measures worse.

    Raises:
        InputError: the bundle is not what this training put into its folder.
        RegistryError: the registry cannot be reached.
    """
    size = sum(path.stat().st_size for path in bundle.path.rglob("*") if path.is_file())
    version, place = _store(bundle, manifest, registry)
    while True:  # again if another version became active in the meantime: this one was not compared with that
        active = registry.activation(manifest.name)
        reason, comparison = "", None
        if active is not None:
            comparison = _compare(registry, manifest.name, active.version, compare, reporter)
            if not activate:
                # where somebody chose the active version over a newer one, figures do not matter
                reason = _rolled_back(manifest.name, active) or (comparison.reason if comparison else "")
        if reason or registry.replace_active(manifest.name, active, version):
            break
    for gone in registry.prune(manifest.name, config.keep_versions):
        reporter.say(f"Removed the old version {gone}.")
    published = manifest.model_copy(update={"version": version})
    return Published(
        location=str(place),
        manifest=published,
        activated=not reason,
        reason=reason,
        size=size,
        comparison=comparison,
    )


def _rolled_back(name: str, active: Activation) -> str:
    if active.rolled_back_from is None:
        return ""
    return (
        f"{active.version} was made active in place of the newer {active.rolled_back_from}, and stays so until "
        f"`autocomplete activate {name} VERSION` or `autocomplete train --activate` takes another one."
    )


def _compare(
    registry: BundleStore, name: str, version: str, compare: Callable[[Path], Comparison], reporter: Reporter
) -> Comparison | None:
    reporter.say("Measuring the active bundle on the same held-out data.")
    try:
        return compare(registry.bundle_path(name, version))
    except BundleError as error:
        reporter.say(f"The active bundle cannot be compared: {error}")
        return None


def _store(bundle: BundleFolder, manifest: Manifest, registry: BundleStore) -> tuple[str, Path | str]:
    """Puts the bundle into the registry under its time, or a later second if another run has taken that one."""
    when = manifest.created_at
    for left in reversed(range(_TRIES)):
        taken = registry.versions(manifest.name)
        while (version := when.strftime("%Y%m%d-%H%M%S")) in taken:
            when += _SECOND
        bundle.write(manifest.model_copy(update={"version": version}))
        try:
            return version, registry.publish(manifest.name, version, bundle.path)
        except BundleError:  # another run has taken it since
            if not left:
                raise
            when += _SECOND
    raise AssertionError
