"""An answer never depends on what was asked before it, whatever kind of model answers."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demo.sample_data import SampleData
from lm.bundle.bundle import open_bundle
from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from lm.models.recent_words import RecentWords
from lm.models.vocabulary import END
from suggest.model import Model
from suggest.types import GenerationOptions
from tests.tiny_bundle import train_tiny

KINDS = ["neural", "n-gram", "carried state", "recent words", "n-gram and recent words", "re-ranker"]
TEXTS = ["", "We must", "We must. The", "We must. The people of", "We must. The people of the united st", "The people"]
PROMPTS = ["We must", "We must. The people"]
QUERIES = ["", "new yor", "how to mak", "univrsity of tex"]
CONTEXTS = [
    "we",
    "we must",
    "we must .|",
    "we must|",
    "we must|the",
    "we must|the people",
    "we must|the people|",
    "the",
]

Call = Callable[[Model], Any]


@pytest.fixture(scope="module")
def reranked(sample_data: SampleData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    small = {"embedding_size": 16, "hidden_size": 16, "tokens_per_batch": 512, "max_steps": 20}
    queries = {
        "name": "queries",
        "unit": "subword",
        "sources": ["queries"],
        "vocabulary_size": 1000,
        "ngram": {"order": 3},
        "reranker": small,
        "neural": small,
    }
    folder = tmp_path_factory.mktemp("reranked")
    return train_tiny(folder, sample_data, text=[], language_models=[queries]).path


def open_kind(kind: str, folder: Path) -> Model:
    """A freshly opened model that remembers nothing yet."""
    bundle = open_bundle(folder, verify=False)
    changed = []
    for each in bundle.language_models:
        entry = each.entry
        if "n-gram" in kind:
            entry = entry.model_copy(update={"neural_kind": ""})
        if "recent words" in kind:
            entry = entry.model_copy(update={"recent_words": RecentWords(limit=20, weights=(0.1, 0.2, 0.4))})
        model = LanguageModel(entry, folder / entry.name)
        if kind == "carried state":
            assert model.neural is not None
            model.neural.description = replace(model.neural.description, carries_state=True)
        changed.append(model)
    manifest = bundle.manifest
    if kind == "re-ranker":
        manifest = manifest.model_copy(update={"ranking": manifest.ranking.model_copy(update={"reranker": 0.3})})
    return Model(replace(bundle, language_models=tuple(changed), manifest=manifest))


def calls() -> list[Call]:
    """What may be asked, by every method and at every level."""

    def tokens(model: LanguageModel, text: str) -> tuple[int, ...]:
        *before, last = [tuple(model.tokenizer.encode(sentence)) for sentence in text.split("|")]
        return (*(token for sentence in before for token in (*sentence, END)), *last)

    def after(context: str, part: Part) -> Call:
        def ask(model: Model) -> Any:
            text_model = model.bundle.language_model("text")
            return text_model.next_log_probs(tokens(text_model, context), text_model.part(part))

        return ask

    def stepped(context: str) -> Call:
        def ask(model: Model) -> Any:
            text_model = model.bundle.language_model("text")
            state = text_model.state((), Part.ENSEMBLE)
            for token in tokens(text_model, context):
                state = text_model.advance(state, (token,), Part.ENSEMBLE)
            return text_model.log_probs([state], text_model.part(Part.ENSEMBLE))[0]

        return ask

    def generated(prompt: str, **options: Any) -> Call:
        chosen = GenerationOptions(max_output_tokens=8, **options)
        return lambda model: "".join(chunk.text for chunk in model.generate_text(prompt, chosen))

    return [
        *(after(context, part) for context in CONTEXTS for part in (Part.NGRAM, Part.ENSEMBLE)),
        *(stepped(context) for context in CONTEXTS[3:]),
        *(lambda model, text=text: words(model.predict_next_word(text)) for text in TEXTS),
        *(generated(prompt, **options) for prompt in PROMPTS for options in ({"seed": 1}, {"beam_width": 2})),
        *(lambda model, text=text: model.score_text(text).log_prob for text in PROMPTS),
        *(lambda model, text=text: queries(model.complete_query(text)) for text in QUERIES),
    ]


def words(answer: Any) -> list[tuple[str, float]]:
    return [(word.text, word.log_prob) for word in answer.suggestions]


def queries(answer: Any) -> list[tuple[str, float]]:
    return [(each.text, each.log_prob) for each in answer.suggestions]


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, list):
        assert [text for text, _ in found] == [text for text, _ in expected]
        found, expected = [log for _, log in found], [log for _, log in expected]
    if isinstance(expected, str):
        assert found == expected
    else:
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_a_fresh_model(kind: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue("reranked" if kind == "re-ranker" else "tiny_bundle")
    asked = calls()
    expected = [call(open_kind(kind, folder)) for call in asked]
    for seed in range(6):
        used = open_kind(kind, folder)
        order = list(range(len(asked)))
        random.Random(seed).shuffle(order)
        for place in order:
            assert_same(asked[place](used), expected[place])
