"""Publishes a bundle: into the registry always, in front of users only if it is no worse than the one there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm.bundle.bundle import open_bundle
from lm.bundle.manifest import Manifest
from lm.bundle.registry import Activation, BundleStore
from lm.errors import BundleError
from training.config import Publishing
from training.evaluation.evaluate import evaluate_bundle
from training.progress import Reporter


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
    folder: Path,
    manifest: Manifest,
    registry: BundleStore,
    config: Publishing,
    *,
    sentences: Sequence[str],
    queries: Sequence[str],
    activate: bool,
    reporter: Reporter,
) -> Published:
    """Publishes a finished bundle, measures it against the active one, and removes old versions."""
    place = registry.publish(manifest.name, manifest.version, folder)
    while True:  # again if meanwhile another version became active, with which this one was not compared
        active = registry.activation(manifest.name)
        reason = ""
        if active is not None and not activate:
            reason = _rolled_back(manifest.name, active) or _worse(
                registry.bundle_path(manifest.name, active.version),
                manifest.metrics,
                config.gate_tolerance,
                sentences=sentences,
                queries=queries,
                reporter=reporter,
            )
        if reason or registry.replace_active(manifest.name, active, manifest.version):
            break
    for gone in registry.prune(manifest.name, config.keep_versions):
        reporter.say(f"Removed the old version {gone}.")
    return Published(str(place), manifest.version, not reason, reason)


def _rolled_back(name: str, active: Activation) -> str:
    """Why nothing takes the active version's place by itself: somebody chose it over a newer one."""
    former = active.rolled_back_from
    if former is None:
        return ""
    return (
        f"{active.version} was made active in place of the newer {former}, and stays so until"
        f" `autocomplete activate {name} VERSION` or `autocomplete train --activate` takes another one."
    )


def _worse(
    active: Path,
    metrics: dict[str, Any],
    tolerance: float,
    *,
    sentences: Sequence[str],
    queries: Sequence[str],
    reporter: Reporter,
) -> str:
    """In what the new bundle is worse than the active one on the same held-out data; empty if in nothing."""
    reporter.say("Measuring the active bundle on the same held-out data.")
    try:
        bundle = open_bundle(active)
    except BundleError as error:
        reporter.say(f"The active bundle cannot be compared: {error}")
        return ""
    before = evaluate_bundle(bundle, sentences=sentences, queries=queries, reporter=reporter)
    found = []
    for name, figures in metrics["language_models"].items():
        # Perplexities compare over one vocabulary only.
        other = before["language_models"].get(name)
        if other and other.get("tokens") == figures.get("tokens", 0):
            was, now = other["perplexity"]["ensemble"], figures["perplexity"]["ensemble"]
            if now > was * (1 + tolerance):
                found.append(f"perplexity of {name} {now:.1f}, was {was:.1f}")
    if "queries" in metrics and "queries" in before:
        was, now = (m["queries"]["all"]["mrr_at_10"] for m in (before, metrics))
        if now < was * (1 - tolerance):
            found.append(f"MRR@10 of queries {now:.3f}, was {was:.3f}")
    return "; ".join(found)
