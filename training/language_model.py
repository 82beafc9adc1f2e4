"""Trains one language model of a bundle: vocabulary, n-gram model, networks, and the weights of their mixture."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.arrays import open_array
from lm.bundle.manifest import LanguageModelEntry
from lm.models.language_model import LanguageModel
from lm.models.neural import DESCRIPTION_FILE, NeuralDescription
from lm.models.vocabulary import Vocabulary, open_tokenizer
from lm.models.written_forms import WRITTEN_NAME, Writing
from training.config import LanguageModelConfig
from training.config_networks import NeuralConfig, RerankerConfig
from training.data.encoding import EncodedText, build_vocabulary, encode
from training.data.query_log import text_file
from training.data.written_forms import learn_written_forms
from training.fit.mixture import fit_mixture, held_out_scores
from training.job import QUERIES, TEXT, Job, read_lines_of
from training.ngram.estimate import train_ngram
from training.steps import DONE_FILE, seconds

_MIXTURE_SENTENCES = 2000
_WRITING_FILE = "writing.json"
_AFTER_PREPARING = {"ngram", "neural", "reranker", "recent_words", "ghost_precision", "min_ghost_probability"}
"""Settings that vocabulary and token ids do not depend on."""
_SHORT_LIST = 8192
"""Where no letter is typed yet, the network is asked for this many frequent words alone."""


def train_language_model(
    job: Job, config: LanguageModelConfig, data: dict[str, Path], staging: Path
) -> tuple[LanguageModelEntry, dict[str, Any]]:
    """Trains one language model and puts its files into the bundle.

    Returns:
        Its entry in the manifest, and how its training went.
    """
    prepared = prepare(job, config, data)
    folder = staging / config.name
    folder.mkdir()
    for path in [*prepared.glob("tokens.*"), *prepared.glob("subwords.model"), *prepared.glob(f"{WRITTEN_NAME}.*.npy")]:
        shutil.copy2(path, folder)
    vocabulary = Vocabulary.open(folder)
    ngram = job.workshop.step(
        f"{config.name}-ngram",
        [prepared.name, config.ngram.model_dump(), sorted(config.ngram.model_fields_set)],  # what is set is kept
        lambda target: train_ngram(
            config.ngram,
            EncodedText.named(prepared, "train"),
            vocabulary,
            target,
            reporter=job.reporter,
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
        writing=_writing(prepared),
    )
    training: dict[str, Any] = {"ngram_s": seconds(ngram)}
    if config.neural is not None and config.neural in config.networks:
        described, training["neural"] = _network(job, config, config.neural, prepared, folder / "neural")
        update = {"neural_kind": described.kind, "parameter_count": described.parameter_count, "ngram_weight": 0.5}
        if config.sources[0] == QUERIES:
            update["neural_use"] = config.neural.use
        entry = entry.model_copy(update=update)
    if config.reranker is not None:
        described, training["reranker"] = _network(job, config, config.reranker, prepared, folder / "reranker")
        update = {"reranker_kind": described.kind, "reranker_parameter_count": described.parameter_count}
        entry = entry.model_copy(update=update)
    return entry, training


def _writing(prepared: Path) -> Writing | None:
    """How the text is written, if that was learnt."""
    path = prepared / _WRITING_FILE
    return Writing.model_validate_json(path.read_bytes()) if path.is_file() else None


def _network(
    job: Job, config: LanguageModelConfig, part: NeuralConfig | RerankerConfig, prepared: Path, folder: Path
) -> tuple[NeuralDescription, dict[str, Any]]:
    """Trains a network into the bundle's folder; returns its description and how its training went."""
    from training.neural.checkpoint import Checkpoint
    from training.neural.export import export_neural

    wait_for_processes()
    trained = train_network(job, config, part, prepared)
    folder.mkdir()
    export_neural(trained, folder, _short_list(config, folder.parent) if isinstance(part, NeuralConfig) else None)
    result = Checkpoint.load_finished(trained)
    training = {
        "seconds": result.curve[-1].elapsed_s,
        "tokens_per_s": result.tokens_per_s,
        "steps": result.step,
        "sampled_softmax": part.sampled_softmax,
        "curve": [asdict(point) for point in result.curve],
    }
    return NeuralDescription.read(folder / DESCRIPTION_FILE), training


