"""Configurations with the sections that matter to a test, and what a query log counted by one says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training.config import Screening, TrainingConfig
from training.config_log import QueryLogSource
from training.data.engines import EngineName
from training.data.query_log import QueryCounts, write_queries
from training.pipeline import train
from training.progress import SilentReporter

NOW = datetime(2026, 1, 10, tzinfo=UTC)
KEEP_ALL = Screening(min_count=1, min_users=1)


def data_config(**sections: Any) -> TrainingConfig:
    """A configuration of these sections. Those that are left out have their defaults."""
    model = {"name": "queries", "unit": "subword", "sources": ["queries"]}
    return TrainingConfig.model_validate({"name": "data", "language_models": [model], **sections})


def train_on_log(folder: Path, **sections: Any) -> Path:
    """The bundle of a query log with a small model of its words; the sections are those of a configuration."""
    model = {"name": "queries", "unit": "word", "sources": ["queries"]}
    document = {
        "publishing": {"registry": "registry"},
        "work": "work",
        "language_models": [model | {"ngram": {"smoothing": "add_delta", "order": 3}}],
    }
    config = TrainingConfig.model_validate(document | sections)
    return train(config, base=folder, reporter=SilentReporter()).path


def count_log(
    base: Path, out: Path, *sources: QueryLogSource, engine: EngineName = "duckdb", **sections: Any
) -> QueryCounts:
    """Writes what the logs say to a folder, which is made."""
    out.mkdir(exist_ok=True)
    config = data_config(query_log=sources, **sections)
    return write_queries(config, base, out, now=NOW, reporter=SilentReporter(), engine=engine)
