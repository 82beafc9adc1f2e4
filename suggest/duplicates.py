"""Near-duplicates among candidates collapse into the most popular form, see `lm.text.duplicates`.

A plural is another query more often than a mark of punctuation is: it collapses only among queries of the log, and only
into a form that is `plural_ratio` times as popular.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lm.bundle.manifest import Duplicates
from lm.text.duplicates import duplicate_key, suspects
from suggest.candidates import Pool


def distinct(texts: Sequence[str], counts: Sequence[float], duplicates: Duplicates) -> list[int]:
    """Rows of the candidates that stay, in their order; of equally popular forms the first."""
    rows = near = suspects(texts)
    same = [kind for kind in duplicates.collapse if kind != "plural"]
    if same:
        rows = sorted(_most_popular(rows, {row: duplicate_key(texts[row], *same) for row in rows}, counts).values())
    if "plural" in duplicates.collapse:
        logged = [row for row in rows if counts[row] > 0]
        keys = {row: duplicate_key(texts[row], *duplicates.collapse) for row in logged}
        best = _most_popular(logged, keys, counts)
        rows = [row for row in rows if row not in keys or _stays(row, best[keys[row]], counts, duplicates.plural_ratio)]
    gone = set(near).difference(rows)
    return [row for row in range(len(texts)) if row not in gone]


def _most_popular(rows: Iterable[int], keys: dict[int, str], counts: Sequence[float]) -> dict[str, int]:
    """The row of the most popular form of each key."""
    best: dict[str, int] = {}
    for row in rows:
        if counts[row] > counts[best.setdefault(keys[row], row)]:
            best[keys[row]] = row
    return best


def _stays(row: int, best: int, counts: Sequence[float], ratio: float) -> bool:
    return row == best or counts[best] < ratio * counts[row]


def distinct_pool(pool: Pool, duplicates: Duplicates) -> Pool:
    """A pool's candidates that stay."""
    rows = distinct(pool.candidates.texts, pool.candidates.counts.tolist(), duplicates)
    return pool if len(rows) == len(pool.candidates.texts) else pool.of(rows)
