"""What the neural model says of whole continuations, against one token at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from lm.models.parts import Part
from lm.models.vocabulary import END
from suggest.model import Model, open_model
from suggest.opinions import continuation_log_probs


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Model:
    return open_model(tiny_bundle)


@pytest.mark.parametrize("head", ["", "new", "how to"])
def test_continuations_read_together_are_as_one_by_one(model: Model, head: str) -> None:
    language_model = model.bundle.language_model("queries")
    context = tuple(language_model.tokenizer.encode(head))
    texts = ["york", "york times", "york city", "york times sunday", "jersey", "jersey", "zealand holidays in may", "x"]
    continuations = [[*language_model.tokenizer.encode(text), END] for text in texts] + [[END]]
    expected = [
        sum(
            language_model.next_log_probs((*context, *tokens[:place]), Part.NEURAL)[token]
            for place, token in enumerate(tokens)
        )
        for tokens in continuations
    ]
    assert continuation_log_probs(language_model, context, continuations) == pytest.approx(expected, abs=1e-4)
    assert continuation_log_probs(language_model, context, [[END]]) == pytest.approx(expected[-1:], abs=1e-5)
