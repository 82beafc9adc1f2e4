"""Normalisation and words: what training and serving must do alike, letter for letter.

Lengths and offsets are Unicode code points. Nothing here knows a language's dictionary; scripts without
spaces between words (Han, Kana, Thai) come out as one word a stretch and want subwords.
"""

# ruff: noqa: RUF001 -- typographic marks that look alike are what this file is about
from __future__ import annotations

import collections
import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence

from lm.text.characters import CONTROL, DOTTED_I, FORMAT, TAGGED_FLAG, TAGS, UNSPACED_SCRIPTS, compose
from lm.text.folding import displayed_query as displayed_query  # noqa: PLC0414 -- offered here too
from lm.text.folding import normalize_query as normalize_query  # noqa: PLC0414

NORMALIZER_VERSION = 4
"""Part of every cache key and manifest; raised whenever any input normalises to another output."""

BLANK = rf"\s{CONTROL}{FORMAT}"
"""What a class of blanks holds in a pattern."""
_BLANKS = re.compile(f"[{BLANK}]+")
_ASCII_BLANKS = re.compile(r"[\x00-\x20\x7f]+")
_TAG_SEQUENCE = re.compile(f"({TAGGED_FLAG})|[{TAGS}]+")
_INNER_APOSTROPHE = re.compile(r"(?<=[^\W_])’(?=[^\W_])")
_APOSTROPHE = re.compile(r"(?<=[^\W_])’")


def normalize_typing(text: str, *, lowercase: bool) -> str:
    """The end of running text that is being typed: as `normalize_text`, but for blanks at the end, which become one.

    A curly apostrophe after a letter becomes a straight one: what was typed so far is then a beginning of what it will
    be.
    """
    if text.isascii():
        folded = text.lower() if lowercase else text
        return _ASCII_BLANKS.sub(" ", folded).removeprefix(" ")
    composed = _compose(text, lowercase=lowercase)
    return _APOSTROPHE.sub("'", _BLANKS.sub(" ", composed)).removeprefix(" ")


def normalize_text(text: str, *, lowercase: bool) -> str:
    """Running text in the form in which models see it: NFKC, lower case if asked, every run of blanks one space.

    Blanks are white space, control and format characters; none stands at either end. Letters of Korean that stand
    alone become compatibility jamo (`ㅎ`). A curly apostrophe is made straight between letters only: elsewhere it may
    close a quotation.
    """
    if text.isascii():
        return normalize_typing(text, lowercase=lowercase).rstrip(" ")
    composed = _compose(text, lowercase=lowercase)
    return _INNER_APOSTROPHE.sub("'", _BLANKS.sub(" ", composed)).strip(" ")


def _compose(text: str, *, lowercase: bool) -> str:
    composed = _TAG_SEQUENCE.sub(lambda match: match.group(1) or " ", compose(text))
    if lowercase:
        lowered = DOTTED_I.sub("i", composed.lower())
        # Lower case can leave what NFKC would still change, as in a capital letter with a mark below.
        return lowered if lowered == composed else _compose(lowered, lowercase=False)
    return composed


@functools.cache
def _token_pattern() -> re.Pattern[str]:
    """Tokens by name: `word` or, where that group is empty, a mark."""
    # `\w` leaves out combining marks, which Indic and Arabic words are full of.
    marks = "".join(c for c in map(chr, range(0x300, 0x20000)) if unicodedata.category(c) in {"Mn", "Mc", "Me"})
    marks += "\u200c\u200d"
    letters = rf"(?:(?:[^\W_]++[{marks}]*+)++)"
    marks += f"\U0001f3fb-\U0001f3ff{TAGS}"  # a skin tone stays with its hand, a region with its flag
    return re.compile(
        rf"""
        (?P<word>
            <unk> (?=[{BLANK}]|$)
          | (?<![^\W_]) (?:[^\W\d_]\.)+ [^\W\d_] (?![^\W_]) \.?     # U.S. and e.g.
          | (?<!\S) ['’] [^\W\d_]{{1,2}} (?!\S)                       # 's, standing alone in split text
          | \d+ (?:[.,]\d+)+ {letters}?                               # 1,000 and 3.14
          | {letters} (?:['’]{letters})*                              # don't
        )
        | @[-.,]@                                                     # WikiText's 1 @,@ 000
        | \.{{2,}} | -{{2,}}
        | [\U0001f1e6-\U0001f1ff]{{2}}                                # the two letters of a flag
        | [^{BLANK}] [{marks}]*+ (?:(?<=\u200d) [^{BLANK}\w] [{marks}]*+)*  # a mark, an emoji
        """,
        re.VERBOSE,
    )


def split_words(text: str) -> list[str]:
    """Words of running text; each punctuation mark is a word of its own.

    Inner apostrophes and the points and commas of numbers stay inside (`don't`, `1,000`); hyphens come off.
    Text that is already split, `<unk>` and WikiText's `@-@` in it, keeps its words.
    """
    return [match.group() for match in _token_pattern().finditer(text)]


def word_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where the words of `split_words` that are no marks begin and end."""
    return (match.span() for match in _token_pattern().finditer(text) if match.group("word") is not None)


def last_word_start(text: str) -> int:
    """Where the word under the cursor begins: the unfinished last word's offset, else the text's length.

    An apostrophe after a letter may be an inner one, so `don'` is still one word under way.
    """
    stem = text[:-1] if len(text) > 1 and text[-1] in "'’" else text
    if stem.endswith(" "):
        return len(text)
    matches = collections.deque(_token_pattern().finditer(stem, stem.rfind(" ") + 1), maxlen=1)  # none holds a space
    if not matches or matches[0].group("word") is None or matches[0].end() < len(stem):
        return len(text)
    return matches[0].start()


_UNSPACED = re.compile(f"[{UNSPACED_SCRIPTS}]")
_UNSPACED_END = re.compile(rf"[{UNSPACED_SCRIPTS}][^\w\s]*\Z")


def is_unspaced(text: str) -> bool:
    """Whether the text holds a letter of a script that puts no spaces between words."""
    return _UNSPACED.search(text) is not None


def ends_unspaced(text: str) -> bool:
    """Whether what follows the text, after its marks of punctuation, needs no space before it."""
    return _UNSPACED_END.search(text) is not None


_TIGHT_LEFT = re.compile(r"[,.;:!?%)\]}»”’…。、！？।]+|['’][^\W\d_]{1,2}")
_TIGHT_RIGHT = frozenset("([{«“‘$£€#")
_TIGHT_BOTH = frozenset("-/") | {"@-@", "@,@", "@.@"}


def join_words(words: Sequence[str]) -> str:
    """Words as a person writes them: no space before a comma, after an opening bracket, around a hyphen."""
    pieces: list[str] = []
    glued = True
    open_quotes: set[str] = set()
    for word in words:
        inner = word in _TIGHT_BOTH
        quote = word in {'"', "'"}
        # `the states' rights`: after an s, with nothing to close, it is a possessive
        closes = quote and (word in open_quotes or (word == "'" and bool(pieces) and pieces[-1].endswith("s")))
        if not (glued or inner or closes or _TIGHT_LEFT.fullmatch(word)):
            pieces.append(" ")
        pieces.append(word.strip("@") if inner else word)
        glued = inner or word in _TIGHT_RIGHT or (quote and not closes)
        if closes:
            open_quotes.discard(word)
        elif quote:
            open_quotes.add(word)
    return "".join(pieces)
