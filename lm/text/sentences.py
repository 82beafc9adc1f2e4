"""Where sentences end: one rule for the text that models learn from and for the text that is being typed.

A line is a paragraph, so its end is the end of a sentence too.
"""

# ruff: noqa: RUF001 -- typographic marks that look alike are what this file is about
from __future__ import annotations

import re
from collections.abc import Iterator

from lm.text.normalize import BLANK

_ABBREVIATIONS = frozenset(
    re.findall(
        r"\S+",
        """adm al approx apr aug ave bros bspw bzw ca capt cf cmdr co col corp dec dept dott dr dra drs ed eds esq est
    evtl feb fig figs gen ggf gov hon inc jan jr lt ltd maj messrs mlle mme mr mrs ms mt mx nov nr oct op ph.d pp
    prof pvt rep reps rev sec sen sens sept sgt sig sr sra sres st ste str supt vgl viz vol vols vs""",
    )
)
_BEFORE_NUMBERS = frozenset({"no", "nos", "art", "p", "ch", "par"})
_TIMES = frozenset({"a.m", "p.m"})
"""What may end a sentence although points stand in it."""
_SENTENCE_END = re.compile(
    rf"""
    (?<![.!?…]) [.!?…]++ ["'”’»)\]]*+ [{BLANK}]++ (?= ["'“‘«(\[¿¡]*+ (?: (?P<next>[^\W_]) | (?P<open>\Z) ) )
    | [。！？]++ [」』”’）]*+ [{BLANK}]*+
    """,
    re.VERBOSE,
)
_LINE_END = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_LAST_WORD = re.compile(r"[^\W_](?:[^\W_]|\.(?=[^\W_]))*\Z")
_LETTERS_WITH_POINTS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_LETTER = re.compile(r"[^\W\d_]")


def split_sentences(paragraph: str) -> list[str]:
    """Sentences of a paragraph, without the blanks between them; never an empty one."""
    return [sentence for sentence in _sentences(paragraph, "") if sentence]


def sentences_so_far(text: str, following: str = "") -> list[str]:
    """Sentences of a text that is being typed. The last one is under way: empty if the next letter begins one.

    Args:
        following: that letter, if it is known.
    """
    *before, last = _LINE_END.split(text)
    return [sentence for line in before for sentence in split_sentences(line)] + _so_far(last, following)


def open_sentence(text: str, following: str = "") -> str:
    """What is typed of the sentence under way, see `sentences_so_far`."""
    return _so_far(_LINE_END.split(text)[-1], following)[-1]


def _so_far(line: str, following: str) -> list[str]:
    *before, last = _sentences(line, following)
    return [*filter(None, before), last]


def _sentences(paragraph: str, following: str) -> Iterator[str]:
    """Sentences without the blanks around them; the last one may be empty."""
    start = 0
    for match in _SENTENCE_END.finditer(paragraph):
        letter = following if match.group("open") is not None else match.group("next")
        if letter is None or not _goes_on(paragraph, start, match.start(), letter):
            yield paragraph[start : match.end()].strip()
            start = match.end()
    yield paragraph[start:].strip()


def _goes_on(paragraph: str, start: int, end: int, following: str) -> bool:
    """Whether a sentence goes on after the mark at `end`, before a letter that may not be known yet.

    Who begins sentences with small letters does so after a mark too: only what shortens a word tells then.
    """
    first = _LETTER.search(paragraph, start, end)
    capitals = first is None or not first.group().islower()
    return (capitals and following.islower()) or _is_abbreviation(paragraph, end, following, capitals=capitals)


def _is_abbreviation(paragraph: str, end: int, following: str, *, capitals: bool) -> bool:
    """Whether the point at `end` shortens the word before it, and so ends no sentence."""
    if paragraph[end] != "." or paragraph[end : end + 2] == "..":
        return False
    found = _LAST_WORD.search(paragraph, max(0, end - 24), end)
    if found is None:
        return False
    word, lower = found.group(), found.group().lower()
    if lower in _ABBREVIATIONS:
        return True
    if lower in _BEFORE_NUMBERS:
        return following.isdigit()
    if _LETTERS_WITH_POINTS.fullmatch(word):
        return lower not in _TIMES or word.isupper()
    return len(word) == 1 and lower != "i" and (word.isupper() or not capitals)
