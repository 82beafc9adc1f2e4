"""What a publication makes of the version that is active: nothing that somebody decided is undone unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lm.bundle.manifest import write_manifest
from lm.bundle.registry import Activation, Registry
from tests.empty_bundle import empty_manifest
from training.config import Publishing
from training.progress import Reporter, SilentReporter
from training.publish import Published, publish


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


def published(
    registry: Registry, version: str, *, activate: bool = False, mrr: float = 0.5, reporter: Reporter | None = None
) -> Published:
    """Publishes a bundle without models that measured so."""
    folder = registry.root.parent / f"finished-{version}"
    folder.mkdir()
    metrics = {"language_models": {}, "queries": {"all": {"mrr_at_10": mrr}}}
    manifest = empty_manifest("shop", version, metrics=metrics)
    write_manifest(folder, manifest)
    return publish(
        folder,
        manifest,
        registry,
        Publishing(),
        sentences=(),
        queries=(),
        activate=activate,
        reporter=reporter or SilentReporter(),
    )


def test_what_is_trained_after_a_roll_back_is_published_and_does_not_answer(registry: Registry) -> None:
    for version in ("1", "2"):
        assert published(registry, version).activated
    registry.activate("shop", "1")

    third = published(registry, "3")
    assert not third.activated
    assert "1 was made active in place of the newer 2" in third.reason
    assert registry.active_version("shop") == "1"
    assert registry.versions("shop") == ["1", "2", "3"]

    assert published(registry, "4", activate=True).activated
    assert published(registry, "5").activated
    assert registry.activation("shop") == Activation("5", ("4", "1", "2"))


def test_what_became_active_during_the_comparison_is_compared_with_too(registry: Registry) -> None:
    published(registry, "1")
    published(registry, "2")

    class Another(SilentReporter):
        """Another publisher is quicker."""

        said = 0

        def say(self, message: str) -> None:
            """Whenever a comparison begins."""
            if message.startswith("Measuring"):
                self.said += 1
                if self.said == 1:
                    published(registry, "3", activate=True)

    reporter = Another()
    assert published(registry, "4", reporter=reporter).activated
    assert reporter.said == 2
    assert registry.activation("shop") == Activation("4", ("3", "2", "1"))
