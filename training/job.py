"""What all steps of a training share: the configuration, where its files are, the text that was read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from training.config import TrainingConfig
from training.data.catalogue import write_catalogue
from training.data.corpus import corpus_files, write_sentences
from training.data.engines import EngineName
from training.data.query_log import write_queries
from training.data.sources import find_files
from training.progress import Reporter
from training.steps import Workshop, fingerprints

TEXT, QUERIES = "text", "queries"
COUNTS_FILE = "counts.json"


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
    config, data = job.config, {}
    common = [config.seed, config.held_out.model_dump()]
    if config.text:
        files = [path for _, path in corpus_files(config.text, job.base)]
        key = [[source.model_dump() for source in config.text], fingerprints(files), common]
        data[TEXT] = job.workshop.step("text", key, lambda folder: _read_text(job, folder))
    if config.query_log:
        files = [path for source in config.query_log for path in find_files(source.path, job.base)]
        blocked = config.screening.blocked_words
        files += [job.base / blocked] if blocked and (job.base / blocked).is_file() else []
        key = [[source.model_dump() for source in config.query_log], fingerprints(files), common]
        # neither the engine nor the clock: the one changes nothing, the other only which rows are still to come
        without = None if any(source.time_column for source in config.query_log) else {"recent_half_life_days"}
        key += [config.screening.model_dump(), config.counting.model_dump(exclude=without)]
        data[QUERIES] = job.workshop.step("queries", key, lambda folder: _read_queries(job, folder))
    if config.catalogue:
        files = [path for source in config.catalogue for path in find_files(source.path, job.base)]
        log = data.get(QUERIES)
        key = [[source.model_dump() for source in config.catalogue], fingerprints(files), common]
        key += [config.screening.model_dump(), log.name if log else ""]
        data[QUERIES] = job.workshop.step("catalogue", key, lambda folder: _read_catalogue(job, log, folder))
    return data


def _read_catalogue(job: Job, log: Path | None, folder: Path) -> None:
    counts = write_catalogue(
        job.config.catalogue,
        job.base,
        log,
        folder,
        screening=job.config.screening,
        held_out=job.config.held_out,
        seed=job.config.seed,
        reporter=job.reporter,
    )
    logged = json.loads((log / COUNTS_FILE).read_text(encoding="utf-8")) if log else {}
    (folder / COUNTS_FILE).write_text(json.dumps({**logged, "catalogue": asdict(counts)}), encoding="utf-8")


def _read_text(job: Job, folder: Path) -> None:
    counts = write_sentences(
        job.config.text,
        job.base,
        folder,
        held_out=job.config.held_out,
        seed=job.config.seed,
        reporter=job.reporter,
    )
    (folder / COUNTS_FILE).write_text(json.dumps(asdict(counts)), encoding="utf-8")


def _read_queries(job: Job, folder: Path) -> None:
    counts = write_queries(
        job.config.query_log,
        job.base,
        folder,
        screening=job.config.screening,
        counting=job.config.counting,
        held_out=job.config.held_out,
        seed=job.config.seed,
        now=job.now,
        reporter=job.reporter,
        engine=job.engine,
    )
    job.reporter.say(counts.summary())
    (folder / COUNTS_FILE).write_text(json.dumps(asdict(counts)), encoding="utf-8")


def read_lines_of(path: Path) -> list[str]:
    """The lines of a file that training wrote, without empty ones."""
    with path.open(encoding="utf-8", newline="\n") as lines:
        return [line.rstrip("\n") for line in lines if line.strip()]
