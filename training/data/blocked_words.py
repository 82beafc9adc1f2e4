"""The words that are never suggested: a built-in English list and an operator's own beside it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from lm.errors import InputError
from lm.text.blocked_words import BlockedWords, blockable_words
from lm.text.normalize import normalize_query
from training.data.sources import read_lines


def load_blocked_words(path: Path | None = None) -> BlockedWords:
    """The built-in English list and, if given, an operator's own beside it: a word or a phrase a line.

    Raises:
        InputError: the operator's file cannot be read, or a line holds something else.
    """
    built_in = resources.files(__package__).joinpath("blocked_words_en.txt").read_text(encoding="utf-8")
    entries = {entry for line in built_in.splitlines() if (entry := _strip_comment(line))}
    return BlockedWords(entries if path is None else entries | _read_entries(path))


def _strip_comment(line: str) -> str:
    return normalize_query(line.split("#", 1)[0]).rstrip()


def _read_entries(path: Path) -> set[str]:
    if path.is_dir():
        raise InputError(path, "is a folder.", remedy="Name the file of blocked words in it.")
    entries = set()
    for number, line in read_lines(path):
        entry = _strip_comment(line)
        if entry and not blockable_words(entry):
            raise InputError(
                path,
                f"{entry!r} is not made of words of letters and digits.",
                line=number,
                remedy="Write one word or phrase a line, without marks or patterns; `#` begins a comment.",
            )
        entries.add(entry)
    return entries - {""}
