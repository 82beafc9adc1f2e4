"""Measures of a real, small bundle against slow walks that do as the definitions say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path

import numpy as np
import pytest

from lm.arrays import open_array
from lm.bundle.bundle import Bundle, open_bundle
from lm.bundle.manifest import read_manifest
from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from lm.models.vocabulary import BEGIN, END, FIRST_TOKEN
from lm.text.normalize import normalize_query, split_words
from suggest.decode import complete_word
from suggest.model import Model
from suggest.scores import score_text
from suggest.types import GenerationOptions, WordOptions
from suggest.words import WordPredictor, is_word
from training.evaluation.evaluate import HeldOut, held_out
from training.evaluation.metrics import typed_prefix
from training.evaluation.mistyped import is_mistyped, typed_with_error
from training.evaluation.next_words import Keystrokes, is_typed, listed_words, next_words
from training.evaluation.perplexity import (
    ScoredText,
    by_frequency,
    by_matched_order,
    perplexities,
    score_held_out,
    token_ranks,
)
from training.evaluation.query_benchmark import query_completion
from training.progress import SilentReporter
from training.report.measure import mixture, ms_per_word, sampled_text, size_on_disk

_QUIET = SilentReporter()
_PARTS = (Part.NGRAM, Part.NEURAL, Part.ENSEMBLE)


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return open_bundle(tiny_bundle, verify=False)


@pytest.fixture(scope="module")
def data(tiny_bundle: Path) -> HeldOut:
    return held_out(tiny_bundle, text=None, queries=None)


@pytest.fixture(scope="module", params=["queries", "text"])
def scored(request: pytest.FixtureRequest, bundle: Bundle, data: HeldOut) -> tuple[LanguageModel, ScoredText]:
    model = bundle.language_model(request.param)
    return model, score_held_out(model, data.of(model.entry), _QUIET)


def test_perplexities_are_those_of_the_sentences_scored_one_by_one(
    scored: tuple[LanguageModel, ScoredText], data: HeldOut
) -> None:
    model, text = scored
    lines = data.of(model.entry)
    measured = perplexities(text)
    words = sum(len(split_words(normalize_query(line))) + 1 for line in lines)
    characters = sum(len(normalize_query(line).rstrip()) + 1 for line in lines)
    assert (measured["words"], measured["characters"]) == (words, characters)
    assert measured["tokens"] == sum(len(model.tokenizer.encode(line)) + 1 for line in lines)
    assert model.joins or measured["words"] == measured["tokens"]
    for part in _PARTS:
        log_prob = sum(score_text(model, line, part).log_prob for line in lines)
        nats = -log_prob
        assert measured["perplexity"][part.value] == pytest.approx(math.exp(nats / measured["tokens"]), rel=1e-4)
        assert measured["word_perplexity"][part.value] == pytest.approx(math.exp(nats / words), rel=1e-4)
        bits = nats / math.log(2) / characters
        assert measured["bits_per_character"][part.value] == pytest.approx(bits, rel=1e-4)


def test_ranks_of_tokens_are_those_of_sorted_unigrams(bundle: Bundle) -> None:
    model = bundle.language_model("text")
    scores = [(-model.ngram.table.score(0, token)[0], token) for token in range(FIRST_TOKEN, len(model.vocabulary))]
    ranks = token_ranks(model)
    assert [token for _, token in sorted(scores)] == (np.argsort(ranks, kind="stable")[FIRST_TOKEN:]).tolist()


def test_buckets_take_the_perplexity_apart(scored: tuple[LanguageModel, ScoredText]) -> None:
    model, text = scored
    for buckets in (by_frequency(model, text), by_matched_order(text)):
        assert sum(bucket["tokens"] for bucket in buckets) == len(text.tokens)
        for part in _PARTS:
            nats = sum(bucket["tokens"] * math.log(bucket["perplexity"][part.value]) for bucket in buckets)
            expected = perplexities(text)["perplexity"][part.value]
            assert math.exp(nats / len(text.tokens)) == pytest.approx(expected, rel=1e-6)
    frequent = by_frequency(model, text)[0]
    ranks = token_ranks(model)
    assert frequent["tokens"] == sum(1 <= ranks[token] <= 10 for token in text.tokens)


def test_a_matched_order_of_two_is_a_bigram_that_the_model_lists(
    bundle: Bundle, tiny_bundle: Path, data: HeldOut
) -> None:
    model = bundle.language_model("text")
    folder = tiny_bundle / model.entry.name
    successors = open_array(folder / "order1.successors.npy", np.uint32)
    seconds = open_array(folder / "order2.tokens.npy", np.int32)
    expected: list[int] = []
    for line in data.sentences:
        tokens = [BEGIN, *model.tokenizer.encode(line)]
        expected.append(1)  # `<s>` alone
        for first, second in pairwise(tokens):
            listed = seconds[successors[first] : successors[first + 1]]
            expected.append(2 if second in listed else 1)
    assert score_held_out(model, data.sentences, _QUIET).matched_orders.tolist() == expected


def test_the_mixture_curve_ends_in_its_parts_and_passes_through_the_naive_mean(
    scored: tuple[LanguageModel, ScoredText],
) -> None:
    model, text = scored
    curve = {point["ngram_weight"]: point["perplexity"] for point in mixture(model, text)["by_weight"]}
    measured = perplexities(text)["perplexity"]
    assert curve[1.0] == pytest.approx(measured["ngram"], rel=1e-5)
    assert curve[0.0] == pytest.approx(measured["neural"], rel=1e-5)
    probabilities = [np.exp(text.log_probs[part].astype(np.float64)) for part in (Part.NGRAM, Part.NEURAL)]
    halves = np.log(0.5 * probabilities[0] + 0.5 * probabilities[1])
    assert curve[0.5] == pytest.approx(math.exp(-halves.mean()), rel=1e-5)


def _naive_ranks(model: LanguageModel, context: tuple[int, ...], token: int, word: str, part: Part) -> Iterator[int]:
    """The list after each letter, whole, searched anew; what is as probable as the word stands before it."""
    for typed in range(len(word)):
        found = complete_word(model, context, word[:typed], len(model.vocabulary), part)
        words = [each for each in found if is_word(model.tokenizer.decode(each.tokens))]
        (own,) = [each for each in words if each.tokens == (token,)]
        yield sum(each.log_prob >= own.log_prob for each in words) - 1


@pytest.mark.parametrize("part", _PARTS)
def test_ranks_from_one_distribution_equal_the_walk_letter_by_letter(bundle: Bundle, data: HeldOut, part: Part) -> None:
    model, sentences = bundle.language_model("text"), data.sentences[:4]
    naive = Keystrokes()
    first: list[tuple[float, bool]] = []
    for sentence in sentences:
        tokens = tuple(model.tokenizer.encode(sentence))
        for place, token in enumerate([*tokens, END]):
            shown = listed_words(model, tokens[:place], "", part, 3)
            own = model.tokenizer.decode([token])
            first += [(math.exp(log_prob), text == own) for text, log_prob in shown]
            if token != END and is_typed(own, [token]):
                naive.add(len(own), _naive_ranks(model, tokens[:place], token, own, part))
    measured = next_words(model, sentences, [part], _QUIET)[part]
    assert {name: value for name, value in measured.items() if name != "calibration"} == pytest.approx(naive.summary())
    assert measured["words"] > 30
    assert measured["calibration"]["shown"] == len(first)
    hits = sum(each["right"] * each["shown"] for each in measured["calibration"]["bins"])
    mass = sum(each["mean_probability"] * each["shown"] for each in measured["calibration"]["bins"])
    assert mass == pytest.approx(sum(p for p, _ in first), rel=1e-4)
    assert hits == pytest.approx(sum(right for _, right in first), abs=1.5)  # a tie may show either word


def test_next_words_of_subwords_are_those_that_are_served(bundle: Bundle, data: HeldOut) -> None:
    model = bundle.language_model("queries")
    lines = [line for line in data.queries if line.replace(" ", "").isalpha() and line.isascii()][:12]
    predictor = WordPredictor(model)
    naive = Keystrokes()
    for line in lines:
        words = line.split()
        for place, word in enumerate(words):
            before = "".join(f"{each} " for each in words[:place])
            ranks = []
            for typed in range(len(word)):
                served = predictor.predict(before + word[:typed], WordOptions(max_suggestions=5), None)
                texts = [suggestion.text for suggestion in served.suggestions]
                ranks.append(texts.index(word) if word in texts else 9)
            naive.add(len(word), ranks)
    measured = next_words(model, lines, [Part.ENSEMBLE], _QUIET)[Part.ENSEMBLE]
    assert {name: measured[name] for name in naive.summary()} == pytest.approx(naive.summary())


def test_queries_calibration_counts_every_suggestion(bundle: Bundle, data: HeldOut) -> None:
    queries = data.queries[:40]
    model = Model(bundle)
    shown = [
        (suggestion.acceptance_prob, suggestion.text == query)
        for query in queries
        for suggestion in model.complete_query(
            typed_with_error(query) if is_mistyped(query) else typed_prefix(query)
        ).suggestions
    ]
    calibration = query_completion(bundle, queries, _QUIET)["calibration"]
    assert calibration["shown"] == len(shown)
    mass = sum(each["mean_probability"] * each["shown"] for each in calibration["bins"])
    assert mass == pytest.approx(sum(p for p, _ in shown))
    assert sum(round(each["right"] * each["shown"]) for each in calibration["bins"]) == sum(r for _, r in shown)
    assert sum(each["shown"] for each in calibration["by_source"].values()) == len(shown)


def test_time_is_the_clocks_and_a_mean_over_words(bundle: Bundle, tiny_bundle: Path, data: HeldOut) -> None:
    for model in bundle.language_models:
        ticks = count()
        lines = data.of(model.entry)
        folder = tiny_bundle / model.entry.name
        assert ms_per_word(model.entry, folder, lines, Part.NGRAM, clock=lambda: float(next(ticks))) == 1000.0  # noqa: B023
        assert ms_per_word(model.entry, folder, [], Part.NGRAM) == 0.0


def test_sizes_are_those_of_the_files(tiny_bundle: Path) -> None:
    manifest = read_manifest(tiny_bundle)
    for entry in manifest.language_models:
        folder = tiny_bundle / entry.name
        files = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
        vocabulary = sum(size for path, size in files.items() if path.name.startswith(("tokens", "subwords")))
        neural = sum(size for path, size in files.items() if path.parent.name == "neural")
        assert size_on_disk(manifest, entry.name, Part.ENSEMBLE) == sum(files.values())
        assert size_on_disk(manifest, entry.name, Part.NEURAL) == neural + vocabulary
        assert size_on_disk(manifest, entry.name, Part.NGRAM) == sum(files.values()) - neural


def test_samples_are_repeatable_and_begin_with_the_greedy_one(bundle: Bundle) -> None:
    model = bundle.language_model("text")
    samples = sampled_text(model, Part.ENSEMBLE)
    assert samples == sampled_text(model, Part.ENSEMBLE)
    assert [sample["seed"] for sample in samples] == [None, 1, 2, 3]
    options = GenerationOptions(temperature=0.0, max_output_tokens=40)
    assert samples[0]["text"] == "".join(chunk.text for chunk in Model(bundle).generate_text("", options))


def test_a_bundle_knows_how_its_training_went(tiny_bundle: Path) -> None:
    for name, measured in read_manifest(tiny_bundle).metrics["language_models"].items():
        training = measured["training"]
        neural = training["neural"]
        curve = neural["curve"]
        assert training["ngram_s"] > 0
        assert neural["seconds"] == curve[-1]["elapsed_s"] > 0
        assert neural["tokens_per_s"] > 0
        assert curve[-1]["step"] == neural["steps"] == 150
        assert curve[-1]["validation_loss"] < curve[0]["validation_loss"], name
        assert [point["step"] for point in curve] == sorted({point["step"] for point in curve})
