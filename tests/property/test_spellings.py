"""What the trie finds is what comparing with every word finds."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.errors import BundleDamagedError
from lm.index.lexicon import MAX_WORD_LENGTH, Lexicon, build_lexicon, count_words
from lm.text.typing_errors import TypingErrors, kinship

ERRORS = TypingErrors()
KINSHIP = kinship()
word = st.text("abgnè한", min_size=1, max_size=8)
lexicons = st.dictionaries(word, st.integers(1, 500).map(float), min_size=1, max_size=40)


def opened(words: dict[str, float]) -> Lexicon:
    with tempfile.TemporaryDirectory() as folder:
        build_lexicon(Path(folder), words)
        return Lexicon(Path(folder))  # what is mapped stays


def substitution(right: str, wrong: str) -> float:
    known = ord(right) < len(KINSHIP) and ord(wrong) < len(KINSHIP)
    kin = KINSHIP[ord(right), ord(wrong)] if known else 0
    return (ERRORS.substitution, ERRORS.near_substitution, ERRORS.accent)[kin]


def costs(meant: str, typed: str, max_edits: int) -> dict[int, float]:
    """The least cost at which `meant` comes out as `typed`, by the number of errors: each way is tried."""
    if not meant and not typed:
        return {0: 0.0}
    ways: list[tuple[str, str, float, int]] = []
    first = ERRORS.first_letter
    if meant and typed:
        same = meant[-1] == typed[-1]
        price = 0.0 if same else substitution(meant[-1], typed[-1]) + first * (len(meant) == 1)
        ways.append((meant[:-1], typed[:-1], price, 0 if same else 1))
    if meant:
        price = ERRORS.omitted_double if meant[-1:] == meant[-2:-1] else ERRORS.omission
        ways.append((meant[:-1], typed, price + first * (len(meant) == 1), 1))
    if typed:
        near = bool(meant) and max(map(ord, meant[-1] + typed[-1])) < len(KINSHIP)
        price = ERRORS.inserted_near if near and KINSHIP[ord(typed[-1]), ord(meant[-1])] == 1 else ERRORS.insertion
        price = ERRORS.inserted_double if typed[-1:] == meant[-1:] else price
        ways.append((meant, typed[:-1], price + first * (len(typed) == 1), 1))
    if len(meant) > 1 and len(typed) > 1 and meant[-2] != meant[-1] and meant[-2:] == typed[-1] + typed[-2]:
        ways.append((meant[:-2], typed[:-2], ERRORS.transposition + first * (len(meant) == 2), 1))
    best: dict[int, float] = {}
    for shorter, before, price, edits in ways:
        if edits <= max_edits:
            for more, cost in costs(shorter, before, max_edits - edits).items():
                best[more + edits] = min(best.get(more + edits, math.inf), cost + price)
    return best


def oracle(words: dict[str, float], typed: str, unfinished: bool, max_edits: int) -> dict[str, float]:
    """Score of every correction within reach."""
    found: dict[str, float] = {}
    spellings = {spelt[:end] for spelt in words for end in range(1, len(spelt) + 1)} if unfinished else set(words)
    least = {spelt: min(costs(spelt, typed, max_edits).values(), default=math.inf) for spelt in spellings}
    for spelt, cost in least.items():
        covered = unfinished and any(least[spelt[:end]] <= cost + 1e-6 for end in range(1, len(spelt)))
        if spelt != typed and cost < math.inf and not covered:
            count = sum(n for w, n in words.items() if w.startswith(spelt)) if unfinished else words[spelt]
            found[spelt] = math.log(count) - cost
    return found


@given(lexicons, word, st.booleans(), st.integers(0, 2), st.integers(1, 6))
def test_the_best_corrections(words: dict[str, float], typed: str, unfinished: bool, max_edits: int, k: int) -> None:
    expected = oracle(words, typed, unfinished, max_edits)
    best = sorted(expected.values(), reverse=True)
    found = opened(words).spellings(typed, unfinished=unfinished, k=k, max_edits=max_edits)
    assert [spelling.score for spelling in found] == pytest.approx(best[:k], abs=1e-4)
    for spelling in found:
        assert spelling.score == pytest.approx(expected[spelling.text], abs=1e-4)
        assert costs(spelling.text, typed, max_edits)[spelling.edits] == pytest.approx(spelling.cost, abs=1e-4)
    floor = best[len(best) // 2] - 1e-3 if best else 0.0
    above = opened(words).spellings(typed, unfinished=unfinished, k=100, max_edits=max_edits, floor=floor)
    assert [spelling.score for spelling in above] == pytest.approx([s for s in best if s >= floor], abs=1e-4)


@given(lexicons, word)
def test_counts_and_masses(words: dict[str, float], typed: str) -> None:
    lexicon = opened(words)
    assert lexicon.total == sum(words.values())
    for spelt in [typed, *words]:
        assert lexicon.count(spelt) == words.get(spelt, 0.0)
        assert lexicon.mass(spelt[:2]) == sum(n for w, n in words.items() if w.startswith(spelt[:2]))


def test_words_of_queries() -> None:
    counted = count_words([("new york", 3.0), ("new york new", 2.0), ("x" * (MAX_WORD_LENGTH + 1), 9.0)])
    assert counted == {"new": 7.0, "york": 5.0}


def test_what_fingers_do_costs_less() -> None:
    lexicon = opened({"weather": 1.0, "leather": 1.0, "heather": 1.0, "café": 1.0})

    def cost(typed: str, meant: str) -> float:
        return {s.text: s.cost for s in lexicon.spellings(typed, unfinished=False, k=9)}[meant]

    assert cost("wearher", "weather") < cost("weabher", "weather")  # r is beside t
    assert cost("weathher", "weather") < cost("weathmer", "weather")
    assert cost("weahter", "weather") < cost("xweather", "weather")
    assert cost("wether", "weather") < cost("eather", "weather")  # the first letter is rarely wrong
    assert cost("cafe", "café") < cost("cafw", "café")


def test_an_empty_and_a_damaged_lexicon(tmp_path: Path) -> None:
    build_lexicon(tmp_path, {})
    empty = Lexicon(tmp_path)
    assert empty.spellings("new", unfinished=True, k=3) == []
    assert (empty.total, empty.count("new")) == (0.0, 0.0)
    (tmp_path / "counts.npy").write_bytes((tmp_path / "children.npy").read_bytes())
    with pytest.raises(BundleDamagedError, match="counts"):
        Lexicon(tmp_path)


def test_a_very_long_word_is_not_looked_for() -> None:
    assert opened({"new": 1.0}).spellings("new" * 40, unfinished=True, k=3) == []


def test_a_search_has_a_bound_whatever_the_words_are(tmp_path: Path) -> None:
    """Words that all are alike, and of which none is what was typed: nothing tells early that one is better."""
    letters = [chr(0xAC00 + number) for number in range(60)]
    build_lexicon(tmp_path, {a + b + c: 1.0 for a in letters for b in letters for c in letters})
    matches, visited = Lexicon(tmp_path)._trie.search("xyzuvw", False, 5, 2, -math.inf)
    assert visited <= 50_000 + len(letters)
    assert len(matches) <= 5
