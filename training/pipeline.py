"""From text and query logs to a published bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from lm.bundle.bundle import (
    EVALUATION_FOLDER,
    HELD_OUT_FOLDER,
    LEXICON_FOLDER,
    QUERIES_FOLDER,
    WORDS_FOLDER,
    Bundle,
    main_model,
    open_bundle,
)
from lm.bundle.manifest import FORMAT_VERSION, Duplicates, LanguageModelEntry, Manifest, Ranking
from lm.bundle.registry import is_url, open_registry
from lm.errors import InputError
from lm.index.existing_words import build_existing_words
from lm.index.lexicon import build_lexicon, count_words
from lm.index.never_generated import NEVER_GENERATED_FOLDER, build_withheld
from lm.index.warm_set import most_typed, save_warm_set
from lm.models.language_model import LanguageModel
from lm.text.normalize import NORMALIZER_VERSION
from training.config import TrainingConfig
from training.data.engines import EngineName
from training.data.query_log import WITHHELD_FILE
from training.data.screening import load_blocked_words
from training.evaluation.evaluate import QUERIES_FILE, TEXT_FILE, HeldOut, evaluate_bundle
from training.existing_words import read_use
from training.fit.corrections import fit_corrections
from training.fit.floor import fit_floor
from training.fit.ghost_text import fit_ghost_text
from training.fit.matching import fit_matching
from training.fit.neural import fit_neural
from training.fit.personal import fit_personal
from training.fit.ranking import fit_ranking
from training.gate import compare_bundles, write_held_out
from training.job import QUERIES, TEXT, Job, counts_of, read_data, read_lines_of
from training.language_model import fit_weights, prepare, train_language_model, train_network, wait_for_processes
from training.progress import Reporter
from training.publish import Published, publish
from training.query_index import index_queries, read_counts
from training.steps import BundleFolder, Workshop


def train(
    config: TrainingConfig,
    *,
    base: Path,
    reporter: Reporter,
    activate: bool = False,
    engine: EngineName = "duckdb",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Published:
    """Trains a bundle and publishes it.

    Args:
        base: folder that the configuration's relative paths refer to.
        activate: make it the one that answers even if it measures worse than the one that does.
        engine: what counts the queries; with both the same comes out.
        now: the clock that names the version; rows of a log that lie ahead of it are bad.

    Raises:
        AutocompleteError: an input, a setting or a tool is wrong; nothing is published then.
    """
    location = config.publishing.registry
    registry = open_registry(location if is_url(location) else base / location)
    job = Job(config, base, Workshop(base / config.work, reporter), reporter, engine, now())
    data = read_data(job)
    held_out = HeldOut(*(read_lines_of(data[name] / "test.txt") if name in data else [] for name in (TEXT, QUERIES)))
    with job.workshop.bundle_folder() as bundle:
        manifest, training = _build(job, data, bundle)
        metrics = evaluate_bundle(
            open_bundle(bundle.path, verify=False),
            sentences=held_out.sentences,
            queries=held_out.queries,
            reporter=reporter,
        )
        # how training went stands here, not in files of the bundle, for equal inputs give equal files
        models = metrics["language_models"]
        for name, figures in training.pop("language_models").items():
            models[name] = {**models.get(name, {}), "training": figures}
        metrics |= training | {"data": {name: counts_of(folder) for name, folder in data.items()}}
        job.workshop.check()
        return publish(
            bundle,
            manifest.model_copy(update={"created_at": now(), "metrics": metrics}),
            registry,
            config.publishing,
            compare=lambda active: compare_bundles(
                bundle.path, active, held_out, config.publishing.gate_tolerance, reporter
            ),
            activate=activate,
            reporter=reporter,
        )


def _build(job: Job, data: dict[str, Path], bundle: BundleFolder) -> tuple[Manifest, dict[str, Any]]:
    """Trains all parts and puts them into the bundle's folder.

    Returns:
        The manifest without metrics; and how the training of each language model went, and what decided about the
        weights of each mixture.
    """
    config, entries = job.config, []
    training, mixture = dict[str, dict[str, Any]](), dict[str, dict[str, Any]]()
    for model in config.language_models:
        with bundle.adding() as folder:
            entry, training[model.name] = train_language_model(job, model, data, folder)
        entry, decided = fit_weights(job, entry, model.recent_words, data, folder)
        entries.append(entry)
        mixture |= {model.name: decided} if decided else {}
    with bundle.adding() as folder:
        _deny(job, data, folder)
        query_count = _query_index(job, data, folder)
        _existing_words(job, data, entries, folder)
        write_held_out(folder / HELD_OUT_FOLDER, _held_out_lines(data))
        if config.publishing.keep_held_out:
            _keep_held_out(data, folder)
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        name=config.name,
        version="unpublished",
        created_at=job.now,
        normalizer_version=NORMALIZER_VERSION,
        language_models=tuple(entries),
        query_count=query_count,
        duplicates=Duplicates.model_validate(config.duplicates.model_dump()),
        ranking=Ranking(),
        generated=config.generated or ("mix" if config.query_log else "fill"),
        metrics={},
        files={},
    )
    bundle.write(manifest)
    if TEXT in data:
        manifest = _silence(job, manifest, bundle.path, read_lines_of(data[TEXT] / "validation.txt"))
        bundle.write(manifest)
    judged = dict[str, Any]()
    if QUERIES in data:
        validation = read_lines_of(data[QUERIES] / "validation.txt")
        manifest, judged = _rank(job, manifest, bundle.path, validation)
        bundle.write(manifest)
        personal = fit_personal(open_bundle(bundle.path, verify=False), data[QUERIES], job.reporter)
        manifest = _with_floor(job, manifest.model_copy(update={"personal": personal}), bundle.path, validation)
        bundle.write(manifest)
    return manifest, {"language_models": training, "mixture": mixture} | ({"proposals": judged} if judged else {})


def _silence(job: Job, manifest: Manifest, folder: Path, validation: Sequence[str]) -> Manifest:
    """The manifest with the probability below which its text model shows no ghost text."""
    bundle = open_bundle(folder, verify=False)
    name = bundle.language_model("text").entry.name
    config = next(model for model in job.config.language_models if model.name == name)
    least = config.min_ghost_probability
    if least is None:
        least = fit_ghost_text(bundle, validation, config.ghost_precision, job.reporter)
    return _with_entry(manifest, name, min_ghost_probability=least)


def _with_entry(manifest: Manifest, name: str, **changes: object) -> Manifest:
    """The manifest with other fields of a language model."""
    entries = (entry.model_copy(update=changes) if entry.name == name else entry for entry in manifest.language_models)
    return manifest.model_copy(update={"language_models": tuple(entries)})


def _rank(job: Job, manifest: Manifest, folder: Path, validation: Sequence[str]) -> tuple[Manifest, dict[str, Any]]:
    """The manifest with the weights of the ranking, fitted on held-out queries; see `_judge_neural` for the figures."""
    bundle = open_bundle(folder, verify=False)
    first, ranking = fit_ranking(bundle, validation, job.reporter, titles_alone=not job.config.query_log)
    manifest = manifest.model_copy(update={"first_ranking": first, "ranking": ranking})
    ranking = fit_matching(replace(bundle, manifest=manifest), validation, job.config.seed, job.reporter)
    first = first.model_copy(update={"matching": ranking.matching})
    manifest = manifest.model_copy(update={"first_ranking": first, "ranking": ranking})
    ranking = fit_corrections(replace(bundle, manifest=manifest), validation, job.config.seed, job.reporter)
    manifest = manifest.model_copy(update={"ranking": ranking})
    return _judge_neural(replace(bundle, manifest=manifest), _submitted(job, validation), job.reporter)


def _submitted(job: Job, validation: Sequence[str]) -> Sequence[str]:
    """The held-out queries that users submitted: none if they are titles, which are held out by their weights."""
    return validation if job.config.query_log else ()


def _with_floor(job: Job, manifest: Manifest, folder: Path, validation: Sequence[str]) -> Manifest:
    """The manifest with the floor for guesses: that of the configuration, or what fits the lists as they are served."""
    floor = job.config.min_probability
    if floor is None:
        floor = fit_floor(open_bundle(folder, verify=False), _submitted(job, validation), job.reporter)
    return manifest.model_copy(update={"ranking": manifest.ranking.model_copy(update={"floor": floor})})


def _judge_neural(bundle: Bundle, validation: Sequence[str], reporter: Reporter) -> tuple[Manifest, dict[str, Any]]:
    """The manifest with what held-out queries say of the neural model's proposals, and the figures that decided."""
    manifest, entry = bundle.manifest, bundle.language_model("queries").entry
    if not entry.neural_kind or entry.neural_use != "propose":
        return manifest, {}
    ranking, figures = fit_neural(bundle, validation, reporter)
    if ranking is not None:
        return manifest.model_copy(update={"neural_ranking": ranking}), figures
    return _with_entry(manifest, entry.name, neural_use="off"), figures


