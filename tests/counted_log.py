"""Counts query logs with settings of which a test names those that matter to it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training.config import HeldOut, Screening
from training.config_log import Counting, QueryLogSource
from training.data.query_log import QueryCounts, write_queries
from training.progress import SilentReporter

NOW = datetime(2026, 1, 10, tzinfo=UTC)
KEEP_ALL = Screening(min_count=1, min_users=1)


def count_log(base: Path, out: Path, *sources: QueryLogSource, **settings: Any) -> QueryCounts:
    """Writes what the logs say to a folder, which is made. Settings that are left out have their defaults."""
    out.mkdir(exist_ok=True)
    defaults: dict[str, Any] = {"screening": Screening(), "counting": Counting(), "held_out": HeldOut()}
    defaults |= {"seed": 0, "now": NOW, "reporter": SilentReporter()}
    return write_queries(sources, base, out, **defaults | settings)
