"""Made-up queries with the statistics that matter for speed: Zipf's law for words, few words after each.

A word is spelt from syllables. A query begins with a word drawn by Zipf's law; each further word is, mostly, one of
those that tend to follow the word before it, so that longer n-grams come again, as in a log. Equal seeds give equal
files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_WORDS = 60_000
_FOLLOWERS = 40
_FOLLOWED = 0.7
"""Share of words that are one of those that tend to follow the word before."""
_LENGTHS = np.array([0.10, 0.25, 0.30, 0.20, 0.10, 0.05])
"""Share of queries of 1, 2, ... words."""
_TEXT_LINES = 20_000
_SYLLABLES = [onset + vowel + coda for onset in "bcdfghklmnprstvw" for vowel in "aeiou" for coda in ("", "n", "r", "s")]


def write_log(folder: Path, queries: int, *, seed: int = 1) -> None:
    """Writes `queries.txt`, that many distinct queries, and `text.txt`, some longer lines of the same words."""
    chance = np.random.default_rng(seed)
    words = _spell(chance)
    found: dict[str, None] = {}
    while len(found) < queries:
        rows = _draw(chance, queries - len(found) + 1000)
        found.update(dict.fromkeys(" ".join(words[word] for word in row) for row in rows))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "queries.txt").write_text("\n".join(list(found)[:queries]) + "\n", encoding="utf-8")
    lines = _draw(chance, 5 * _TEXT_LINES)
    text = (" ".join(words[word] for row in lines[at : at + 5] for word in row) for at in range(0, len(lines), 5))
    (folder / "text.txt").write_text("\n".join(text) + "\n", encoding="utf-8")


def _spell(chance: np.random.Generator) -> list[str]:
    """Distinct words, the shorter ones first and so more frequent."""
    words: dict[str, None] = {}
    while len(words) < _WORDS:
        for count in (1, 2, 2, 3, 3, 3, 4):
            drawn = chance.choice(len(_SYLLABLES), (_WORDS // 4, count)).tolist()
            words.update(dict.fromkeys("".join([_SYLLABLES[syllable] for syllable in row]) for row in drawn))
    return sorted(list(words)[:_WORDS], key=lambda word: (len(word), word))


def _draw(chance: np.random.Generator, count: int) -> list[NDArray[np.int64]]:
    """Queries as numbers of words."""
    lengths = chance.choice(len(_LENGTHS), count, p=_LENGTHS) + 1
    words = _zipf(chance, _WORDS, (count, len(_LENGTHS)))
    follows = chance.random(words.shape) < _FOLLOWED
    which = _zipf(chance, _FOLLOWERS, words.shape)
    for place in range(1, words.shape[1]):
        tends = (words[:, place - 1] * 7919 + (which[:, place] + 1) * 104_729) % _WORDS
        tends = tends * tends // _WORDS  # more often a frequent one
        words[:, place] = np.where(follows[:, place], tends, words[:, place])
    return [row[:length] for row, length in zip(words, lengths, strict=True)]


def _zipf(chance: np.random.Generator, size: int, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Numbers below `size`, the k-th as frequent as 1 / k (by inverting the distribution's continuous form)."""
    drawn = np.exp(chance.random(shape) * np.log(size + 1)).astype(np.int64) - 1
    numbers: NDArray[np.int64] = np.minimum(drawn, size - 1)
    return numbers
