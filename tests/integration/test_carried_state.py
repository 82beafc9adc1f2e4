"""A model that reads on over sentences: in training, in evaluation and in what is served."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lm.bundle.bundle import open_bundle
from lm.models.language_model import LanguageModel, State
from lm.models.parts import Part
from lm.models.vocabulary import END
from suggest.cursor import MAX_CONTEXT, read_before
from training.config import TrainingConfig
from training.pipeline import train
from training.progress import SilentReporter

WORDS = ["the", "red", "cat", "dog", "sees", "likes", "a", "house", "tree", "and"]


def _train(folder: Path, *, carry_state: bool) -> LanguageModel:
    rng = np.random.default_rng(0)
    sentences = [" ".join(rng.choice(WORDS, rng.integers(2, 7))).capitalize() + "." for _ in range(400)]
    folder.mkdir()
    (folder / "text.txt").write_text(" ".join(sentences), encoding="utf-8")
    config = TrainingConfig.model_validate(
        {
            "name": "carried",
            "text": [{"path": "text.txt"}],
            "language_models": [
                {
                    "name": "words",
                    "unit": "word",
                    "sources": ["text"],
                    "ngram": {"order": 2, "discount_fallback": True},
                    "neural": {
                        "embedding_size": 16,
                        "hidden_size": 16,
                        "max_steps": 30,
                        "tokens_per_batch": 64,
                        "bptt": 16,
                        "carry_state": carry_state,
                    },
                }
            ],
        }
    )
    return open_bundle(train(config, base=folder, reporter=SilentReporter()).path).language_model("text")


@pytest.fixture(scope="module", params=[True, False], ids=["carried", "afresh"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return _train(tmp_path_factory.mktemp("carried") / "work", carry_state=request.param)


SENTENCES = ["The red cat sees a dog.", "A dog likes the tree.", "The house"]


def test_the_context_holds_the_sentences_before_if_they_are_read(model: LanguageModel) -> None:
    first, second, last = (tuple(model.tokenizer.encode(sentence)) for sentence in SENTENCES)
    found = read_before(model, " ".join(SENTENCES)).tokens
    assert found == ((*first, END, *second, END, *last) if model.carries_state else last)
    ended = read_before(model, SENTENCES[0] + " ").tokens
    assert ended == ((*first, END) if model.carries_state else ())


def test_the_context_is_bounded_by_whole_sentences(model: LanguageModel) -> None:
    context = read_before(model, " ".join([SENTENCES[0]] * 200)).tokens
    assert len(context) <= MAX_CONTEXT
    if model.carries_state:
        assert len(context) > MAX_CONTEXT - 10
        assert context[: context.index(END)] == tuple(model.tokenizer.encode(SENTENCES[0]))


def test_what_is_served_after_sentences_is_what_running_text_is_scored_with(model: LanguageModel) -> None:
    encoded = [[*model.tokenizer.encode(sentence), END] for sentence in SENTENCES]
    running = list(model.running_log_probs(encoded))
    context: tuple[int, ...] = ()
    for tokens, scores in zip(encoded, running, strict=True):
        for place, token in enumerate(tokens):
            for part in (Part.NGRAM, Part.NEURAL, Part.ENSEMBLE):
                served = model.next_log_probs(context, part)[token]
                assert served == pytest.approx(scores[part][place], abs=2e-3)
            context += (token,)


def test_only_a_model_that_carries_its_state_remembers(model: LanguageModel) -> None:
    first, last = (tuple(model.tokenizer.encode(sentence)) for sentence in (SENTENCES[0], SENTENCES[2]))
    after = model.next_log_probs((*first, END, *last), Part.NEURAL)
    alone = model.next_log_probs(last, Part.NEURAL)
    assert np.array_equal(after, alone) is not model.carries_state
    ngram = [model.next_log_probs(context, Part.NGRAM) for context in ((*first, END, *last), last)]
    np.testing.assert_array_equal(ngram[0], ngram[1])


def test_stepping_over_the_end_of_a_sentence_equals_reading_it_whole(model: LanguageModel) -> None:
    first, last = (tuple(model.tokenizer.encode(sentence)) for sentence in (SENTENCES[0], SENTENCES[2]))
    state = model.state(first, Part.ENSEMBLE)
    for token in (END, *last):
        state = model.advance(state, (token,), Part.ENSEMBLE)
    whole = model.advance(State(model.ngram.begin), (END, *first, END, *last), Part.ENSEMBLE)
    assert state.ngram == whole.ngram
    assert state.hidden is not None
    assert whole.hidden is not None
    np.testing.assert_allclose(state.hidden, whole.hidden, atol=1e-5)
