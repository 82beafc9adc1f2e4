"""Everything that the report shows of bundles, as one JSON document.

The document is `{"report_format", "created_at", "bundles": [...]}`; a bundle has its `label`, what it was measured on,
its `language_models`, each with its `parts` (n-gram, neural, ensemble), and its `queries`. README.md describes the
figures.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from lm.bundle.bundle import Bundle, open_bundle
from lm.bundle.manifest import Manifest, read_manifest
from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from training.evaluation.breakdown import by_frequency, by_matched_order
from training.evaluation.cost import ms_per_word, size_on_disk, training_s
from training.evaluation.evaluate import HeldOut, held_out
from training.evaluation.mixture import mixture
from training.evaluation.next_words import next_words
from training.evaluation.perplexity import perplexities, score_held_out
from training.evaluation.query_benchmark import QueryBenchmark
from training.evaluation.query_outcomes import wanted_queries
from training.evaluation.samples import sampled_text
from training.progress import Reporter

REPORT_FORMAT = 1
_PARTS = (Part.NGRAM, Part.NEURAL, Part.ENSEMBLE)
_BY_PART = ("perplexity", "word_perplexity", "bits_per_character")


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
        max_sentences: lines at most that next words are predicted on, the slowest measure.
        max_typed: queries at most that are typed letter by letter.

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
        label = _label(bundle.manifest, unique=names[bundle.manifest.name] == 1)
        bundles.append(
            {
                "label": label,
                "name": bundle.manifest.name,
                "version": bundle.manifest.version,
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


def _label(manifest: Manifest, *, unique: bool) -> str:
    return manifest.name if unique else f"{manifest.name} {manifest.version}"


def _described(lines: Sequence[str]) -> dict[str, Any]:
    """How much was held out, and a digest by which two bundles' data are told apart."""
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return {"lines": len(lines), "sha256": digest} if lines else {}


def _parts(model: LanguageModel) -> list[Part]:
    """The parts that differ: an ensemble of one part is that part."""
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
    }
    if not lines:
        return described | {"parts": {part.value: costs[part] for part in parts}}
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
    }
