"""Everything that the report shows of bundles, as one JSON document.

The document is `{"report_format", "created_at", "bundles": [...]}`. A bundle has its `label`, a description of its
held-out data, its `queries` and its `language_models`, each with its `parts` (n-gram, neural, ensemble).
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from lm.bundle.bundle import Bundle, open_bundle
from lm.bundle.manifest import LanguageModelEntry, Manifest, read_manifest
from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from suggest.decode import complete_word
from suggest.generate import generate_text
from suggest.types import GenerationOptions
from suggest.words import SPARE
from training.evaluation.evaluate import HeldOut, held_out
from training.evaluation.ghost_text import ghost_text
from training.evaluation.next_words import LISTS, next_words
from training.evaluation.perplexity import (
    ScoredText,
    by_frequency,
    by_matched_order,
    perplexities,
    perplexity,
    score_held_out,
)
from training.evaluation.query_benchmark import QueryBenchmark
from training.evaluation.query_outcomes import wanted_queries
from training.progress import Reporter

REPORT_FORMAT = 1
_PARTS = (Part.NGRAM, Part.NEURAL, Part.ENSEMBLE)
_BY_PART = ("perplexity", "word_perplexity", "bits_per_character")
_SEEDS = (1, 2, 3)
_TOKENS = 40
_WEIGHTS = np.linspace(0.0, 1.0, 21)
_WORDS = 200
_WARM_UP = 3


def measure_bundles(
    paths: Sequence[Path],
    *,
    text: Path | None,
    queries: Path | None,
    max_sentences: int,
    max_typed: int,
    created_at: datetime,
    reporter: Reporter,
) -> dict[str, Any]:
    """Measures bundles on files, or each on the held-out data that it keeps.

    Args:
        max_sentences: lines on which next words are predicted at most, the slowest measure.
        max_typed: queries that are typed letter by letter at most.

    Raises:
        InputError: a file cannot be read or is empty.
        BundleError: a bundle cannot be opened.
    """
    names = Counter(read_manifest(path).name for path in paths)
    benchmark = QueryBenchmark(reporter, max_typed=max_typed)
    bundles = []
    for path in paths:
        data = held_out(path, text=text, queries=queries)
        bundle = open_bundle(path)
        name, version = bundle.manifest.name, bundle.manifest.version
        label = name if names[name] == 1 else f"{name} {version}"
        bundles.append(
            {
                "label": label,
                "name": name,
                "version": version,
                "held_out": {"text": _described(data.sentences), "queries": _described(data.queries)},
                "language_models": [
                    _language_model(bundle, model, path, data, max_sentences, reporter)
                    for model in bundle.language_models
                ],
                "queries": benchmark.measure(label, bundle, data.queries)
                if wanted_queries(data.queries) and bundle.queries is not None
                else {},
            }
        )
    return {"report_format": REPORT_FORMAT, "created_at": created_at.isoformat(), "bundles": bundles}


def _described(lines: Sequence[str]) -> dict[str, Any]:
    """How much was held out, and a digest that tells the data of two bundles apart."""
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return {"lines": len(lines), "sha256": digest} if lines else {}


def _parts(model: LanguageModel) -> list[Part]:
    """The parts that differ. An ensemble of one part is that part."""
    there = [part for part in _PARTS if part is not Part.NEURAL or model.neural is not None]
    return [part for part in there if model.part(part) is part]


def _language_model(
    bundle: Bundle, model: LanguageModel, path: Path, data: HeldOut, max_sentences: int, reporter: Reporter
) -> dict[str, Any]:
    entry, lines = model.entry, data.of(model.entry)
    training = bundle.manifest.metrics.get("language_models", {}).get(entry.name, {}).get("training", {})
    parts = _parts(model)
    costs = {
        part: {
            "size_bytes": size_on_disk(bundle.manifest, entry.name, part),
            "training_s": training_s(training, part),
            "ms_per_word": ms_per_word(entry, path / entry.name, lines, part) or None,
        }
        for part in parts
    }
    described = entry.model_dump(mode="json", exclude={"ngram_weight"}) | {
        "measured_on": "text" if entry.sources[0] == "text" else "queries",
        "training": training,
        "samples": {part.value: sampled_text(model, part) for part in parts},
        "parts": {part.value: costs[part] for part in parts},
    }
    if not lines:
        return described
    scored = score_held_out(model, lines, reporter)
    scored = replace(scored, log_probs={part: scored.log_probs[part] for part in parts})
    figures = perplexities(scored)
    words = next_words(model, lines[:max_sentences], parts, reporter)
    return described | {
        **{name: value for name, value in figures.items() if name not in _BY_PART},
        "typed_words": words[parts[0]].get("words", 0),
        "parts": {
            part.value: {name: figures[name][part.value] for name in _BY_PART} | costs[part] | words[part]
            for part in parts
        },
        "by_frequency": by_frequency(model, scored),
        "by_matched_order": by_matched_order(scored),
        "mixture": mixture(model, scored) if model.neural is not None else {},
        "ghost_text": ghost_text(model, bundle.never_generated, lines, reporter)
        if model is bundle.language_model("text") and entry.sources[0] == "text"
        else {},
    }


def sampled_text(model: LanguageModel, part: Part) -> list[dict[str, Any]]:
    """The most probable text token by token (temperature 0), and ancestral samples by seed, from an empty prompt."""
    samples = []
    for temperature, seed in [(0.0, None), *((1.0, seed) for seed in _SEEDS)]:
        options = GenerationOptions(temperature=temperature, seed=seed, max_output_tokens=_TOKENS, part=part)
        text = "".join(chunk.text for chunk in generate_text(model, "", options))
        samples.append({"temperature": temperature, "seed": seed, "text": text})
    return samples


def mixture(model: LanguageModel, text: ScoredText) -> dict[str, Any]:
    """The n-gram model's share, and the perplexity of the held-out text by share, from 0 to 1."""
    ngram, neural = text.log_probs[Part.NGRAM], text.log_probs[Part.NEURAL]
    points = []
    for weight in _WEIGHTS:
        with np.errstate(divide="ignore"):
            mixed = np.logaddexp(ngram + np.log(weight), neural + np.log1p(-weight))
        points.append({"ngram_weight": round(float(weight), 2), "perplexity": perplexity(mixed)})
    return {"ngram_weight": model.entry.ngram_weight, "by_weight": points}


