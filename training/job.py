"""What all steps of a training share: the configuration, where its files are, the text that was read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from training.config import TrainingConfig
from training.data.catalogue import write_catalogue
from training.data.corpus import write_sentences
from training.data.engines import EngineName
from training.data.misspelt import mend_counts
from training.data.query_log import WITHHELD_FILE, write_queries
from training.data.screening import built_in_lists
from training.data.sources import Source, find_files
from training.progress import Reporter
from training.steps import Workshop, fingerprints

TEXT, QUERIES = "text", "queries"
_COUNTS_FILE = "counts.json"


@dataclass(frozen=True, slots=True)
class Job:
    """A training under way; `base` is the folder that relative paths refer to, `now` when it began."""

    config: TrainingConfig
    base: Path
    workshop: Workshop
    reporter: Reporter
    engine: EngineName = "duckdb"
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


def read_data(job: Job) -> dict[str, Path]:
    """Reads the sources; a folder each with training, validation and test text."""
    config, data = job.config, dict[str, Path]()
    blocked = config.screening.blocked_words
    words = [job.base / blocked] if blocked and (job.base / blocked).is_file() else []
    screening = [config.screening.model_dump(exclude={"min_word_count"}), fingerprints(words), built_in_lists()]
    if config.text:
        data[TEXT] = _step(job, "text", config.text, [], partial(_read_text, job))
    if config.query_log:
        # neither the engine nor the clock: the one changes nothing, the other only which rows are still to come
        without = None if any(source.time_column for source in config.query_log) else {"recent_half_life_days"}
        key = [screening, config.counting.model_dump(exclude=without)]
        data[QUERIES] = _step(job, "queries", config.query_log, key, partial(_read_queries, job))
    if config.catalogue:
        log = data.get(QUERIES)
        beside = (log.name, config.catalogue_weight) if log else ()
        read = partial(_read_catalogue, job, log)
        data[QUERIES] = _step(job, "catalogue", config.catalogue, [screening, beside], read)
    return data


def _step(job: Job, name: str, sources: Sequence[Source], key: object, read: Callable[[Path], dict[str, Any]]) -> Path:
    """A step that reads files into a folder; `key` is all that `read` depends on besides seed and held-out share."""
    files = [path for source in sources for path in find_files(source.path, job.base)]
    common = [[source.model_dump() for source in sources], job.config.seed, job.config.held_out.model_dump()]

    def make(folder: Path) -> None:
        (folder / _COUNTS_FILE).write_text(json.dumps(read(folder)), encoding="utf-8")

    return job.workshop.step(name, [common, fingerprints(files), key], make)


def _read_text(job: Job, folder: Path) -> dict[str, Any]:
    return asdict(write_sentences(job.config, job.base, folder, job.reporter))


def _read_queries(job: Job, folder: Path) -> dict[str, Any]:
    counts = write_queries(job.config, job.base, folder, now=job.now, reporter=job.reporter, engine=job.engine)
    job.reporter.say(counts.summary(job.config))
    return {**asdict(counts), "misspelt_queries": _mend(job, folder)}


def _mend(job: Job, folder: Path) -> int:
    """Adds misspelt queries to those that were meant; returns how many they are."""
    ratio = job.config.counting.misspelt_ratio
    if not ratio:
        return 0
    with job.reporter.task("Looking for misspelt queries"):
        misspelt = mend_counts(folder, WITHHELD_FILE, folder.glob("train_lm*.txt"), ratio)
    if misspelt:
        query, meant = next(iter(misspelt.items()))
        many = f"{len(misspelt):,} queries misspell one that is {ratio:g} times as frequent, and count as that one"
        job.reporter.say(f"Misspelt: {many}, such as `{query}` as `{meant}` (misspelt_ratio).")
    return len(misspelt)


def _read_catalogue(job: Job, log: Path | None, folder: Path) -> dict[str, Any]:
    counts = write_catalogue(job.config, job.base, log, folder, job.reporter)
    job.reporter.say(counts.summary())
    return {**(counts_of(log) if log else {}), "catalogue": asdict(counts)}


def counts_of(step: Path) -> dict[str, Any]:
    """What a step of `read_data` counted."""
    counts: dict[str, Any] = json.loads((step / _COUNTS_FILE).read_text(encoding="utf-8"))
    return counts


def read_lines_of(path: Path) -> list[str]:
    """The lines of a file that training wrote, without empty ones."""
    with path.open(encoding="utf-8", newline="\n") as lines:
        return [line.rstrip("\n") for line in lines if line.strip()]
