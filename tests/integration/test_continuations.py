"""Sharing common beginnings changes nothing, against one continuation at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from lm.models.vocabulary import END
from suggest.model import Model, open_model
from suggest.opinions import continuation_log_probs


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Model:
    return open_model(tiny_bundle)


def one_by_one(model: LanguageModel, context: tuple[int, ...], tokens: list[int]) -> list[float]:
    return [
        float(model.next_log_probs((*context, *tokens[:place]), Part.NEURAL)[token])
        for place, token in enumerate(tokens)
    ]


@pytest.mark.parametrize("head", ["", "new", "how to"])
def test_shared_beginnings_change_nothing(model: Model, head: str) -> None:
    language_model = model.bundle.language_model("queries")
    context = tuple(language_model.tokenizer.encode(head))
    texts = ["york", "york times", "york city", "york times sunday", "jersey", "jersey", "zealand holidays in may", "x"]
    continuations = [[*language_model.tokenizer.encode(text), END] for text in texts] + [[END]]
    expected = np.concatenate([one_by_one(language_model, context, tokens) for tokens in continuations])
    [shared] = continuation_log_probs(language_model, [(context, continuations)])
    assert shared == pytest.approx(expected, abs=1e-5)
    [ended] = continuation_log_probs(language_model, [(context, [[END]])])
    assert ended == pytest.approx(expected[-1:], abs=1e-5)


def test_several_contexts_at_once_are_as_one_by_one(model: Model) -> None:
    language_model = model.bundle.language_model("queries")
    encode = language_model.tokenizer.encode
    groups = [
        (tuple(encode("new")), [[*encode("york times"), END], [*encode("york"), END]]),
        ((), [[END]]),
        (tuple(encode("how to")), [[*encode("york"), END], [END], [*encode("york times"), END]]),
    ]
    for (context, continuations), found in zip(groups, continuation_log_probs(language_model, groups), strict=True):
        expected = np.concatenate([one_by_one(language_model, context, tokens) for tokens in continuations])
        assert found == pytest.approx(expected, abs=1e-5)
