"""The models under measurement: the one of `serving.toml`, and larger ones of the same configuration.

The larger ones are trained on real queries joined in pairs, for their number only.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks import command
from benchmarks.index_scale import joined, read_queries
from lm.bundle.registry import Registry

WORK = command.WORK / "serving"
SIZES = (16_000, 160_000, 1_600_000)
"""Distinct queries of the larger models: the last two are ten times apart, as the figure wants them."""
_TEXT_LINES = 20_000
_NAME = "serving"
_CHANGES = [
    "query_log.path=queries.txt",
    "text.path=text.txt",
    # few steps, for speed is all that is asked of it, and no fault that so few long n-grams come again
    *(f"language_models.{name}.neural.max_steps=4" for name in ("queries", "words")),
    *(f"language_models.{name}.ngram.discount_fallback=true" for name in ("queries", "words")),
]


def serving_bundle(queries: int | None = None) -> Path | None:
    """The bundle of `serving.toml`, or that of so many joined queries, if it has been trained."""
    found = Registry(WORK / _registry(queries))
    return found.resolve(_NAME) if found.active_version(_NAME) else None


def _registry(queries: int | None) -> str:
    return f"registry-{queries}" if queries else "registry"


def train_serving() -> Path:
    """Trains `serving.toml`; finished steps are found again."""
    return command.train_bundle(_NAME, command.query_logs())


def train_joined(queries: int) -> Path:
    """Trains the same configuration on that many queries, `queries.txt`, some of which are its `text.txt` too."""
    folder = WORK / f"joined-{queries}"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{query}\n" for query in joined(read_queries(command.query_logs()), queries)]
    (folder / "queries.txt").write_text("".join(lines), encoding="utf-8")
    (folder / "text.txt").write_text("".join(lines[:_TEXT_LINES]), encoding="utf-8")
    bundle = command.train_bundle(_NAME, folder, _CHANGES, registry=_registry(queries))
    shutil.rmtree(WORK / f"work-{_registry(queries)}")  # gigabytes that nothing needs again
    return bundle
