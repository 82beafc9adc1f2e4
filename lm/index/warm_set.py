"""Beginnings of queries that are typed so often that a server does well to have their answers ready.

Who types a query types all of its beginnings, so a beginning is typed as often as the queries that begin with it are
submitted. The file holds texts and no answers: these depend on the program that serves as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from lm.errors import BundleDamagedError

WARM_SET_FILE = "warm_set.txt"
MAX_LENGTH = 3
"""Code points of a beginning: longer ones are many, and each is typed seldom."""


def most_typed(queries: Iterable[tuple[str, float]], count: int) -> list[str]:
    """The beginnings that are typed most, the empty one first, in order; equally frequent ones by text.

    Args:
        queries: distinct normalised queries with how often each was submitted.
        count: beginnings at most.
    """
    typed: defaultdict[str, float] = defaultdict(float)
    for query, submissions in queries:
        for length in range(min(MAX_LENGTH, len(query)) + 1):
            typed[query[:length]] += submissions
    return sorted(typed, key=lambda text: (-typed[text], text))[:count]


def save_warm_set(folder: Path, texts: Iterable[str]) -> None:
    """Writes beginnings, one a line; the first is usually empty, and some end with a space."""
    (folder / WARM_SET_FILE).write_text("".join(text + "\n" for text in texts), encoding="utf-8", newline="\n")


def open_warm_set(folder: Path) -> tuple[str, ...]:
    """Reads what `save_warm_set` wrote; nothing where there is no such file.

    Raises:
        BundleDamagedError: the file cannot be read.
    """
    path = folder / WARM_SET_FILE
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise BundleDamagedError(path, f"cannot be read ({error})") from None
    return tuple(text.split("\n")[:-1])