def assist(config: TrainingConfig, *, base: Path, reporter: Reporter) -> None:
    """What the other processes do where several train together: a share of each batch of the neural models.

    The first process does everything else, in the work folder that they share.
    """
    job = Job(config, base, Workshop(base / config.work, reporter, is_main=False), reporter)
    for model in config.language_models:
        for part in model.networks:
            wait_for_processes()  # until the first one has prepared the text
            prepared = prepare(job, model, read_data(job))
            train_network(job, model, part, prepared)


def _query_index(job: Job, data: dict[str, Path], staging: Path) -> int:
    if QUERIES not in data:
        return 0
    with job.reporter.task("query index"):
        (staging / QUERIES_FOLDER).mkdir()
        (staging / LEXICON_FOLDER).mkdir()
        counts = data[QUERIES] / "train.parquet"
        if job.config.publishing.warm_queries:
            save_warm_set(staging, most_typed(read_counts(counts), job.config.publishing.warm_queries))
        # once at least: what an entry of a catalogue weighs beside a log may be next to nothing
        counted = ((query, max(count, 1.0)) for query, count in read_counts(counts))
        build_lexicon(staging / LEXICON_FOLDER, count_words(counted))
        return index_queries(counts, staging / QUERIES_FOLDER)


def _existing_words(job: Job, data: dict[str, Path], entries: Sequence[LanguageModelEntry], staging: Path) -> None:
    """Writes the words that generated queries may hold and end with, as tokens of the model that generates them."""
    if QUERIES not in data:
        return
    with job.reporter.task("words of queries"):
        text = data[TEXT] / "train.txt" if TEXT in data else None
        use = read_use(data[QUERIES] / "train.parquet", text)
        words = use.existing(job.config.screening.min_word_count, read_lines_of(data[QUERIES] / "validation.txt"))
        model = main_model([LanguageModel(entry, staging / entry.name) for entry in entries], "queries")
        (staging / WORDS_FOLDER).mkdir()
        build_existing_words(staging / WORDS_FOLDER, words, model.vocabulary, model.tokenizer)


