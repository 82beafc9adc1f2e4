"""What callers make up takes little of the server's memory, however much of it there is."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from lm.models import language_model as language_models
from lm.models.language_model import LanguageModel
from lm.models.parts import Part
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


def reachable_bytes(root: Any) -> int:
    """Bytes of all that an object leads to; of a slice of an array those of the whole array."""
    seen: dict[int, Any] = {}
    waiting = [root]
    total = 0
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, type | ModuleType | Callable):
            continue
        seen[id(each)] = each
        if isinstance(each, np.ndarray):
            view = isinstance(each.base, np.ndarray)  # else its memory is its own, or onnxruntime's for it alone
            total += 0 if view else each.nbytes
            waiting += [each.base] if view else []
        else:
            total += sys.getsizeof(each)
            waiting += gc.get_referents(each)
    return total


@pytest.mark.parametrize("part", [Part.ENSEMBLE, Part.NGRAM, Part.NEURAL])
def test_long_contexts_hold_no_more_than_the_bound(
    tiny_bundle: Path, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = 1 << 20
    monkeypatch.setattr(language_models, "_STATE_BYTES", bound)
    monkeypatch.setattr(language_models, "_DISTRIBUTION_BYTES", bound)
    entry = open_model(tiny_bundle).bundle.language_model("text").entry
    model = LanguageModel(entry, tiny_bundle / entry.name)
    rng = np.random.default_rng(1)
    for length in (*range(400, 440), 4000):
        context = tuple(rng.integers(3, len(model.vocabulary), length).tolist())
        model.next_log_probs(context, part)  # reads it whole
        model.next_log_probs((*context, 5, 6, 7), part)  # goes on by a few tokens
        for token in range(8, 16):
            model.advance(model.state(context, part), (token,), part)
    model.next_log_probs((5,), part)
    assert len(model._states) > 10
    assert reachable_bytes([model._states, model._distributions]) <= 2 * bound


def test_states_after_one_of_many_tokens_keep_no_others(tiny_bundle: Path) -> None:
    model = open_model(tiny_bundle).bundle.language_model("text")
    states = [model.advance(model.state((), Part.ENSEMBLE), (token,), Part.ENSEMBLE) for token in range(16)]
    states += [model.state(tuple(range(3, 300)), Part.ENSEMBLE)]
    for state in states:
        for array in (state.neural, state.hidden):
            assert array is not None
            assert not isinstance(array.base, np.ndarray) or array.base.nbytes == array.nbytes