def _short_list(config: LanguageModelConfig, folder: Path) -> NDArray[np.int32] | None:
    """The most frequent words, if the vocabulary has far more."""
    unigrams_V = open_array(folder / "order1.log_probs.npy", np.float32)
    if config.unit != "word" or len(unigrams_V) < 2 * _SHORT_LIST:
        return None
    return np.sort(np.argsort(-unigrams_V, kind="stable")[:_SHORT_LIST]).astype(np.int32)


def fit_weights(
    job: Job, entry: LanguageModelEntry, recent_words: int, data: dict[str, Path], staging: Path
) -> tuple[LanguageModelEntry, dict[str, Any]]:
    """Finds the mixture's weights on held-out text; also returns the figures that decided."""
    if not entry.neural_kind and not recent_words:
        return entry, {}
    held_out = read_lines_of(data[entry.sources[0]] / "validation.txt")[:_MIXTURE_SENTENCES]
    scores = held_out_scores(LanguageModel(entry, staging / entry.name), held_out, job.reporter)
    fitted = fit_mixture(scores, recent_words)
    return fitted.apply(entry), fitted.metrics


def train_network(job: Job, config: LanguageModelConfig, part: NeuralConfig | RerankerConfig, prepared: Path) -> Path:
    """Trains a network, perhaps together with other processes; returns the folder with its checkpoint."""
    from training.neural.train import train_neural

    def make(target: Path) -> None:
        train_neural(
            EncodedText.named(prepared, "train"),
            EncodedText.named(prepared, "validation"),
            again=[EncodedText.named(prepared, _again(name)) for name in part.read_twice],
            vocabulary_size=len(Vocabulary.open(prepared)),
            config=part,
            seed=job.config.seed,
            work=target,
            reporter=job.reporter,
        )

    key = [prepared.name, part.model_dump(exclude={"use"}), job.config.seed]
    name = "reranker" if isinstance(part, RerankerConfig) else "neural"
    return job.workshop.step(f"{config.name}-{name}", key, make, resumable=True, meet=wait_for_processes)


def prepare(job: Job, config: LanguageModelConfig, data: dict[str, Path]) -> Path:
    """Makes the vocabulary, and training and validation text as token ids; returns their folder."""
    of_queries = [text_file(name) for name in config.query_logs] or [text_file()]
    names = {TEXT: ["train.txt"], QUERIES: of_queries}
    texts = [data[source] / name for source in config.sources for name in names[source]]
    again = sorted({name for part in config.networks for name in part.read_twice})

    def make(folder: Path) -> None:
        vocabulary = build_vocabulary(config, texts, folder, job.reporter)
        tokenizer = open_tokenizer(
            folder, config.unit, vocabulary, lowercase=config.lowercase, pretokenized=config.pretokenized
        )
        encode(tokenizer, texts, folder, "train", job.reporter)
        encode(tokenizer, [data[config.sources[0]] / "validation.txt"], folder, "validation", job.reporter)
        if config.lowercase and config.sources[0] == TEXT:
            forms = learn_written_forms(
                [data[TEXT] / "train.txt"],
                vocabulary if config.unit == "word" else None,
                pretokenized=config.pretokenized,
                label=config.name,
                reporter=job.reporter,
            )
            forms.save(folder)
            (folder / _WRITING_FILE).write_text(forms.writing.model_dump_json(), encoding="utf-8")
        for name in again:
            encode(tokenizer, [data[QUERIES] / text_file(name)], folder, _again(name), job.reporter)

    settings: list[object] = [config.model_dump(exclude=_AFTER_PREPARING)]
    settings.append("vocabulary_size" in config.model_fields_set)  # what is set is kept
    settings += again
    return job.workshop.step(f"{config.name}-prepare", [settings, [folder.name for folder in data.values()]], make)


def _again(log: str) -> str:
    """The name of the encoded text that a network reads twice."""
    return f"again.{log}"


def wait_for_processes() -> None:
    """Waits until all processes that train together have come to this point."""
    from training.neural.distributed import Processes

    Processes.join().wait()
