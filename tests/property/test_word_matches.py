"""Words in any order are found as laying every typed word on every entry finds them."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lm.arrays import sorted_strings
from lm.index.queries import QueryIndex, WordMatch
from lm.index.words import _terms, entry_terms
from lm.kernels.word_lists import word_lists
from lm.text.folding import NearWord, near_words
from lm.text.normalize import is_unspaced, normalize_query
from tests.query_indexes import QueryRow, build_query_index

_ALPHABET = "aab  -/.12ü한하京+&'"
_TEXTS = st.text(_ALPHABET, min_size=1, max_size=12).map(lambda text: normalize_query(text).strip()).filter(bool)
_LOGS = st.dictionaries(_TEXTS, st.integers(1, 2**53), max_size=30)
_TYPED = st.text(_ALPHABET, max_size=9).map(normalize_query)

Place = tuple[frozenset[str], int, bool]
"""Forms, words that they stand for, and whether they are those joined."""
Wanted = tuple[frozenset[str], bool, bool]
"""Forms, whether the word must stand right after the one before, and whether it is unfinished."""


def _open(log: dict[str, int]) -> QueryIndex:
    with tempfile.TemporaryDirectory() as folder:
        build_query_index(Path(folder), [QueryRow(query, count) for query, count in log.items()])
        return QueryIndex(Path(folder))  # its files stay mapped


def _join(words: Sequence[NearWord]) -> frozenset[str]:
    """The forms of words joined; none where digits meet."""
    meet = any(a.forms[0][-1].isdigit() and b.forms[0][0].isdigit() for a, b in itertools.pairwise(words))
    if len(words) < 2 or len(words) > 8 or meet or any(is_unspaced(word.forms[0]) for word in words):
        return frozenset()
    most = max(len(word.forms) for word in words)
    return frozenset("".join(word.forms[min(n, len(word.forms) - 1)] for word in words) for n in range(most))


def _runs(words: Sequence[NearWord]) -> Iterator[tuple[int, int]]:
    starts = [place for place, word in enumerate(words) if not place or not word.glued]
    return itertools.pairwise([*starts, len(words)]) if words else iter(())


def _places(entry: str) -> list[list[Place]]:
    """What may be laid on each place of an entry."""
    words = near_words(entry)
    places: list[list[Place]] = [[(frozenset(word.forms), 1, False)] for word in words]
    for low, high in _runs(words):
        if joined := _join(words[low:high]):
            places[low].append((joined, high - low, True))
    return places


def _laid(wanted: Sequence[Wanted], entry: str) -> Iterator[tuple[list[int], set[int], bool]]:
    """Every way of laying the typed words on the entry: where each begins, what is covered, whether a run is."""
    places = _places(entry)

    def lay(at: int, starts: list[int], covered: set[int], after: int, joined: bool) -> Iterator:  # type: ignore[type-arg]
        if at == len(wanted):
            yield starts, covered, joined
            return
        forms, glued, prefix = wanted[at]
        for place in [after] if glued else range(len(places)):
            for there, span, run in places[place] if place < len(places) else []:
                over = set(range(place, place + span))
                fits = any(term.startswith(form) if prefix else term == form for term in there for form in forms)
                if fits and not over & covered:
                    yield from lay(at + 1, [*starts, place], covered | over, place + span, joined or run)

    yield from lay(0, [], set(), 0, False)


def _wanted(typed: str) -> list[Wanted]:
    words, open_ = near_words(typed), not typed.endswith(" ")
    last = len(words) - 1
    return [
        (frozenset(word.forms), word.glued and place > 0, place == last and open_) for place, word in enumerate(words)
    ]


def _regrouped(typed: str) -> Iterator[list[Wanted]]:
    """With words joined, and with one split at any place."""
    words, wanted = near_words(typed), _wanted(typed)
    pairs = [(place, place + 2) for place in range(len(words) - 1)]
    for low, high in {*pairs, *_runs(words)}:
        if joined := _join(words[low:high]):
            yield [*wanted[:low], (joined, wanted[low][1], wanted[high - 1][2]), *wanted[high:]]
    for place, word in enumerate(words):
        for cut in range(1, len(word.forms[0])):
            first = (frozenset([word.forms[0][:cut]]), wanted[place][1], False)
            second = (frozenset([word.forms[0][cut:]]), True, wanted[place][2])
            yield [*wanted[:place], first, second, *wanted[place + 1 :]]


def _without_stop_word(wanted: Sequence[Wanted]) -> list[Wanted]:
    """Without `a`, which an entry may lack."""
    return [each for each in wanted if "a" not in each[0] or each[1] or each[2]]


@settings(deadline=None)  # each builds an index
@given(log=_LOGS, typed=_TYPED)
@example(log={"1": 1, "a": 2}, typed="a 1")
@example(log={"a-b a": 1, "ab-1": 2, "1/2": 3, "a1": 4}, typed="ab1")
def test_what_holds_the_typed_words_is_found_heaviest_first(log: dict[str, int], typed: str) -> None:
    matches = _open(log).word_matches(typed, 100)
    wanted = _wanted(typed)
    ordered = sorted(log, key=lambda query: (-log[query], query.encode()))
    expected = [query for query in ordered if wanted and any(_laid(wanted, query))]
    found = [match.text for match in matches]
    lacking = {match.text for match in matches if match.missing}

    assert found == sorted(set(found), key=lambda text: (text in lacking, ordered.index(text)))
    assert [match.count for match in matches] == [float(np.float32(log[text])) for text in found]
    assert set(expected) <= set(found)
    for match in matches:
        if match.text in expected:
            _check_laid(match, wanted)
        else:
            others = [*_regrouped(typed)] if match.regrouped else []
            others += [_without_stop_word(other) for other in [*others, wanted]]
            assert any(any(_laid(other, match.text)) for other in others)


def _check_laid(match: WordMatch, wanted: Sequence[Wanted]) -> None:
    """The match says of itself what is true of one way to lay the words, in their order if that can be."""
    ways = list(_laid(wanted, match.text))
    ordered = [way for way in ways if way[0] == sorted(way[0])]
    assert match.in_order == bool(ordered)
    size = len(_places(match.text))
    said = (match.from_left, match.left_over, match.regrouped)
    assert said in {
        (bool(ordered) and covered == set(range(len(covered))), size - len(covered), joined)
        for _, covered, joined in ordered or ways
    }


@settings(deadline=None)
@given(log=_LOGS, typed=_TYPED, k=st.integers(0, 5))
@example(log={"a ring": 1, "b ring": 5, "c ring": 4}, typed="a ring ", k=2)
def test_fewer_are_the_first_of_more(log: dict[str, int], typed: str, k: int) -> None:
    index = _open(log)
    assert [match.text for match in index.word_matches(typed, k)] == [
        match.text for match in index.word_matches(typed, 100)
    ][:k]


_INDEX = _open({"a b": 1, "3/4 inch": 2})


@given(typed=st.text(max_size=300).map(normalize_query))
def test_any_text_is_answered(typed: str) -> None:
    _INDEX.word_matches(typed, 10)


@given(texts=st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40), max_size=8))
@example(texts=["c++ c# a+b", "h&m & co", "a " * 70, "don't", "x" * 80 + "-y", "a-b-c-d-e-f-g-h-i", "1-a-2", "1.5l"])
def test_ascii_is_read_alike_by_both_readers(texts: list[str]) -> None:
    texts = sorted(text.lower() for text in texts)
    order = np.arange(len(texts), dtype=np.uint32)
    terms, _, _, _, starts, forward = word_lists(sorted_strings([text.encode() for text in texts]), order, _refuse)
    words = [int.from_bytes(forward[at : at + 3].tobytes(), "little") for at in range(0, len(forward), 3)]
    for text, low, high in zip(texts, starts, starts[1:], strict=False):
        read = [(terms[word & (1 << 21) - 1], word >> 21) for word in words[low:high]]
        assert read == entry_terms(text)[:256]


@given(text=st.text(max_size=60).map(normalize_query))
@example(text="a " * 62 + "ü-b-c d")
@example(text="東京 " * 33)
@example(text="x ❤️👍🏽 1ü2-3/4 c++ ß")
@example(text="0 \u0e33")
def test_an_entry_is_read_piece_by_piece_as_it_is_as_a_whole(text: str) -> None:
    assert entry_terms(text) == _terms(near_words(text)[:64])[0]


def _refuse(text: str) -> list[tuple[bytes, int]]:
    raise AssertionError(text)


@pytest.mark.parametrize("size", [63, 64, 65, 66, 128, 129, 130, 6000])
def test_long_lists_are_intersected_as_sets_are(size: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(size)
    vocabulary = ["".join(pair) for pair in itertools.product("kqxbvjw", "gzptrc")]
    share = 1 / np.arange(1, 43)
    rows = {}
    for number in range(size):
        chosen = rng.choice(vocabulary, rng.integers(1, 6), replace=False, p=share / share.sum())
        rows[" ".join([*chosen.tolist(), f"zz{number}"])] = int(rng.integers(1, 9))
    build_query_index(tmp_path, [QueryRow(query, count) for query, count in rows.items()])
    index = QueryIndex(tmp_path)
    ordered = sorted(rows, key=lambda query: (-rows[query], query))
    words = {query: set(query.split()) for query in ordered}

    for first, second in itertools.product(vocabulary[::6], vocabulary[:8]):
        both = [query for query in ordered if {first, second} <= words[query] and first != second]
        assert [match.text for match in index.word_matches(f"{first} {second} ", size) if not match.regrouped] == both
        begun = [
            query
            for query in ordered
            if first in words[query] and any(w[0] == second[0] and w != first for w in words[query])
        ]
        assert [match.text for match in index.word_matches(f"{first} {second[0]}", 7)] == begun[:7]
