"""Publishes a bundle: into the registry always, in front of users only if it is no worse than the one there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from lm.bundle.bundle import open_bundle
from lm.bundle.manifest import Manifest
from lm.bundle.registry import BundleStore
from lm.errors import BundleError
from training.config import Publishing
from training.evaluation.evaluate import evaluate_bundle
from training.progress import Reporter
from training.steps import BundleFolder

_SECOND = timedelta(seconds=1)
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Published:
    """A bundle in the registry.

    Attributes:
        location: its folder, or its URL.
        activated: whether it answers from now on; `reason` says why not.
    """

    location: str
    version: str
    activated: bool
    reason: str

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
    sentences: Sequence[str],
    queries: Sequence[str],
    activate: bool,
    reporter: Reporter,
) -> Published:
    """Publishes a finished bundle, measures it against the active one, and removes old versions.

    Args:
        manifest: all of it but the version, which is the time of creation.
        sentences, queries: held-out data to compare the bundle with the active one on.
        activate: do so even if the bundle measures worse.

    Raises:
        InputError: the bundle is not what this training put into its folder.
        RegistryError: the registry cannot be reached.
    """
    version, place = _store(bundle, manifest, registry)
    while True:  # again if another version became active in the meantime: this one was not compared with that
        active = registry.activation(manifest.name)
        reason = ""
        if active is not None and not activate:
            if active.rolled_back_from is not None:  # somebody chose the active version over a newer one
                reason = (
                    f"{active.version} was made active in place of the newer {active.rolled_back_from}, and stays so"
                    f" until `autocomplete activate {manifest.name} VERSION` or `autocomplete train --activate` takes"
                    " another one."
                )
            else:
                before = _measure_active(registry, manifest.name, active.version, sentences, queries, reporter)
                reason = _worse(before, manifest.metrics, config.gate_tolerance)
        if reason or registry.replace_active(manifest.name, active, version):
            break
    for gone in registry.prune(manifest.name, config.keep_versions):
        reporter.say(f"Removed the old version {gone}.")
    return Published(str(place), version, not reason, reason)


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


def _measure_active(
    registry: BundleStore,
    name: str,
    version: str,
    sentences: Sequence[str],
    queries: Sequence[str],
    reporter: Reporter,
) -> dict[str, Any]:
    """Metrics of the active bundle; none if it is damaged or gone, so that a good bundle can take its place."""
    reporter.say("Measuring the active bundle on the same held-out data.")
    try:
        bundle = open_bundle(registry.bundle_path(name, version))
    except BundleError as error:
        reporter.say(f"The active bundle cannot be compared: {error}")
        return {}
    return evaluate_bundle(bundle, sentences=sentences, queries=queries, reporter=reporter)


def _worse(before: dict[str, Any], metrics: dict[str, Any], tolerance: float) -> str:
    """In what the new bundle is worse than the active one; empty if in nothing."""
    found = []
    for name, figures in metrics["language_models"].items():
        # Perplexities can be compared only over one vocabulary.
        other = before.get("language_models", {}).get(name)
        if other and other.get("tokens") == figures.get("tokens", 0):
            was, now = other["perplexity"]["ensemble"], figures["perplexity"]["ensemble"]
            if now > was * (1 + tolerance):
                found.append(f"perplexity of {name} {now:.1f}, was {was:.1f}")
    if "queries" in metrics and "queries" in before:
        was, now = (measured["queries"]["all"]["mrr_at_10"] for measured in (before, metrics))
        if now < was * (1 - tolerance):
            found.append(f"MRR@10 of queries {now:.3f}, was {was:.3f}")
    return "; ".join(found)
