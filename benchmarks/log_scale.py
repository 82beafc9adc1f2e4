"""How fast a query log of any size is read and counted, and in how much memory.

Run from the checkout: `python -m benchmarks.log_scale --rows 20000000`. The log is made here: words drawn by Zipf's
law, users and times, about two rows of three a query that was there before.
"""

from __future__ import annotations

import resource
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from benchmarks.command import reporter, run
from training.config import LanguageModelConfig, TrainingConfig
from training.config_log import Counting, QueryLogSource
from training.data.engines import EngineName
from training.data.query_log import write_queries

_MACROS = """
    CREATE MACRO drawn(i, what) AS (hash(i, what) % 1000003 + 1) / 1000003;
    CREATE MACRO place(i, what) AS CAST(least(drawn(i, what) ** (-1 / 0.3), 1e15) AS BIGINT) % 50000;
    CREATE MACRO spelt(n) AS left(translate(md5(n::VARCHAR), '0123456789', 'ghijklmnop'), 3 + n % 5);
    CREATE MACRO word(i, what) AS CASE WHEN drawn(i, 'length') * 3 > what THEN spelt(place(i, what)) END
"""
_LOG = """
    COPY (
        SELECT concat_ws(' ', word(i, 0), word(i, 1), word(i, 2)) AS query,
            1700000000 + CAST(drawn(i, 'time') * 90 * 86400 AS BIGINT) AS time,
            'user' || CAST(drawn(i, 'user') * {rows} / 20 AS BIGINT) AS user
        FROM range({rows}) rows(i)
    ) TO '{path}' (DELIMITER '\t', HEADER)
"""


def main(rows: int = 1_000_000, engine: EngineName = "duckdb", folder: Path | None = None) -> None:
    """Makes a log, counts it and prints rows a second, peak memory and what was counted."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        base = Path(work)
        write_log(base / "log.tsv", rows)
        size_mb = (base / "log.tsv").stat().st_size / 1e6
        log = QueryLogSource(path="log.tsv", time_column="time", user_column="user")
        config = TrainingConfig(
            name="scale",
            query_log=(log,),
            counting=Counting(half_life_days=30),
            language_models=(LanguageModelConfig(name="queries", unit="subword", sources=("queries",)),),
        )
        start_s = time.perf_counter()
        counts = write_queries(config, base, base, now=datetime.now(UTC), reporter=reporter(), engine=engine)
        seconds = time.perf_counter() - start_s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{rows:,} rows, {size_mb:,.0f} MB, engine {engine}: {seconds:.0f} s, {rows / seconds:,.0f} rows/s")
    print(f"peak memory of the process: {peak_mb:,.0f} MB\n{counts}")


def write_log(path: Path, rows: int) -> None:
    """Writes a table of query, time and user; the same for the same number of rows."""
    with duckdb.connect() as connection:
        connection.execute(_MACROS)
        connection.execute(_LOG.format(rows=rows, path=path))


if __name__ == "__main__":
    run(main, __doc__)
