"""Ids of tokens, and which tokens spell typed text."""

from __future__ import annotations

import gc
import itertools
import weakref
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lm.errors import BundleDamagedError
from lm.models.vocabulary import FIRST_TOKEN, SPECIAL_TOKENS, UNKNOWN, Constraint, Vocabulary
from lm.text.hangul import TypedPrefix, typed_prefixes

_WORDS = ["▁zoo", "▁über", "▁a", "▁ab", "▁abc", "▁日本"]
_PIECES = ["▁", "▁a", "▁ab", "a", "b", "ab", "abc", "bc", "c", "ü", "▁ü", "abcd"]


def test_special_tokens_come_first_and_the_others_in_byte_order() -> None:
    vocabulary = Vocabulary.from_tokens([*_WORDS, "▁zoo"])

    tokens = [vocabulary.token(token_id) for token_id in range(len(vocabulary))]

    assert tokens[:FIRST_TOKEN] == list(SPECIAL_TOKENS)
    assert tokens[FIRST_TOKEN:] == sorted(word.encode() for word in _WORDS)


def test_an_id_leads_to_its_token_and_back() -> None:
    vocabulary = Vocabulary.from_tokens(_WORDS)

    for word in _WORDS:
        assert vocabulary.token(vocabulary.id(word)).decode() == word


@pytest.mark.parametrize("text", ["", "▁", "▁abcd", "<unk>", "<s>", "</s>"])
def test_other_texts_are_unknown(text: str) -> None:
    assert Vocabulary.from_tokens(_WORDS).id(text) == UNKNOWN


@pytest.mark.parametrize("prefix", ["", "▁", "▁a", "▁abc", "▁b", "▁日"])
def test_a_prefix_range_holds_the_tokens_that_begin_so(prefix: str) -> None:
    vocabulary = Vocabulary.from_tokens(_WORDS)

    low, high = vocabulary.prefix_range(prefix.encode())

    found = {vocabulary.token(token_id).decode() for token_id in range(low, high)}
    assert found == {word for word in _WORDS if word.startswith(prefix)}
    assert high - low == len(found)


def test_a_prefix_may_end_within_a_letter() -> None:
    vocabulary = Vocabulary.from_tokens(_WORDS)
    low, high = vocabulary.prefix_range("▁ü".encode()[:-1])

    assert [vocabulary.token(token_id).decode() for token_id in range(low, high)] == ["▁über"]


def test_it_is_read_as_it_was_saved(tmp_path: Path) -> None:
    saved = Vocabulary.from_tokens(_WORDS)
    saved.save(tmp_path)

    opened = Vocabulary.open(tmp_path)

    assert [opened.token(i) for i in range(len(opened))] == [saved.token(i) for i in range(len(saved))]


def test_a_missing_file_is_damage(tmp_path: Path) -> None:
    Vocabulary.from_tokens(_WORDS).save(tmp_path)
    (tmp_path / "tokens.offsets.npy").unlink()

    with pytest.raises(BundleDamagedError, match=r"tokens\.offsets\.npy"):
        Vocabulary.open(tmp_path)


def test_spelling_joins_pieces_and_drops_special_tokens() -> None:
    vocabulary = Vocabulary.from_tokens(_PIECES)
    tokens = [1, *map(vocabulary.id, ["▁ab", "c", "▁ü", "b"]), 2]

    assert vocabulary.spell(tokens) == "abc üb"


def _by_enumeration(vocabulary: Vocabulary, typed: TypedPrefix) -> set[tuple[int, ...]]:
    """All shortest token sequences whose text begins as typed, out of all sequences."""
    found = set()
    ids = range(FIRST_TOKEN, len(vocabulary))
    for length in range(1, len(typed.literal) + bool(typed.low) + 1):
        for sequence in itertools.product(ids, repeat=length):
            *before, last = (vocabulary.token(token).decode() for token in sequence)
            if typed.begins("".join(before) + last) and not typed.begins("".join(before)):
                found.add(sequence)
    return found


def _by_constraint(constraint: Constraint, offset: int) -> set[tuple[int, ...]]:
    found: set[tuple[int, ...]] = {(token,) for token in range(constraint.lows[offset], constraint.highs[offset])}
    for token, following in constraint.parts(offset):
        rest = _by_constraint(constraint, following)
        assert rest, "a part that leads nowhere"
        found |= {(token, *sequence) for sequence in rest}
    return found


@pytest.mark.parametrize(
    ("tokens", "typed"),
    [
        (["a", "b", "ab", "abc", "bc", "c", "abcd", "bd"], "abc"),
        (["a", "b", "ab", "abc", "bc", "c", "abcd", "bd"], "abcd"),
        (["a", "aa", "aaa"], "aaaa"),
        (["▁a", "▁ab", "b", "▁"], "▁a"),
        (["ü", "üb", "b", "a"], "üb"),
        (["a", "b"], "ac"),
        (["a", "b"], "c"),
    ],
)
def test_a_constraint_allows_exactly_the_spellings(tokens: list[str], typed: str) -> None:
    vocabulary = Vocabulary.from_tokens(tokens)

    allowed = _by_constraint(vocabulary.constraint(TypedPrefix(typed)), 0)

    assert allowed == _by_enumeration(vocabulary, TypedPrefix(typed))


def test_a_vocabulary_goes_with_its_last_reference() -> None:
    vocabulary = Vocabulary.from_tokens(["▁a", "b"])
    assert vocabulary.spell([FIRST_TOKEN, FIRST_TOKEN + 1]) in {"ab", "ba", "b a"}
    gone = weakref.ref(vocabulary)
    gc.disable()  # a collector that is frozen would not find it either
    try:
        del vocabulary
        assert gone() is None
    finally:
        gc.enable()


# Of each script: letters of one to four bytes, some of which share their first bytes.
_CHARACTERS = "▁ab'éกำ่天气が하한나닣ㅎ😀😃"
_tokens = st.text(st.sampled_from(_CHARACTERS), min_size=1, max_size=3)


@settings(max_examples=300, deadline=None)
@given(st.sets(_tokens, min_size=1, max_size=6), st.text(st.sampled_from(_CHARACTERS), min_size=1, max_size=4))
def test_a_constraint_allows_exactly_the_spellings_in_any_script(tokens: set[str], typed: str) -> None:
    vocabulary = Vocabulary.from_tokens(tokens)
    for prefix in typed_prefixes(typed):
        assert _by_constraint(vocabulary.constraint(prefix), 0) == _by_enumeration(vocabulary, prefix)


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sets(_tokens, min_size=1, max_size=6))
def test_a_constraint_allows_what_the_tokens_may_spell(data: st.DataObject, tokens: set[str]) -> None:
    spelt = "".join(data.draw(st.lists(st.sampled_from(sorted(tokens)), min_size=1, max_size=3)))
    literal = spelt[: data.draw(st.integers(0, min(len(spelt), 4) - 1))]
    low = data.draw(st.sampled_from(_CHARACTERS))
    prefix = TypedPrefix(literal, *sorted((low, spelt[len(literal)])))
    vocabulary = Vocabulary.from_tokens(tokens)

    allowed = _by_constraint(vocabulary.constraint(prefix), 0)

    assert allowed
    assert allowed == _by_enumeration(vocabulary, prefix)


def test_nothing_typed_is_no_constraint() -> None:
    constraint = Vocabulary.from_tokens(_PIECES).constraint(TypedPrefix(""))

    assert [len(array) for array in constraint.arrays] == [0, 0, 1, 0, 0]
