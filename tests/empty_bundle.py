"""A bundle without models, to publish and copy."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lm.bundle.manifest import FORMAT_VERSION, Manifest, Ranking, write_manifest
from lm.text.normalize import NORMALIZER_VERSION


def empty_manifest(name: str, version: str, *, query_count: int = 0, metrics: dict[str, Any] | None = None) -> Manifest:
    """The manifest of a bundle without models."""
    return Manifest(
        format_version=FORMAT_VERSION,
        name=name,
        version=version,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        normalizer_version=NORMALIZER_VERSION,
        language_models=(),
        query_count=query_count,
        ranking=Ranking(),
        metrics=metrics or {},
        files={},
    )


def finished(tmp_path: Path, version: str, content: bytes = b"counts") -> Path:
    """A bundle that could be published."""
    folder = tmp_path / "finished" / version
    (folder / "queries").mkdir(parents=True, exist_ok=True)
    (folder / "queries" / "counts.npy").write_bytes(content)
    write_manifest(folder, empty_manifest("search", version))
    return folder
