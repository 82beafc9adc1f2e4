"""What is denied after other text, and however a model writes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lm.index.blocked_words import BlockedWords
from lm.index.never_generated import NeverGenerated, Withheld, build_withheld, hash_query
from suggest.candidates import _Found


@pytest.fixture
def never(tmp_path: Path) -> NeverGenerated:
    build_withheld(tmp_path, [hash_query("old york times")])
    return NeverGenerated(BlockedWords(["acme", "red tape"]), Withheld(tmp_path))


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ("call 415 555 ", "2671"),
        ("mail jane.doe@", "example.com"),
        ("mail jane.doe at ", "gmail.com"),
        ("4155552671 or 415 555 ", "2672"),  # the first number is the user's own
        ("", "4155552671"),
        ("the red ", "tape"),
    ],
)
def test_what_only_together_looks_private_or_is_blocked(never: NeverGenerated, before: str, text: str) -> None:
    assert never.forbids(before, text)


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ("call 4155552671 ", "today"),
        ("mail jane.doe@example.com ", "today"),
        ("in 2004 2005 ", "2006"),
        ("form 1040 ", "2005"),
        ("acme ", "shoes"),
    ],
)
def test_what_the_user_wrote_denies_nothing_else(never: NeverGenerated, before: str, text: str) -> None:
    assert not never.forbids(before, text)


def test_a_query_is_withheld_whatever_is_blocked(never: NeverGenerated) -> None:
    assert never.withholds("old york times")
    assert not never.withholds("acme")
    assert never.includes(["old york times", "acme", "york"]).tolist() == [True, True, False]


def test_candidates_are_judged_as_normalised_text(never: NeverGenerated) -> None:
    found = _Found()
    for text in ("Old York Times", "ACME shoes", "Jane.Doe@Example.com", "New York "):
        found.add(text, (3,), -1.0, -1.0)
    assert found.drop(never, np.zeros(4, bool)) == [3]
    assert list(found.rows) == ["New York "]