def _deny(job: Job, data: dict[str, Path], staging: Path) -> None:
    """Writes what must not be suggested: blocked words, and hashes of the queries that the log kept back."""
    folder = staging / NEVER_GENERATED_FOLDER
    folder.mkdir()
    blocked = job.config.screening.blocked_words
    load_blocked_words(job.base / blocked if blocked else None).save(folder)
    withheld = data[QUERIES] / WITHHELD_FILE if QUERIES in data else None
    if withheld is None or not (job.config.query_log or withheld.is_file()):
        return
    import pyarrow.parquet

    if not withheld.is_file():
        raise InputError(
            withheld, "is not there, so rare queries could be generated.", remedy="Delete its folder and train again."
        )
    with job.reporter.task("withheld queries"):
        hashes = pyarrow.parquet.read_table(withheld)["hash"].to_numpy()
        build_withheld(folder, hashes.astype(np.uint64))  # of a signed column the same bits


def _held_out_lines(data: dict[str, Path]) -> Iterator[str]:
    for folder in data.values():
        for name in ("validation.txt", "test.txt"):
            yield from read_lines_of(folder / name)


def _keep_held_out(data: dict[str, Path], staging: Path) -> None:
    """Copies the test text into the bundle, so that `autocomplete evaluate` can measure it anywhere."""
    (staging / EVALUATION_FOLDER).mkdir()
    for source, name in ((TEXT, TEXT_FILE), (QUERIES, QUERIES_FILE)):
        if source in data:
            shutil.copy2(data[source] / "test.txt", staging / EVALUATION_FOLDER / name)