def ms_per_word(
    entry: LanguageModelEntry,
    folder: Path,
    sentences: Sequence[str],
    part: Part,
    clock: Callable[[], float] = time.process_time,
) -> float:
    """Mean milliseconds that a part takes to predict the next word of running text; 0 without text.

    Args:
        folder: of the language model. It is opened anew, so that no answer is cached.
        clock: seconds; CPU time by default, so that other programs on the machine count less.
    """
    model = LanguageModel(entry, folder)
    elapsed_s, words = 0.0, -_WARM_UP
    for sentence in sentences:
        tokens = tuple(model.tokenizer.encode(sentence))
        starts = [place for place in range(len(tokens)) if _begins_word(model, tokens[place])]
        for place in starts:
            start_s = clock()
            complete_word(model, tokens[:place], "", min(LISTS) + SPARE, part)
            elapsed_s = elapsed_s + clock() - start_s if words >= 0 else 0.0
            words += 1
            if words == _WORDS:
                return 1000 * elapsed_s / words
    return 1000 * elapsed_s / words if words > 0 else 0.0


def _begins_word(model: LanguageModel, token: int) -> bool:
    low, high = model.word_starts
    return not model.joins or low <= token < high


def size_on_disk(manifest: Manifest, name: str, part: Part) -> int:
    """Bytes of a part's files and of the vocabulary, which every part needs."""

    def belongs(path: str) -> bool:
        folder, _, rest = path.partition("/")
        if folder != name or rest.startswith("reranker/"):  # it is no part of the language model
            return False
        vocabulary = rest.startswith(("tokens.", "subwords."))
        return part is Part.ENSEMBLE or vocabulary or rest.startswith("neural/") == (part is Part.NEURAL)

    return sum(file.size for path, file in manifest.files.items() if belongs(path))


def training_s(training: Mapping[str, Any], part: Part) -> float | None:
    """Seconds that training a part took; None if the bundle does not know."""
    ngram, neural = training.get("ngram_s"), training.get("neural", {}).get("seconds")
    if part is not Part.ENSEMBLE:
        return ngram if part is Part.NGRAM else neural
    known = [seconds for seconds in (ngram, neural) if seconds is not None]
    return sum(known) if ngram is not None and (neural is not None or "neural" not in training) else None
