"""Compares a new bundle with the active one, on held-out data that neither has learnt.

What the new bundle holds out, the active one may have in its index: a log moves on from day to day. So queries count
only if the active bundle held them out too or has never seen them, and sentences only if it held them out too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.bundle.bundle import HELD_OUT_FOLDER, Bundle, open_bundle
from lm.index.never_generated import Withheld, build_withheld, hash_query
from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from lm.models.vocabulary import END, UNKNOWN
from lm.text.normalize import split_words
from suggest.measures import Floats, interval, reciprocal, resampled_ratios
from suggest.model import Model
from training.evaluation.evaluate import NEXT_WORD_SENTENCES, HeldOut
from training.evaluation.next_words import next_words
from training.evaluation.perplexity import score_held_out
from training.evaluation.query_outcomes import outcomes, served, wanted_queries
from training.progress import Reporter

"""Of a bundle: the hashes of all lines that it held out, to tune or to measure."""
_FEWEST = 5
"""Fewer lines say nothing."""
_MRR, _FOUND, _PERPLEXITY = "MRR@10 of queries", "queries found among 10, %", "perplexity of {}"
_NEXT_WORDS = (("top3", "next words among 3, %"), ("keystrokes_saved_at_3", "keystrokes saved by next words, %"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measure of the new bundle and of the active one on the same data.

    Attributes:
        before: None where it was not compared.
        worse: the new one is worse than the tolerance allows, and chance alone hardly explains it (the 95% interval of
            the paired bootstrap excludes 0). Such a bundle is not activated.
    """

    name: str
    digits: int
    now: float
    before: float | None = None
    worse: bool = False

    def shown(self, value: float | None) -> str:
        """A value as people read it."""
        return "" if value is None else f"{value:,.{self.digits}f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A new bundle beside the active one.

    Attributes:
        version: of the active one.
        queries, sentences: how many neither has learnt.
        figures: empty if there are too few.
    """

    version: str
    queries: int = 0
    sentences: int = 0
    figures: tuple[Figure, ...] = ()

    @property
    def reason(self) -> str:
        """In what the new bundle is worse; empty if in nothing."""
        worse = (figure for figure in self.figures if figure.worse)
        return "; ".join(f"{each.name} {each.shown(each.now)}, was {each.shown(each.before)}" for each in worse)


def figures_of(metrics: Mapping[str, Any]) -> list[Figure]:
    """The same measures of one bundle, as `training.evaluation.evaluate` found them on all that it holds out."""
    found = []
    if queries := metrics.get("queries", {}).get("all"):
        found.append(Figure(name=_MRR, digits=3, now=queries["mrr_at_10"]))
        found.append(Figure(name=_FOUND, digits=1, now=100 * queries["success_at_10"]))
    for name, measured in metrics.get("language_models", {}).items():
        if "word_perplexity" in measured:
            found.append(Figure(name=_PERPLEXITY.format(name), digits=1, now=measured["word_perplexity"]["ensemble"]))
    words = metrics.get("next_word", {})
    return found + [Figure(name=title, digits=1, now=100 * words[key]) for key, title in _NEXT_WORDS if key in words]


def write_held_out(folder: Path, lines: Iterable[str]) -> None:
    """Writes the hashes of a bundle's held-out lines, by which later trainings know them."""
    folder.mkdir()
    build_withheld(folder, (hash_query(line) for line in lines))


def new_to(active: Bundle, held_out: Withheld, data: HeldOut) -> HeldOut:
    """The held-out lines that a bundle has not learnt; `held_out` are its own."""
    sentences = [line for line, known in zip(data.sentences, held_out.among(data.sentences), strict=True) if known]
    if active.queries is None:
        return HeldOut(sentences, [])
    index, never, queries = active.queries, active.never_generated, []
    for line, known in zip(data.queries, held_out.among(data.queries).tolist(), strict=True):
        if known or not (index.count(line) > 0 or never.withholds(line)):
            queries.append(line)
    return HeldOut(sentences, queries)


