"""Queries of the log that misspell a far more popular one: they count as that one.

A query is misspelt if it becomes a far more popular query by mending one word, and that word is as much rarer than the
mended one. Real words stay: short ones, plurals, words that go on, other letters in place of right ones (`shirt`,
`short`), and words that stand mostly where the mended one does not (`trail`, `trial`). Each word is looked up once.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from lm.index.lexicon import MAX_WORD_LENGTH, Lexicon, build_lexicon, count_words
from lm.index.never_generated import hash_query
from lm.text.duplicates import duplicate_key

_DOUBLED = re.compile(r"(.)\1+")
_SHORTEST = 5
"""Code points: many shorter words are one letter away from another word."""
_LONG = 8
"""Code points: two words of so many letters hardly differ by that."""
_HIGHEST_COST = 6.0
"""Of `lm.text.typing_errors`: a letter left out, doubled or not doubled, and two letters in each other's place. Another
letter in place of the right one makes too many real words."""
_SHARE = 0.5
"""At least this share of a misspelt word's submissions has a popular query that mends it."""


def misspelt_queries(queries: Sequence[str], counts: Sequence[float], ratio: float) -> dict[str, str]:
    """The misspelt queries of a log, each with the one that was meant.

    Args:
        queries: normalised, each once; `counts` are their submissions.
        ratio: how much more popular query and word must be.
    """
    known = dict(zip(queries, counts, strict=True))
    words = count_words(known.items())
    mended = _mended(words, ratio)
    found, submissions = dict[str, tuple[str, str]](), defaultdict[str, float](float)
    for query, count in known.items():
        parts = query.split(" ")
        wrong = [place for place, word in enumerate(parts) if word in mended]
        if len(wrong) == 1:
            word = parts[wrong[0]]
            parts[wrong[0]] = mended[word]
            meant = " ".join(parts)
            if known.get(meant, 0.0) >= ratio * count:
                found[query] = word, meant
                submissions[word] += count
    supported = {word for query, (word, _) in found.items() if " " in query}
    misspelt = {
        query: meant
        for query, (word, meant) in found.items()
        if submissions[word] >= _SHARE * words[word]
        if word in supported or not _may_be_a_word(word, mended[word])
    }
    return {query: _last(meant, misspelt) for query, meant in misspelt.items()}


def _last(query: str, misspelt: dict[str, str]) -> str:
    """What was meant in the end: each step is to a more popular query."""
    while query in misspelt:
        query = misspelt[query]
    return query


def _mended(words: dict[str, float], ratio: float) -> dict[str, str]:
    """Words that may be misspelt, each with the most probable word that is `ratio` times as frequent."""
    candidates = {word: count for word, count in words.items() if len(word) >= _SHORTEST and word.isalpha()}
    if not candidates:
        return {}
    least, most = ratio * min(candidates.values()), max(candidates.values())
    popular = {word: count for word, count in candidates.items() if count >= least}
    with tempfile.TemporaryDirectory() as name:
        build_lexicon(Path(name), popular)
        lexicon = Lexicon(Path(name))
        mended = dict[str, str]()
        for word, count in candidates.items():
            if ratio * count > most or len(word) > MAX_WORD_LENGTH:
                continue
            floor = math.log(ratio * count) - _HIGHEST_COST
            for spelling in lexicon.spellings(word, unfinished=False, k=4, max_edits=1, floor=floor):
                frequent = popular.get(spelling.text, 0.0) >= ratio * count
                if frequent and spelling.cost <= _HIGHEST_COST and not _is_form(word, spelling.text):
                    mended[word] = spelling.text
                    break
    return mended


def _may_be_a_word(word: str, other: str) -> bool:
    """Whether a short word has only two letters in other places, or one doubled: `angel`, `angle`; `mousse`, `mouse`.

    Such a word is misspelt only if a query of several words says so too.
    """
    return len(word) < _LONG and (
        sorted(word) == sorted(other) or _DOUBLED.sub(r"\1", word) == _DOUBLED.sub(r"\1", other)
    )


def _is_form(word: str, other: str) -> bool:
    """Whether a word is the beginning of the other, or differs by a plural or by accents alone."""
    kinds = ("accents", "plural")
    return other.startswith(word) or duplicate_key(word, *kinds) == duplicate_key(other, *kinds)


def mend_counts(folder: Path, withheld: str, texts: Iterable[Path], ratio: float) -> dict[str, str]:
    """Adds the counts of misspelt queries to those that were meant, in what `training.data.query_log` wrote.

    They leave `train.parquet`, are withheld, so that no model generates them, and the models read what was meant.

    Args:
        withheld: the name of the file of withheld hashes; `texts`: what the language models read.

    Returns:
        The misspelt queries, each with the one that was meant.
    """
    import pyarrow
    from pyarrow.parquet import read_table, write_table

    table = read_table(folder / "train.parquet")
    queries = table["query"].to_pylist()
    misspelt = misspelt_queries(queries, table["count"].to_pylist(), ratio)
    if not misspelt:
        return {}
    places = {query: place for place, query in enumerate(queries)}
    gone = np.array([places[query] for query in misspelt])
    meant = np.array([places[query] for query in misspelt.values()])
    for name in {"count", "recent"} & set(table.column_names):
        numbers = table[name].to_numpy().copy()
        np.add.at(numbers, meant, numbers[gone])
        table = table.set_column(table.column_names.index(name), name, pyarrow.array(numbers))
    kept = np.ones(len(queries), bool)
    kept[gone] = False
    write_table(table.filter(pyarrow.array(kept)), folder / "train.parquet", compression="zstd")
    hashes = read_table(folder / withheld)["hash"].to_numpy()
    added = np.fromiter(map(hash_query, misspelt), np.uint64, len(misspelt))
    every = np.union1d(hashes.astype(np.uint64), added)
    write_table(pyarrow.table({"hash": every}), folder / withheld, compression="zstd")
    for path in texts:
        mended = path.with_suffix(".mended")
        with (
            path.open(encoding="utf-8", newline="\n") as lines,
            mended.open("w", encoding="utf-8", newline="\n") as out,
        ):
            out.writelines(misspelt.get(query := line.rstrip("\n"), query) + "\n" for line in lines)
        mended.replace(path)
    return misspelt
