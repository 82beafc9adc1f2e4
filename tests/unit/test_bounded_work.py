"""What is looked up for an answer has a bound, whatever was typed and whatever is forbidden."""

from __future__ import annotations

from pathlib import Path

import pytest

from lm.bundle.bundle import Bundle, open_bundle
from lm.index.never_generated import NeverGenerated
from suggest.complete import QueryCompleter
from suggest.generate import _DRAWS, generate_text
from suggest.sources.source import Request, read_typed
from suggest.sources.spelling import SpellingSource
from suggest.types import GenerationOptions


class Everything(NeverGenerated):
    """Forbids whatever a model says, and counts how often it is asked."""

    asked = 0

    def forbids(self, before: str, text: str) -> bool:  # noqa: ARG002
        self.asked += 1
        return True


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return open_bundle(tiny_bundle, verify=False)


@pytest.mark.parametrize("name", ["queries", "text"])
def test_a_text_of_which_every_word_is_forbidden_ends(bundle: Bundle, name: str) -> None:
    never = Everything()
    options = GenerationOptions(temperature=0.0, max_output_tokens=5)
    chunks = list(generate_text(bundle.language_model(name), "", options, never))
    assert "".join(chunk.text for chunk in chunks) == ""
    assert never.asked <= 4 * _DRAWS


def test_of_many_suspicious_words_a_few_are_looked_up(bundle: Bundle) -> None:
    assert bundle.lexicon is not None
    query = " ".join(f"{first}zq{second}x" for first in "bcdfgh" for second in "jklmnp")
    spelling = SpellingSource(bundle.language_model("queries"), bundle.lexicon, ())
    reading = read_typed(bundle.language_model("queries"), query)
    reading.typed_log_prob = -50.0
    before = spelling.searches
    spelling.propose(Request(query), reading)
    assert 0 < spelling.searches - before <= 8


@pytest.mark.parametrize("query", ["\ufdfa" * 256, "a " * 128, "\u0301" * 256, "!" * 256, "한" * 256, "(at)@" * 51])
def test_a_list_is_made_of_a_bounded_number_of_candidates(bundle: Bundle, query: str) -> None:
    candidates, _ = QueryCompleter(bundle).considered(query, 20)
    assert len(candidates.texts) <= 22 + 24
