"""From text and query logs to a published bundle."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lm.bundle import QUERIES_FOLDER, open_bundle
from lm.language_model import LanguageModel
from lm.manifest import FORMAT_VERSION, LanguageModelEntry, Manifest, Ranking, write_manifest
from lm.neural import DESCRIPTION_FILE, NeuralDescription
from lm.queries import build_query_index
from lm.text import NORMALIZER_VERSION
from lm.tokenizer import open_tokenizer
from lm.vocabulary import Vocabulary
from training.config import LanguageModelConfig, NeuralConfig, RerankerConfig, TrainingConfig
from training.corpus import corpus_files, write_sentences
from training.encoding import EncodedText, encode
from training.evaluate import EVALUATION_FOLDER, QUERIES_FILE, TEXT_FILE, evaluate_bundle
from training.mixture import fit_mixture, held_out_scores
from training.ngram import train_ngram
from training.progress import Reporter
from training.publish import Published, publish
from training.query_log import write_queries
from training.ranking import fit_ranking
from training.sources import find_files
from training.steps import DONE_FILE, Workshop, fingerprints, seconds
from training.vocabulary import build_vocabulary

_TEXT, _QUERIES = "text", "queries"
_TRAINING_FILES = {_TEXT: "train.txt", _QUERIES: "train_lm.txt"}
_COUNTS_FILE = "counts.json"
_MIXTURE_SENTENCES = 2000


@dataclass(frozen=True, slots=True)
class _Run:
    config: TrainingConfig
    base: Path
    workshop: Workshop
    reporter: Reporter


def train(
    config: TrainingConfig,
    *,
    base: Path,
    reporter: Reporter,
    activate: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Published:
    """Trains a bundle and publishes it.

    Args:
        base: folder that the configuration's relative paths refer to.
        activate: make it the one that answers even if it measures worse than the one that does.
        now: the clock that names the version.

    Raises:
        AutocompleteError: an input, a setting or a tool is wrong; nothing is published then.
    """
    run = _Run(config, base, Workshop(base / config.work), reporter)
    data = _read(run)
    staging = base / config.work / "bundle"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    trained = [_language_model(run, model, data, staging) for model in config.language_models]
    mixed = [
        _mixture(run, entry, model.recent_words, data, staging)
        for (entry, _), model in zip(trained, config.language_models, strict=True)
    ]
    version = now().strftime("%Y%m%d-%H%M%S")
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        name=config.name,
        version=version,
        created_at=now(),
        normalizer_version=NORMALIZER_VERSION,
        language_models=tuple(entry for entry, _ in mixed),
        query_count=_query_index(run, data, staging),
        ranking=Ranking(),
        metrics={},
        files={},
    )
    write_manifest(staging, manifest)
    if _QUERIES in data:
        validation = _lines(data[_QUERIES] / "validation.txt")
        ranking = fit_ranking(open_bundle(staging, verify=False), validation, reporter)
        manifest = manifest.model_copy(update={"ranking": ranking})
        write_manifest(staging, manifest)
    sentences, queries = _keep_held_out(data, staging)
    metrics = evaluate_bundle(
        open_bundle(staging, verify=False), sentences=sentences, queries=queries, reporter=reporter
    )
    metrics["mixture"] = {entry.name: found for entry, found in mixed if found}
    for entry, training in trained:  # not in a file of the bundle: equal inputs give equal files, not equal times
        metrics["language_models"].setdefault(entry.name, {})["training"] = training
    metrics["data"] = {name: json.loads((folder / _COUNTS_FILE).read_text()) for name, folder in data.items()}
    manifest = manifest.model_copy(update={"metrics": metrics})
    write_manifest(staging, manifest)
    published = publish(
        staging,
        manifest,
        base / config.publishing.registry,
        config.publishing,
        sentences=sentences,
        queries=queries,
        activate=activate,
        reporter=reporter,
    )
    shutil.rmtree(staging)
    return published


def assist(config: TrainingConfig, *, base: Path, reporter: Reporter) -> None:
    """What the other processes do where several train together: a share of each batch of the neural models.

    The first process does everything else, in the work folder that they share.
    """
    run = _Run(config, base, Workshop(base / config.work), reporter)
    for model in config.language_models:
        for part in (model.neural, model.reranker):
            if part is not None:
                _wait_for_team()  # until the first one has prepared the text
                prepared = _prepare(run, model, _read(run))
                _train_network(run, model, part, prepared)


def _wait_for_team() -> None:
    from training.neural.team import Team

    Team.join().wait()


def _read(run: _Run) -> dict[str, Path]:
    """Reads the sources; a folder each with training, validation and test text."""
    config, data = run.config, {}
    common = [config.seed, config.held_out.model_dump()]
    if config.text:
        files = [path for _, path in corpus_files(config.text, run.base)]
        key = [[source.model_dump() for source in config.text], fingerprints(files), common]
        data[_TEXT] = run.workshop.step("text", key, lambda folder: _read_text(run, folder))
    if config.query_log:
        files = [path for source in config.query_log for path in find_files(source.path, run.base)]
        blocked = config.screening.blocked_words
        files += [run.base / blocked] if blocked and (run.base / blocked).is_file() else []
        key = [[source.model_dump() for source in config.query_log], fingerprints(files), common]
        key.append(config.screening.model_dump())
        data[_QUERIES] = run.workshop.step("queries", key, lambda folder: _read_queries(run, folder))
    return data


def _read_text(run: _Run, folder: Path) -> None:
    counts = write_sentences(
        run.config.text,
        run.base,
        folder,
        held_out=run.config.held_out,
        seed=run.config.seed,
        reporter=run.reporter,
    )
    (folder / _COUNTS_FILE).write_text(json.dumps(asdict(counts)), encoding="utf-8")


def _read_queries(run: _Run, folder: Path) -> None:
    counts = write_queries(
        run.config.query_log,
        run.base,
        folder,
        screening=run.config.screening,
        held_out=run.config.held_out,
        seed=run.config.seed,
        reporter=run.reporter,
    )
    (folder / _COUNTS_FILE).write_text(json.dumps(asdict(counts)), encoding="utf-8")


def _language_model(
    run: _Run, config: LanguageModelConfig, data: dict[str, Path], staging: Path
) -> tuple[LanguageModelEntry, dict[str, Any]]:
    """Trains one language model and lays its files into the bundle; what it is, and how its training went."""
    prepared = _prepare(run, config, data)
    folder = staging / config.name
    folder.mkdir()
    for path in [*prepared.glob("tokens.*"), *prepared.glob("subwords.model")]:
        shutil.copy2(path, folder)
    vocabulary = Vocabulary.open(folder)
    ngram = run.workshop.step(
        f"{config.name}-ngram",
        [prepared.name, config.ngram.model_dump()],
        lambda target: train_ngram(
            config.ngram,
            _encoded(prepared, "train"),
            vocabulary,
            target,
            reporter=run.reporter,
            label=config.name,
        ),
    )
    for path in ngram.iterdir():
        if path.name != DONE_FILE:
            shutil.copy2(path, folder)
    facts = json.loads((folder / "ngram.json").read_text(encoding="utf-8"))
    entry = LanguageModelEntry(
        name=config.name,
        unit=config.unit,
        sources=config.sources,
        lowercase=config.lowercase,
        pretokenized=config.pretokenized,
        vocabulary_size=len(vocabulary),
        ngram_order=facts["order"],
        ngram_count=facts["count"],
        ngram_smoothing=facts["smoothing"],
    )
    training: dict[str, Any] = {"ngram_s": seconds(ngram)}
    if config.neural is not None:
        described, training["neural"] = _network(run, config, config.neural, prepared, folder / "neural")
        update = {"neural_kind": described.kind, "parameter_count": described.parameter_count, "ngram_weight": 0.5}
        entry = entry.model_copy(update=update)
    if config.reranker is not None:
        described, training["reranker"] = _network(run, config, config.reranker, prepared, folder / "reranker")
        update = {"reranker_kind": described.kind, "reranker_parameter_count": described.parameter_count}
        entry = entry.model_copy(update=update)
    return entry, training


def _network(
    run: _Run, config: LanguageModelConfig, part: NeuralConfig | RerankerConfig, prepared: Path, folder: Path
) -> tuple[NeuralDescription, dict[str, Any]]:
    """Trains a network into the bundle's folder; what it is, and how that went."""
    from training.neural.train import export_neural, finished_training

    _wait_for_team()
    trained = _train_network(run, config, part, prepared)
    folder.mkdir()
    export_neural(trained, folder)
    result = finished_training(trained)
    training = {
        "seconds": result.curve[-1].elapsed_s,
        "tokens_per_s": result.tokens_per_s,
        "steps": result.steps,
        "sampled_softmax": part.sampled_softmax,
        "curve": [asdict(point) for point in result.curve],
    }
    return NeuralDescription.read(folder / DESCRIPTION_FILE), training


