"""A bundle without models, to publish and copy."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from lm.manifest import FORMAT_VERSION, Manifest, Ranking, write_manifest
from lm.text import NORMALIZER_VERSION


def finished(tmp_path: Path, version: str, content: bytes = b"counts") -> Path:
    """A bundle that could be published."""
    folder = tmp_path / "finished" / version
    (folder / "queries").mkdir(parents=True, exist_ok=True)
    (folder / "queries" / "counts.npy").write_bytes(content)
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        name="search",
        version=version,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        normalizer_version=NORMALIZER_VERSION,
        language_models=(),
        query_count=0,
        ranking=Ranking(),
        metrics={},
        files={},
    )
    write_manifest(folder, manifest)
    return folder
