"""How fast a query log of any size is read and counted, and in how much memory.

Run from the checkout: `python -m benchmarks.log_scale --rows 20000000`. The log is made here: words drawn by Zipf's
law, users and times, about two rows of three a query that was there before.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import numpy as np
from rich.console import Console

from lm.errors import AutocompleteError
from training.config import LanguageModelConfig, TrainingConfig
from training.config_log import Counting, QueryLogSource
from training.data.query_log import write_queries
from training.progress import Task, TerminalReporter

_CHUNK = 500_000
_WORDS = 50_000
_START_S, _DAYS = 1_700_000_000, 90


class _TimedReporter(TerminalReporter):
    """Also keeps the seconds of each piece of work."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Task]:
        """See `Reporter.task`."""
        start_s = time.perf_counter()
        with super().task(description, total) as task:
            yield task
        self.seconds[description] = time.perf_counter() - start_s


def main() -> int:
    """Makes a log, counts it and prints rows a second, peak memory and what was counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--engine", choices=("duckdb", "spark"), default="duckdb")
    parser.add_argument("--folder", type=Path, help="for the log and the work, by default a temporary one")
    arguments = parser.parse_args()
    reporter = _TimedReporter(Console(stderr=True))
    try:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as work:
            base = Path(work)
            with (base / "log.tsv").open("w", encoding="utf-8") as out:
                write_log(out, arguments.rows)
            size_mb = (base / "log.tsv").stat().st_size / 1e6
            log = QueryLogSource(path="log.tsv", time_column="time", user_column="user")
            queries = LanguageModelConfig(name="queries", unit="subword", sources=("queries",))
            config = TrainingConfig(
                name="scale", query_log=(log,), counting=Counting(half_life_days=30), language_models=(queries,)
            )
            now = datetime.now(UTC)
            counts = write_queries(config, base, base, now=now, reporter=reporter, engine=arguments.engine)
    except AutocompleteError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{arguments.rows:,} rows, {size_mb:,.0f} MB, engine {arguments.engine}")
    for step, seconds in reporter.seconds.items():
        print(f"{step}: {seconds:.0f} s, {arguments.rows / seconds:,.0f} rows/s")
    print(f"peak memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")
    print(counts)
    return 0


def write_log(out: IO[str], rows: int) -> None:
    """Writes a table of query, time and user; the same for the same number of rows."""
    random = np.random.default_rng(0)
    letters_WL = random.integers(97, 123, (_WORDS, 7), dtype=np.uint8)
    words = [bytes(word[: 3 + place % 5]).decode() for place, word in enumerate(letters_WL)]
    out.write("query\ttime\tuser\n")
    for begun in range(0, rows, _CHUNK):
        number = min(_CHUNK, rows - begun)
        words_N3 = random.zipf(1.3, (number, 3)) % _WORDS
        lengths_N = random.integers(1, 4, number)
        times_N = _START_S + random.integers(0, _DAYS * 86_400, number)
        users_N = random.integers(0, max(1, rows // 20), number)
        fields = zip(words_N3.tolist(), lengths_N.tolist(), times_N.tolist(), users_N.tolist(), strict=True)
        for query, length, time_s, user in fields:
            out.write(f"{' '.join([words[word] for word in query[:length]])}\t{time_s}\tuser{user}\n")


if __name__ == "__main__":
    sys.exit(main())
