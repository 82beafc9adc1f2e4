"""What callers make up takes little of the server's memory, however much of it there is."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lm.models.language_model import LanguageModel
from lm.models.vocabulary import SPACE
from lm.text.hangul import typed_prefixes
from suggest.model import open_model

CALLS = 10


def texts(space: str) -> Iterator[str]:
    """Different texts as long as they may be, of letters that every vocabulary has."""
    for number in range(CALLS):
        word = "".join("eo"[number >> at & 1] + "at"[at % 2] for at in range(4))
        yield ((word + space) * 512)[:4096]


def kept(work: Callable[[str], object], space: str) -> float:
    """Bytes that stay, on average, of what a text made."""
    gc.collect()
    tracemalloc.start()
    try:
        for text in texts(space):
            work(text)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / CALLS
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module", params=["queries", "text"])
def language_model(request: pytest.FixtureRequest, tiny_bundle: Path) -> LanguageModel:
    return open_model(tiny_bundle).bundle.language_model(request.param)


@pytest.mark.parametrize("space", ["", " "])
def test_tokens_of_long_texts_are_not_remembered(language_model: LanguageModel, space: str) -> None:
    assert kept(language_model.tokenizer.encode, space) < 1000


def test_what_spells_a_long_word_is_not_remembered(language_model: LanguageModel) -> None:
    vocabulary = language_model.vocabulary
    assert kept(lambda text: vocabulary.constraint(typed_prefixes(SPACE + text)[0]), "") < 1000
