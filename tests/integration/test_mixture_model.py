"""A language model's mixture on a real bundle: exact, whatever its weights depend on."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from demo.sample_data import SampleData
from lm.bundle.manifest import LanguageModelEntry, read_manifest
from lm.errors import BundleDamagedError
from lm.models.language_model import LanguageModel
from lm.models.mixture import ContextWeights
from lm.models.parts import Part
from lm.models.recent_words import RecentWords
from lm.models.vocabulary import BEGIN, END, FIRST_TOKEN, UNKNOWN
from suggest.candidates import Candidates, Pool
from suggest.model import open_model
from suggest.opinions import Rescorer
from suggest.types import WordOptions
from tests.tiny_bundle import train_tiny


def _entry(bundle: Path, name: str) -> LanguageModelEntry:
    return next(entry for entry in read_manifest(bundle).language_models if entry.name == name)


def _steep(order: int) -> ContextWeights:
    """Weights far apart, so that a wrong bucket shows."""
    return ContextWeights(
        backoffs=((), *((-1.5, -0.7),) * (order - 1)), ngram_weights=((0.05,), *((0.95, 0.5, 0.1),) * (order - 1))
    )


_RECENT = RecentWords(limit=20, weights=(0.1, 0.2, 0.4))


@pytest.fixture(
    scope="module",
    params=[
        ("queries", "single"),
        ("queries", "by context"),
        ("text", "single"),
        ("text", "by context"),
        ("text", "recent words"),
        ("text", "n-gram and recent words"),
    ],
    ids="-".join,
)
def model(request: pytest.FixtureRequest, tiny_bundle: Path) -> LanguageModel:
    name, weights = request.param
    entry = _entry(tiny_bundle, name)
    changes = {
        "context_weights": None if weights == "single" else _steep(entry.ngram_order),
        "recent_words": _RECENT if "recent" in weights else None,
        "neural_kind": "" if "n-gram" in weights else entry.neural_kind,
    }
    return LanguageModel(entry.model_copy(update=changes), tiny_bundle / name)


def _sentences(model: LanguageModel) -> list[list[int]]:
    chance = random.Random(3)
    everything = [UNKNOWN, *range(FIRST_TOKEN, len(model.vocabulary))]
    spoken = ["the people of the united states", "new york", "how to make a", "zzqx unheard of"]
    return [*(model.tokenizer.encode(text) for text in spoken), *(chance.choices(everything, k=5) for _ in range(3))]


def test_the_table_says_what_stands_before_each_token(model: LanguageModel) -> None:
    table = model.ngram.table
    for tokens in _sentences(model):
        contexts = table.contexts(model.ngram.begin, np.array(tokens, np.int32))
        stepwise = [
            table.score_all(model.ngram.begin, np.array(tokens[:end], np.int32))[1] for end in range(len(tokens))
        ]
        assert contexts.tolist() == stepwise
        orders, backoffs = table.features(contexts)
        assert orders.tolist() == [table.matched_order(context) for context in stepwise]
        for end, (context, backoff) in enumerate(zip(stepwise, backoffs.tolist(), strict=True)):
            shorter = table.score_all(0, np.array(([BEGIN, *tokens][: end + 1])[1 - orders[end] :], np.int32))
            if orders[end] > 1 and shorter[0][0] > -np.inf:
                # A token that never follows is scored by backing off to the context without its first word.
                found, without = (table.distribution(state, FIRST_TOKEN, 200) for state in (context, shorter[1]))
                assert np.isclose(found - without, backoff, atol=1e-4).any()
    with pytest.raises(IndexError, match="of"):
        table.contexts(model.ngram.begin, np.array([len(model.vocabulary)], np.int32))


def test_probabilities_sum_to_1(model: LanguageModel) -> None:
    for tokens in _sentences(model):
        for end in range(len(tokens) + 1):
            log_probs = model.next_log_probs(tokens[:end], Part.ENSEMBLE).astype(np.float64)
            assert np.exp(log_probs).sum() == pytest.approx(1.0, abs=2e-4)


def test_every_way_to_score_agrees(model: LanguageModel) -> None:
    for tokens in _sentences(model):
        whole = [*tokens, END]
        scored = model.token_log_probs(whole)[Part.ENSEMBLE]
        stepwise = [model.next_log_probs(whole[:end], Part.ENSEMBLE)[token] for end, token in enumerate(whole)]
        np.testing.assert_allclose(scored, stepwise, atol=2e-3, rtol=0)


def test_a_running_text_is_scored_as_it_is_continued(model: LanguageModel) -> None:
    sentences = [[*tokens, END] for tokens in _sentences(model)]
    running = [scores[Part.ENSEMBLE] for scores in model.running_log_probs(sentences)]
    before: tuple[int, ...] = ()
    for sentence, scored in zip(sentences, running, strict=True):
        stepwise = []
        for token in sentence:
            stepwise.append(model.next_log_probs(before, Part.ENSEMBLE)[token])
            before = (*before, token)
        np.testing.assert_allclose(scored, stepwise, atol=2e-3, rtol=0)
    again = model.token_log_probs(sentences[0])[Part.ENSEMBLE]
    assert np.allclose(again, running[0], atol=1e-5)
    alone = model.token_log_probs(sentences[-1])[Part.ENSEMBLE]
    assert np.allclose(alone, running[-1], atol=1e-5) == (not model.reads_on)


def test_a_word_that_was_used_becomes_more_probable(model: LanguageModel) -> None:
    word = model.tokenizer.encode("congress")[0]
    before, after = (
        model.next_log_probs((*tokens, END), Part.ENSEMBLE)[word] for tokens in ([word + 1] * 3, [word] * 3)
    )
    assert (after > before + 1) == (model.recent_words is not None)


def test_rescoring_mixes_the_next_token_as_scoring_does(model: LanguageModel) -> None:
    if model.neural is None:
        return
    rows = [[*tokens, END] for tokens in _sentences(model)]
    steps = [model.ngram.table.score_all(model.ngram.begin, np.array(row, np.int32))[0].tolist() for row in rows]
    candidates = Candidates(
        [str(number) for number in range(len(rows))],
        np.ones(len(rows)),
        np.zeros(len(rows)),
        np.array([*map(sum, steps)]),
        np.array([*map(len, rows)], np.float64),
    )
    found, _ = Rescorer(model).rescore(
        Pool(candidates, rows, [step[0] for step in steps], (), 0.0), range(len(rows)), candidates
    )
    first = [float(model.token_log_probs(row)[Part.ENSEMBLE][0]) for row in rows]
    expected = np.array([mixed + sum(step[1:]) for mixed, step in zip(first, steps, strict=True)])
    differences = found.log_probs - expected
    # Rescoring is given what was typed, the same for all.
    np.testing.assert_allclose(differences, differences[0], atol=5e-3)


def test_weights_by_context_change_the_mixture_alone(tiny_bundle: Path) -> None:
    entry = _entry(tiny_bundle, "text")
    single, by_context = (
        LanguageModel(entry.model_copy(update={"context_weights": weights}), tiny_bundle / "text")
        for weights in (None, _steep(entry.ngram_order))
    )
    tokens = [*single.tokenizer.encode("the people of the united states"), END]
    one, other = single.token_log_probs(tokens), by_context.token_log_probs(tokens)
    np.testing.assert_array_equal(one[Part.NGRAM], other[Part.NGRAM])
    np.testing.assert_array_equal(one[Part.NEURAL], other[Part.NEURAL])
    assert not np.allclose(one[Part.ENSEMBLE], other[Part.ENSEMBLE], atol=1e-3)


def test_weights_of_another_order_are_named(tiny_bundle: Path) -> None:
    entry = _entry(tiny_bundle, "text")
    wrong = entry.model_copy(update={"context_weights": _steep(entry.ngram_order - 1)})
    with pytest.raises(BundleDamagedError, match="another order"):
        LanguageModel(wrong, tiny_bundle / "text")


def test_a_bundle_says_what_decided(tiny_bundle: Path) -> None:
    manifest = read_manifest(tiny_bundle)
    for entry in manifest.language_models:
        found = manifest.metrics["mixture"][entry.name]
        better = found["perplexity"]["by_context"] < 0.9999 * found["perplexity"]["single"]
        assert found["kept"] == ["by_context" if better else "single"]
        assert (entry.context_weights is not None) == better


def test_recent_words_are_trained_and_read_from_the_sentences_before(sample_data: SampleData, tmp_path: Path) -> None:
    words = {"name": "text", "unit": "word", "sources": ["text"], "vocabulary_size": 4000, "ngram": {"order": 3}}
    published = train_tiny(tmp_path, sample_data, query_log=[], language_models=[{**words, "recent_words": 100}])
    manifest = read_manifest(published.path)
    found, entry = manifest.metrics["mixture"]["text"], manifest.language_models[0]
    assert found["kept"] == ["recent_words"]
    assert entry.recent_words is not None
    assert found["perplexity"]["recent_words"] < found["perplexity"]["single"]
    perplexity = manifest.metrics["language_models"]["text"]["perplexity"]
    assert perplexity["ensemble"] < perplexity["ngram"]
    model = open_model(published.path)
    alone = model.predict_next_word("We need f", WordOptions(max_suggestions=100))
    after = model.predict_next_word("Freedom won. Freedom rings. We need f", WordOptions(max_suggestions=100))
    ranks = [[word.text for word in words.suggestions].index("freedom") for words in (after, alone)]
    assert ranks[0] < ranks[1]
