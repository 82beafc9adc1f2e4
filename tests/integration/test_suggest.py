"""What an open bundle suggests, against brute force and against what its users rely on."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lm.errors import UnsupportedError
from lm.models.parts import Part
from lm.models.vocabulary import END, SPACE
from lm.text.duplicates import distinct, duplicate_key
from suggest.budget import Budget, LeftOut, OptionalPart, Shortage
from suggest.complete import QueryCompleter
from suggest.cursor import Cursor
from suggest.decode import complete_word
from suggest.model import Model, open_model
from suggest.scores import Word, explain_words
from suggest.types import FinishReason, Generated, GenerationOptions, QueryOptions, SuggestionSource, WordOptions

PREFIXES = ["new yor", "what is the ", "how to ", "w", "weather in ", "cheap fl", "zzqxv", "日本", "ㅎ", "a" * 200]


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Model:
    return open_model(tiny_bundle)


@pytest.mark.parametrize("part", list(Part))
@pytest.mark.parametrize("name", ["queries", "text"])
def test_probabilities_sum_to_1(model: Model, name: str, part: Part) -> None:
    language_model = model.bundle.language_model(name)
    for text in ["", "the", "the united states of", "zzqx unheard"]:
        context = language_model.tokenizer.encode(text)
        log_probs = language_model.next_log_probs(context, part).astype(np.float64)
        assert np.exp(log_probs).sum() == pytest.approx(1.0, abs=2e-4)


@pytest.mark.parametrize("part", list(Part))
def test_a_texts_score_is_the_sum_of_its_next_tokens(model: Model, part: Part) -> None:
    language_model = model.bundle.language_model("text")
    tokens = [*language_model.tokenizer.encode("we must be unheardofword in the world"), END]
    stepwise = [language_model.next_log_probs(tokens[:position], part)[token] for position, token in enumerate(tokens)]
    score = model.score_text("we must be unheardofword in the world", part=part)
    assert [word.log_prob for word in score.token_scores] == pytest.approx(stepwise, abs=2e-3)
    assert [word.out_of_vocabulary for word in score.token_scores][3]


@pytest.mark.parametrize("typed", ["", "s", "st", "sta", "zz"])
def test_next_words_equal_brute_force(model: Model, typed: str) -> None:
    language_model = model.bundle.language_model("text")
    context = tuple(language_model.tokenizer.encode("of the united"))
    log_probs = language_model.next_log_probs(context, Part.ENSEMBLE).astype(np.float64)
    low, high = language_model.vocabulary.prefix_range((SPACE + typed).encode())
    given = np.log(np.exp(log_probs[low:high]).sum()) if typed and high > low else 0.0
    best = sorted((-log_probs[token], token) for token in range(low, high))[:5]
    found = complete_word(language_model, context, typed, 5, Part.ENSEMBLE)
    assert [hypothesis.tokens for hypothesis in found] == [(token,) for _, token in best]
    assert [h.log_prob for h in found] == pytest.approx([-cost - given for cost, _ in best], abs=1e-4)


def test_subwords_complete_words(model: Model) -> None:
    language_model = model.bundle.language_model("queries")
    context = tuple(language_model.tokenizer.encode("new"))
    found = complete_word(language_model, context, "yo", 8, Part.ENSEMBLE)
    words = [language_model.tokenizer.decode(hypothesis.tokens) for hypothesis in found]
    assert words[0] == "york"
    assert all(word.startswith("yo") and " " not in word for word in words)
    assert np.exp([hypothesis.log_prob for hypothesis in found]).sum() <= 1.001


@pytest.mark.parametrize("prefix", PREFIXES)
def test_query_lists_hold_what_is_promised(model: Model, prefix: str) -> None:
    completion = model.complete_query(prefix)
    texts = [suggestion.text for suggestion in completion.suggestions]
    scores = [suggestion.log_prob for suggestion in completion.suggestions]
    index = model.bundle.queries
    assert index is not None
    assert len(set(texts)) == len(texts) <= 10
    matches = {match.text for match in index.word_matches(prefix, 100)}
    assert all(s.text.startswith(prefix) or s.terms.edit_count or s.text in matches for s in completion.suggestions)
    assert prefix.rstrip() not in texts
    assert scores == sorted(scores, reverse=True)
    assert np.exp(scores).sum() <= 1.001
    for suggestion in completion.suggestions:
        assert (suggestion.source is SuggestionSource.LOG) == (index.count(suggestion.text) > 0)
        assert 0 < suggestion.acceptance_prob < 1


@pytest.mark.parametrize("prefix", ["new y", "what is the ", "w", "best "])
def test_only_real_queries_where_asked(model: Model, prefix: str) -> None:
    index = model.bundle.queries
    assert index is not None
    completion = model.complete_query(prefix, QueryOptions(generated=Generated.OFF))
    there, _ = index.completions(prefix, 10)
    shown = {suggestion.text for suggestion in completion.suggestions}
    assert len(shown) == 10 or {text for text, _ in there} <= shown | {prefix.rstrip()}
    assert all(suggestion.source is SuggestionSource.LOG for suggestion in completion.suggestions)


@pytest.mark.parametrize("beginning", ["zzqx vrrp ", "quarterly kzzt of the blorb for "])
def test_a_query_that_nobody_began_so_goes_on_from_its_end(model: Model, beginning: str) -> None:
    texts = [suggestion.text for suggestion in model.complete_query(f"{beginning}new yor").suggestions]
    assert any(text.startswith(f"{beginning}new york") for text in texts), texts


def test_a_long_word_that_is_all_but_impossible_has_a_probability(model: Model) -> None:
    pool = QueryCompleter(replace(model.bundle, queries=None, words=None)).proposed("q" * 20)
    assert -700 < pool.typed_log_prob < -104  # beyond what 32 bits hold as a probability
    assert len(pool.candidates.texts) > 0
    assert (pool.candidates.log_probs <= 1e-3).all()


def test_an_empty_box_offers_popular_queries(model: Model) -> None:
    index = model.bundle.queries
    assert index is not None
    counts = [index.count(suggestion.text) for suggestion in model.complete_query("").suggestions]
    assert counts == sorted(counts, reverse=True)
    assert len(counts) == 10


def test_without_time_the_neural_part_is_left_out(model: Model) -> None:
    late = Budget(0.0, lambda: 1.0, limit=Shortage.DEADLINE)
    completion = model.complete_query("new quay h", budget=late)
    assert completion.degraded
    assert completion.suggestions
    words = model.predict_next_word("the united st", budget=late)
    assert words.degraded
    assert words.left_out == (LeftOut(OptionalPart.NEURAL, Shortage.DEADLINE),)
    assert words.left_out[0] in completion.left_out


def test_words_replace_what_was_typed_of_them(model: Model) -> None:
    words = model.predict_next_word("We met.  The United St", WordOptions(max_suggestions=3))
    assert words.suggestions[0].text == "States"
    assert words.replace_start == len("We met.  The United ")
    assert model.predict_next_word("the united st", WordOptions(min_probability=0.9)).suggestions[0].text == "States"
    assert len(model.predict_next_word("the united st", WordOptions(min_probability=0.9)).suggestions) == 1


@pytest.mark.parametrize("text", ["of the united ", "of the united st", "we mu"])
def test_an_ensembles_words_are_explained_by_its_parts(model: Model, text: str) -> None:
    explained = model.predict_next_word(text, WordOptions(explain=True)).suggestions
    plain = model.predict_next_word(text).suggestions
    assert [word.text for word in explained] == [word.text for word in plain]
    assert all(word.terms.ngram_log_prob is None and word.terms.neural_log_prob is None for word in plain)
    for part in (Part.NGRAM, Part.NEURAL):
        name = f"{part.value}_log_prob"
        alone = {
            word.text: word for word in model.predict_next_word(text, WordOptions(part=part, explain=True)).suggestions
        }
        for word in explained:
            term = getattr(word.terms, name)
            assert term is not None
            if word.text in alone:
                assert term == pytest.approx(alone[word.text].log_prob, abs=1e-4)
                assert getattr(alone[word.text].terms, name) == alone[word.text].log_prob
        assert {word.text for word in explained} & set(alone)


def test_subword_explanations_mix_to_the_ensembles_score(model: Model) -> None:
    language_model = model.bundle.language_model("queries")
    context = tuple(language_model.tokenizer.encode("new"))
    found = complete_word(language_model, context, "yo", 8, Part.ENSEMBLE)
    words = [Word("", each.log_prob, (each,)) for each in found]
    terms = explain_words(language_model, Cursor(4, context, "new", "yo"), words)
    for part, name in ((Part.NGRAM, "ngram_log_prob"), (Part.NEURAL, "neural_log_prob")):
        alone = {each.tokens: each.log_prob for each in complete_word(language_model, context, "yo", 16, part)}
        shared = [
            (alone[each.tokens], getattr(term, name))
            for each, term in zip(found, terms, strict=True)
            if each.tokens in alone
        ]
        assert len(shared) >= 2
        for expected, term in shared:
            assert term == pytest.approx(expected, abs=1e-4)


def test_a_missing_part_is_named(model: Model) -> None:
    language_model = model.bundle.language_model("text")
    neural, language_model.neural = language_model.neural, None
    try:
        with pytest.raises(UnsupportedError, match="no neural model"):
            model.score_text("the", part=Part.NEURAL)
    finally:
        language_model.neural = neural


def test_sampling_repeats_by_seed(model: Model) -> None:
    def generate(**options: object) -> str:
        chunks = list(model.generate_text("the people", GenerationOptions(**options)))  # type: ignore[arg-type]
        assert all(chunk.finish_reason is None for chunk in chunks[:-1])
        assert chunks[-1].finish_reason is not None
        return "".join(chunk.text for chunk in chunks)

    assert generate(seed=7) == generate(seed=7)
    assert len({generate(seed=seed) for seed in range(5)}) > 1
    assert generate(temperature=0.0) == generate(top_k=1, seed=1) == generate(top_p=1e-6, seed=2)
    assert generate(seed=7).startswith((" ", ".", ","))


def test_a_beam_arrives_in_one_message(model: Model) -> None:
    chunks = list(model.generate_text("the people", GenerationOptions(beam_width=4, max_output_tokens=3)))
    assert len(chunks) == 1
    assert chunks[0].finish_reason in (FinishReason.STOP, FinishReason.LENGTH)


@pytest.mark.parametrize("typed", ["york t", "hotel", "lyrics ", "of a"])
@pytest.mark.parametrize("k", [1, 5, 10, 20])
def test_words_in_another_place_complete_below_what_begins_so_and_is_as_popular(
    model: Model, typed: str, k: int
) -> None:
    index = model.bundle.queries
    assert index is not None
    shown = model.complete_query(typed, QueryOptions(max_suggestions=k)).suggestions
    probabilities = [np.float32(suggestion.log_prob) for suggestion in shown]
    assert all(0 >= first >= second for first, second in itertools.pairwise(probabilities))
    others = [place for place, suggestion in enumerate(shown) if not suggestion.text.startswith(typed)]
    for place in others:
        counts = [index.count(suggestion.text) for suggestion in shown[place + 1 :]]
        assert index.count(shown[place].text) > 0
        begins = [suggestion.text.startswith(typed) for suggestion in shown[place + 1 :]]
        assert all(count < index.count(shown[place].text) for count, own in zip(counts, begins, strict=True) if own)
        words = [shown[place].text[start:end] for start, end in shown[place].typed]
        assert sorted(" ".join(words).split()) == sorted(typed.split())
    assert k < 20 or others


@pytest.mark.parametrize("typed", ["", "ca", "new", "hotel", "york t"])
def test_no_list_holds_two_forms_of_a_query(model: Model, typed: str) -> None:
    suggestions = model.complete_query(typed, QueryOptions(max_suggestions=20)).suggestions
    logged = [suggestion.text for suggestion in suggestions if suggestion.source is SuggestionSource.LOG]
    shown = [suggestion.text for suggestion in suggestions]

    assert len({duplicate_key(text, "accents", "punctuation", "word_order") for text in logged}) == len(logged)
    assert len({duplicate_key(text, "accents", "punctuation") for text in shown}) == len(shown)


def test_the_box_left_empty_offers_the_most_popular_queries(model: Model) -> None:
    index = model.bundle.queries
    assert index is not None
    shown = model.complete_query("", QueryOptions(max_suggestions=5)).suggestions
    every, _ = index.completions("", 10)
    duplicates = model.bundle.manifest.duplicates
    kept = distinct(
        [text for text, _ in every], [count for _, count in every], duplicates.collapse, duplicates.plural_ratio
    )

    assert [suggestion.text for suggestion in shown] == [every[row][0] for row in kept][:5]
    assert all(suggestion.typed == () for suggestion in shown)


def test_the_typed_query_itself_is_as_probable_as_its_end(model: Model) -> None:
    """That another word follows is given of its completions, and of itself it is not."""
    language_model = model.bundle.language_model("queries")
    assert model.bundle.queries is not None
    [(query, _)], _ = model.bundle.queries.completions("new york", 1)
    pool = QueryCompleter(model.bundle).proposed(query + " ", whole=True)
    row = list(pool.candidates.texts).index(query)
    ended = language_model.next_log_probs(pool.context, Part.NGRAM)[END]
    assert tuple(pool.tokens[row]) == (END,)
    assert pool.candidates.log_probs[row] == pytest.approx(float(ended), abs=1e-5)
    assert pool.firsts[row] == pytest.approx(float(ended), abs=1e-5)
