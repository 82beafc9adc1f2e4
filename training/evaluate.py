"""Measures a bundle on held-out text and queries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lm.bundle import Bundle, open_bundle
from lm.errors import InputError
from lm.language_model import LanguageModel
from lm.parts import Part
from lm.text import normalize_query
from lm.vocabulary import END, FIRST_TOKEN
from suggest.decode import complete_word
from suggest.model import Model
from training.metrics import MIN_QUERY_LENGTH, RankMeter, reciprocal_rank, typed_prefix
from training.progress import Reporter

EVALUATION_FOLDER = "evaluation"
TEXT_FILE, QUERIES_FILE = "test_text.txt", "test_queries.txt"
_SHOWN = 10
_WORDS = 3
_NEXT_WORD_SENTENCES = 300


def evaluate_files(bundle_path: Path, *, text: Path | None, queries: Path | None, reporter: Reporter) -> dict[str, Any]:
    """Measures a bundle on files, a sentence or query a line; without any, on those held out when it was trained.

    Raises:
        InputError: a file cannot be read or is empty.
        BundleError: the bundle cannot be opened.
    """
    bundle = open_bundle(bundle_path)
    if text is None and queries is None:
        kept = bundle_path / EVALUATION_FOLDER
        text = kept / TEXT_FILE if (kept / TEXT_FILE).is_file() else None
        queries = kept / QUERIES_FILE if (kept / QUERIES_FILE).is_file() else None
    return evaluate_bundle(
        bundle,
        sentences=_lines(text) if text else [],
        queries=_lines(queries) if queries else [],
        reporter=reporter,
    )


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(path, "not UTF-8.", byte=error.start, remedy="Save it as UTF-8.") from None
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}.") from None
    kept = [line for line in lines if line.strip()]
    if not kept:
        raise InputError(path, "is empty.", remedy="Give a file with a sentence or query a line.")
    return kept


def evaluate_bundle(
    bundle: Bundle, *, sentences: Sequence[str], queries: Sequence[str], reporter: Reporter
) -> dict[str, Any]:
    """Perplexity of each part, next-word accuracy and query completion; what does not apply is left out."""
    metrics: dict[str, Any] = {"language_models": {}}
    for model in bundle.language_models:
        held_out = sentences if model.entry.sources[0] == "text" else queries
        if held_out:
            metrics["language_models"][model.entry.name] = perplexities(model, held_out, reporter)
    if sentences:
        metrics["next_word"] = next_words(bundle.language_model("text"), sentences, reporter)
    if queries and bundle.queries is not None:
        metrics["queries"] = query_completion(bundle, queries, reporter)
    return metrics


def token_scores(
    model: LanguageModel, sentences: Sequence[str], reporter: Reporter
) -> dict[Part, np.ndarray[Any, np.dtype[np.float32]]]:
    """Natural-log probabilities of all tokens of the sentences, a running text, and of their ends, by part."""
    parts: dict[Part, list[Any]] = {}
    encoded = ([*model.tokenizer.encode(sentence), END] for sentence in sentences)
    with reporter.task(f"{model.entry.name}: score held-out text", len(sentences)) as task:
        for number, scores in enumerate(model.running_log_probs(encoded)):
            for part, log_probs in scores.items():
                parts.setdefault(part, []).append(log_probs)
            if number % 100 == 0:
                task.update(number)
    return {part: np.concatenate(rows) for part, rows in parts.items()}


def perplexities(model: LanguageModel, sentences: Sequence[str], reporter: Reporter) -> dict[str, Any]:
    """Perplexity a token, ends of sentence counted, of each part of a language model."""
    scores = token_scores(model, sentences, reporter)
    return {
        "tokens": len(scores[Part.NGRAM]),
        "perplexity": {part.value: math.exp(-float(rows.mean())) for part, rows in scores.items()},
    }


def next_words(model: LanguageModel, sentences: Sequence[str], reporter: Reporter) -> dict[str, float]:
    """Next-word accuracy and keystroke savings at 3 suggestions.

    A word in the list before any letter counts for top-1 and top-3. Before each letter the list is looked at: a word
    in it is taken at the price of one keystroke, which also types the space. Unknown words and tokens without a
    letter are skipped but stay in the context.
    """
    words = top1 = top3 = keystrokes = letters = 0
    chosen = sentences[:_NEXT_WORD_SENTENCES]
    with reporter.task("next words", len(chosen)) as task:
        for number, sentence in enumerate(chosen):
            tokens = model.tokenizer.encode(sentence) if not model.joins else []
            for position, token in enumerate(tokens):
                word = model.tokenizer.decode([token])
                if token < FIRST_TOKEN or not any(map(str.isalpha, word)):
                    continue
                rank, cost = _type(model, tuple(tokens[:position]), token, word)
                words += 1
                top1 += rank == 0
                top3 += rank < _WORDS
                keystrokes += cost
                letters += len(word) + 1
            task.update(number + 1)
    if not words:
        return {}
    return {
        "words": words,
        "top1": top1 / words,
        "top3": top3 / words,
        "keystrokes_saved_at_3": 1 - keystrokes / letters,
    }


def _type(model: LanguageModel, context: tuple[int, ...], token: int, word: str) -> tuple[int, int]:
    """The word's rank with no letter typed (3: not shown) and the keystrokes to write it and a space."""
    first_rank = _WORDS
    for typed in range(len(word)):
        shown = complete_word(model, context, word[:typed], _WORDS, model.part(Part.ENSEMBLE))
        ranks = [rank for rank, hypothesis in enumerate(shown) if hypothesis.tokens == (token,)]
        if typed == 0 and ranks:
            first_rank = ranks[0]
        if ranks:
            return first_rank, typed + 1
    return first_rank, len(word) + 1


def query_completion(bundle: Bundle, queries: Sequence[str], reporter: Reporter) -> dict[str, Any]:
    """MRR@10 and success@10 of the served list, and of the log's popularity alone; seen, unseen and all."""
    model = Model(bundle)
    index = bundle.queries
    assert index is not None
    served, popular = RankMeter(), RankMeter()
    with reporter.task("complete held-out queries", len(queries)) as task:
        for number, line in enumerate(queries):
            query = normalize_query(line).rstrip()
            if len(query) < MIN_QUERY_LENGTH:
                continue
            prefix = typed_prefix(query)
            groups = ("all", "seen" if index.count(query) > 0 else "unseen")
            shown = [s.text for s in model.complete_query(prefix, max_suggestions=_SHOWN).suggestions]
            served.add(reciprocal_rank(shown, query), *groups)
            heaviest, _ = index.completions(prefix, _SHOWN + 1)
            listed = [text for text, _ in heaviest if text != prefix.rstrip()][:_SHOWN]
            popular.add(reciprocal_rank(listed, query), *groups)
            if number % 50 == 0:
                task.update(number)
    return {**served.summary(), "popularity_only": popular.summary()}
