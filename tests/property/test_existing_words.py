"""A walk over the words that exist equals a look at what the tokens spell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lm.errors import BundleDamagedError
from lm.index.existing_words import Ending, build_existing_words, open_existing_words
from lm.index.lexicon import Lexicon, build_lexicon
from lm.models.vocabulary import BEGIN, END, SPACE, UNKNOWN, Vocabulary

PIECES = [
    SPACE,
    "a",
    "b",
    "ab",
    "ba",
    "東",
    "京",
    SPACE + "a",
    SPACE + "b",
    SPACE + "ab",
    SPACE + "東",
    "é",
    SPACE + "é",
]
VOCABULARY = Vocabulary.from_tokens(PIECES)
words = st.text("abé", min_size=1, max_size=4)


class Longest:
    """Cuts each word into the longest pieces from the left."""

    def encode(self, text: str) -> list[int]:
        rest, tokens = SPACE + text.replace(" ", SPACE), list[int]()
        while rest:
            piece = max((piece for piece in PIECES if rest.startswith(piece)), key=len)
            tokens.append(VOCABULARY.id(piece))
            rest = rest.removeprefix(piece)
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        return VOCABULARY.spell(tokens)


def _naive(known: dict[str, Ending], tokens: Sequence[int], typed: bool) -> tuple[bool, bool]:
    """Whether tokens are those of words, the last one perhaps unfinished; and whether a query may end there."""
    text = "".join(VOCABULARY.token(token).decode() for token in tokens)
    if not text.startswith(SPACE) or {UNKNOWN, BEGIN, END} & set(tokens):
        return False, False
    spelt, parts, place = [Longest().encode(word) for word in known], text.split(SPACE)[1:], 0
    for number, part in enumerate(parts):
        own, size = list[int](), 0
        while place < len(tokens) and size < len(part) + 1:
            own.append(tokens[place])
            size += len(VOCABULARY.token(tokens[place]).decode())
            place += 1
        foreign = next((at for at, letter in enumerate(part) if letter in "東京"), None)
        last = number == len(parts) - 1
        if foreign is not None:
            before = own
            while any(letter in "東京" for letter in VOCABULARY.spell(before)):
                before = before[:-1]
            whole = before in spelt or not before or before == [VOCABULARY.id(SPACE)]
            if not whole:
                return False, False
            ends = True
        elif last:
            if not any(word[: len(own)] == own for word in spelt) and own != [VOCABULARY.id(SPACE)]:
                return False, False
            ends = any(
                word == own and known[VOCABULARY.spell(own)] >= (2 if typed and len(parts) == 1 else 3)
                for word in spelt
            )
        elif own not in spelt:
            return False, False
    return True, ends


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    known=st.dictionaries(words, st.sampled_from(Ending), max_size=6),
    typed=st.booleans(),
    texts=st.lists(st.text("abé東京 ", max_size=7), min_size=1, max_size=5),
    strays=st.lists(st.integers(0, len(VOCABULARY) - 1), max_size=4),
)
def test_a_walk_equals_a_look_at_what_is_spelt(
    known: dict[str, Ending], typed: bool, texts: list[str], strays: list[int], tmp_path: Path
) -> None:
    build_existing_words(tmp_path, known, VOCABULARY, Longest())
    walk = open_existing_words(tmp_path, VOCABULARY)
    for tokens in [*map(Longest().encode, [*texts, *known, " ".join(known)]), strays]:
        states = np.full(len(VOCABULARY), walk.typed if typed else 0, np.int32)
        for place in range(len(tokens) + 1):
            every = np.arange(len(VOCABULARY), dtype=np.int32)
            after = walk.advance(states, every)
            expected = [_naive(known, [*tokens[:place], token], typed) for token in range(len(VOCABULARY))]
            assert (after >= 0).tolist() == [begins for begins, _ in expected]
            assert walk.may_end(after).tolist() == [ends for _, ends in expected]
            masked = np.zeros((1, len(VOCABULARY)), np.float32)
            walk.mask(states[:1], masked)
            may_follow = after >= 0
            may_follow[END] = walk.may_end(states[:1])[0]
            assert (masked[0] == 0).tolist() == may_follow.tolist()
            if place < len(tokens):
                states = np.full(len(VOCABULARY), after[tokens[place]], np.int32)


def test_states_and_tokens_that_are_none_are_refused(tmp_path: Path) -> None:
    build_existing_words(tmp_path, {"ab": Ending.ANY_QUERY}, VOCABULARY, Longest())
    walk = open_existing_words(tmp_path, VOCABULARY)
    zero = np.zeros(1, np.int32)
    for wrong in (-2, 99):
        with pytest.raises(IndexError, match=f"state {wrong}"):
            walk.advance(np.array([wrong], np.int32), zero)
        with pytest.raises(IndexError, match=f"state {wrong}"):
            walk.may_end(np.array([wrong], np.int32))
    with pytest.raises(IndexError, match="token 99"):
        walk.advance(zero, np.array([99], np.int32))
    with pytest.raises(ValueError, match="all tokens"):
        walk.mask(zero, np.zeros((1, 2), np.float32))
    with pytest.raises(ValueError, match="1 states and 2 tokens"):
        walk.advance(zero, np.zeros(2, np.int32))


def test_words_of_another_vocabulary_are_damage(tmp_path: Path) -> None:
    build_existing_words(tmp_path, {"ab": Ending.ANY_QUERY}, VOCABULARY, Longest())
    with pytest.raises(BundleDamagedError, match="belong"):
        open_existing_words(tmp_path, Vocabulary.from_tokens(["a"]))


def test_no_words_at_all(tmp_path: Path) -> None:
    build_existing_words(tmp_path, {}, VOCABULARY, Longest())
    walk = open_existing_words(tmp_path, VOCABULARY)
    token = np.array([VOCABULARY.id(SPACE + "a")], np.int32)
    assert walk.advance(np.zeros(1, np.int32), token).tolist() == [-1]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=st.dictionaries(st.text("abc", min_size=1, max_size=5), st.integers(1, 9), max_size=20))
def test_masses_are_sums_of_counts(counts: dict[str, float], tmp_path: Path) -> None:
    build_lexicon(tmp_path, counts)
    lexicon = Lexicon(tmp_path)
    for beginning in {word[:size] for word in counts for size in range(len(word) + 1)}:
        assert lexicon.mass(beginning) == sum(counts[word] for word in counts if word.startswith(beginning))
        assert lexicon.count(beginning) == counts.get(beginning, 0)


@pytest.mark.parametrize(("name", "place", "value"), [("tokens", 1, -5), ("children", 0, 0), ("children", 1, 9)])
def test_a_damaged_trie_is_refused(tmp_path: Path, name: str, place: int, value: int) -> None:
    build_existing_words(tmp_path, {"ab": Ending.ANY_QUERY, "ba": Ending.WORD}, VOCABULARY, Longest())
    array = np.load(tmp_path / f"{name}.npy")
    array[place] = value
    np.save(tmp_path / f"{name}.npy", array)
    with pytest.raises(BundleDamagedError):
        open_existing_words(tmp_path, VOCABULARY)