def _mixture(
    run: _Run, entry: LanguageModelEntry, recent_words: int, data: dict[str, Path], staging: Path
) -> tuple[LanguageModelEntry, dict[str, Any]]:
    """Finds the mixture's weights on held-out text; also says what decided."""
    if not entry.neural_kind and not recent_words:
        return entry, {}
    held_out = _lines(data[entry.sources[0]] / "validation.txt")[:_MIXTURE_SENTENCES]
    scores = held_out_scores(LanguageModel(entry, staging / entry.name), held_out, run.reporter)
    fitted = fit_mixture(scores, recent_words)
    return fitted.apply(entry), fitted.metrics


def _train_network(run: _Run, config: LanguageModelConfig, part: NeuralConfig | RerankerConfig, prepared: Path) -> Path:
    """Trains a network, this process among others perhaps; the folder with its checkpoint."""
    from training.neural.train import train_neural

    train, validation = _encoded(prepared, "train"), _encoded(prepared, "validation")

    def make(target: Path) -> None:
        train_neural(
            train_tokens=train.tokens,
            train_offsets=train.offsets,
            validation_tokens=validation.tokens,
            validation_offsets=validation.offsets,
            vocabulary_size=len(Vocabulary.open(prepared)),
            config=part,
            seed=run.config.seed,
            work=target,
            reporter=run.reporter,
        )

    key = [prepared.name, part.model_dump(), run.config.seed]
    name = "reranker" if isinstance(part, RerankerConfig) else "neural"
    return run.workshop.step(f"{config.name}-{name}", key, make, resumable=True)