def compare_bundles(new: Path, active: Path, data: HeldOut, tolerance: float, reporter: Reporter) -> Comparison:
    """Measures two bundles on what neither has learnt.

    Args:
        new: its folder; `active` is that of the other one.
        data: what the new bundle holds out, as training wrote it.
        tolerance: by how much the new one may be worse, relative.

    Raises:
        BundleError: the active bundle cannot be opened.
    """
    before, now = open_bundle(active), open_bundle(new, verify=False)
    fair = new_to(before, Withheld(active / HELD_OUT_FOLDER), data)
    figures = _of_queries(now, before, fair.queries, tolerance, reporter)
    for model in now.language_models:
        other = next((each for each in before.language_models if each.entry.name == model.entry.name), None)
        lines = fair.of(model.entry)
        if other is not None and fair.of(other.entry) is lines:
            figures += _perplexity(model, other, lines, tolerance, reporter)
    figures += _of_next_words(now, before, fair.sentences, reporter)
    return Comparison(
        version=before.manifest.version,
        queries=len(fair.queries),
        sentences=len(fair.sentences),
        figures=tuple(figures),
    )


def _of_queries(
    new: Bundle, active: Bundle, lines: Sequence[str], tolerance: float, reporter: Reporter
) -> list[Figure]:
    queries = wanted_queries(lines)
    if len(queries) < _FEWEST or new.queries is None or active.queries is None:
        return []
    now, before = (outcomes(served(Model(bundle)), queries, reporter) for bundle in (new, active))
    now_B, before_B = (np.array([reciprocal(each.rank) for each in found]) for found in (now, before))
    lost_B = before_B - now_B
    worse = lost_B.sum() > tolerance * before_B.sum() and _is_real(lost_B, np.ones(len(queries)))
    found_now, found_before = (100 * sum(each.rank > 0 for each in found) / len(found) for found in (now, before))
    return [
        Figure(name=_MRR, digits=3, now=float(now_B.mean()), before=float(before_B.mean()), worse=bool(worse)),
        Figure(name=_FOUND, digits=1, now=found_now, before=found_before),
    ]


def _is_real(lost_B: Floats, weights_B: Floats) -> bool:
    """Whether a mean loss is above 0 in nearly all resamples."""
    low, _ = interval(resampled_ratios(lost_B[:, None], weights_B[:, None])[:, 0])
    return low > 0


def _perplexity(
    model: LanguageModel, other: LanguageModel, lines: Sequence[str], tolerance: float, reporter: Reporter
) -> list[Figure]:
    """Perplexity a word, on the lines that hold no word that is unknown to either: so any two vocabularies compare."""
    if len(lines) < _FEWEST:
        return []
    (now_B, knows_B), (before_B, knew_B) = (_line_scores(each, lines, reporter) for each in (model, other))
    known_B = knows_B & knew_B
    if known_B.sum() < _FEWEST:
        return []
    words_B = np.array([len(split_words(line)) + 1.0 for line in lines])[known_B]
    lost_B = before_B[known_B] - now_B[known_B]
    worse = lost_B.sum() / words_B.sum() > math.log1p(tolerance) and _is_real(lost_B, words_B)
    now, before = (math.exp(min(-scores_B[known_B].sum() / words_B.sum(), 700.0)) for scores_B in (now_B, before_B))
    return [Figure(name=_PERPLEXITY.format(model.entry.name), digits=1, now=now, before=before, worse=bool(worse))]


def _line_scores(model: LanguageModel, lines: Sequence[str], reporter: Reporter) -> tuple[Floats, NDArray[np.bool_]]:
    """The log probability of each line, and whether all its words are known."""
    scored = score_held_out(model, lines, reporter)
    starts_B = np.concatenate([[0], np.flatnonzero(scored.tokens == END)[:-1] + 1])
    log_probs = scored.log_probs[Part.ENSEMBLE].astype(np.float64)
    unknown_B = np.add.reduceat(scored.tokens == UNKNOWN, starts_B, dtype=np.int64)
    return np.add.reduceat(log_probs, starts_B), unknown_B == 0


def _of_next_words(new: Bundle, active: Bundle, sentences: Sequence[str], reporter: Reporter) -> list[Figure]:
    """What a writer gains; shown, but the perplexity decides."""
    if len(sentences) < _FEWEST:
        return []
    models = [bundle.language_model("text") for bundle in (new, active)]
    if any(model.joins for model in models):  # subwords are too slow for every training
        return []
    now, before = (
        next_words(model, sentences[:NEXT_WORD_SENTENCES], [part], reporter)[part]
        for model, part in ((model, model.part(Part.ENSEMBLE)) for model in models)
    )
    return [
        Figure(name=title, digits=1, now=100 * now[name], before=100 * before[name])
        for name, title in _NEXT_WORDS
        if name in now and name in before
    ]
