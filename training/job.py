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
from training.data.query_log import write_queries
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
    screening = [config.screening.model_dump(), fingerprints(words)]
    if config.text:
        data[TEXT] = _step(job, "text", config.text, [], _read_text)
    if config.query_log:
        # neither the engine nor the clock: the one changes nothing, the other only which rows are still to come
        without = None if any(source.time_column for source in config.query_log) else {"recent_half_life_days"}
        key = [screening, config.counting.model_dump(exclude=without)]
        data[QUERIES] = _step(job, "queries", config.query_log, key, _read_queries)
    if config.catalogue:
        log = data.get(QUERIES)
        key = [screening, log.name if log else ""]
        data[QUERIES] = _step(job, "catalogue", config.catalogue, key, partial(_read_catalogue, log))
    return data


def _step(job: Job, name: str, sources: Sequence[Source], key: object, read: Callable[..., dict[str, Any]]) -> Path:
    """A step that reads files: `read` is given the job and the folder, and returns what it counted."""
    settings = {"held_out": job.config.held_out, "seed": job.config.seed, "reporter": job.reporter}
    files = [path for source in sources for path in find_files(source.path, job.base)]
    described = [source.model_dump() for source in sources]

    def make(folder: Path) -> None:
        (folder / _COUNTS_FILE).write_text(json.dumps(read(job, folder, **settings)), encoding="utf-8")

    held_out = job.config.held_out.model_dump()
    return job.workshop.step(name, [described, fingerprints(files), job.config.seed, held_out, key], make)


def _read_text(job: Job, folder: Path, **settings: Any) -> dict[str, Any]:
    return asdict(write_sentences(job.config.text, job.base, folder, **settings))


def _read_queries(job: Job, folder: Path, **settings: Any) -> dict[str, Any]:
    screening, counting = job.config.screening, job.config.counting
    settings |= {"screening": screening, "counting": counting, "now": job.now, "engine": job.engine}
    counts = write_queries(job.config.query_log, job.base, folder, **settings)
    job.reporter.say(counts.summary())
    return asdict(counts)


def _read_catalogue(log: Path | None, job: Job, folder: Path, **settings: Any) -> dict[str, Any]:
    screening = job.config.screening
    counts = write_catalogue(job.config.catalogue, job.base, log, folder, screening=screening, **settings)
    return {**(counts_of(log) if log else {}), "catalogue": asdict(counts)}


def counts_of(step: Path) -> dict[str, Any]:
    """What a step of `read_data` counted."""
    counts: dict[str, Any] = json.loads((step / _COUNTS_FILE).read_text(encoding="utf-8"))
    return counts


def read_lines_of(path: Path) -> list[str]:
    """The lines of a file that training wrote, without empty ones."""
    with path.open(encoding="utf-8", newline="\n") as lines:
        return [line.rstrip("\n") for line in lines if line.strip()]