def _prepare(run: _Run, config: LanguageModelConfig, data: dict[str, Path]) -> Path:
    """Vocabulary, and training and validation text as token ids."""
    texts = [data[source] / _TRAINING_FILES[source] for source in config.sources]

    def make(folder: Path) -> None:
        vocabulary = build_vocabulary(config, texts, folder, run.reporter)
        tokenizer = open_tokenizer(
            folder, config.unit, vocabulary, lowercase=config.lowercase, pretokenized=config.pretokenized
        )
        encode(tokenizer, texts, folder, "train", run.reporter)
        encode(tokenizer, [data[config.sources[0]] / "validation.txt"], folder, "validation", run.reporter)

    settings = config.model_dump(exclude={"ngram", "neural", "reranker", "recent_words"})
    return run.workshop.step(f"{config.name}-prepare", [settings, [folder.name for folder in data.values()]], make)


def _encoded(folder: Path, name: str) -> EncodedText:
    return EncodedText(folder / f"{name}.ids.npy", folder / f"{name}.offsets.npy")


def _query_index(run: _Run, data: dict[str, Path], staging: Path) -> int:
    if _QUERIES not in data:
        return 0
    import pyarrow.parquet

    with run.reporter.task("query index"):
        table = pyarrow.parquet.read_table(data[_QUERIES] / "train.parquet")
        rows: list[tuple[str, float]] = list(zip(table["query"].to_pylist(), table["count"].to_pylist(), strict=True))
        (staging / QUERIES_FOLDER).mkdir()
        return build_query_index(staging / QUERIES_FOLDER, rows)


def _keep_held_out(data: dict[str, Path], staging: Path) -> tuple[list[str], list[str]]:
    """Copies the test text into the bundle, so that `autocomplete evaluate` can measure it anywhere."""
    kept: dict[str, list[str]] = {_TEXT: [], _QUERIES: []}
    (staging / EVALUATION_FOLDER).mkdir()
    for source, name in ((_TEXT, TEXT_FILE), (_QUERIES, QUERIES_FILE)):
        if source in data:
            shutil.copy2(data[source] / "test.txt", staging / EVALUATION_FOLDER / name)
            kept[source] = _lines(data[source] / "test.txt")
    return kept[_TEXT], kept[_QUERIES]


def _lines(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="\n") as lines:
        return [line.rstrip("\n") for line in lines if line.strip()]
