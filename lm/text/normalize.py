"""Normalisation, words and sentences: what training and serving must do alike, letter for letter.

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

from lm.text.hangul import FINALS, INITIALS, VOWELS

NORMALIZER_VERSION = 2
"""Part of every cache key and manifest; raised whenever any input normalises to another output."""

# Format characters (category Cf) as of Unicode 15, the two joiners that shape words left out. Spelled out and
# not asked of `unicodedata`, so that two Python releases normalise alike.
_FORMAT = (
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
_BLANK = rf"\s\x00-\x1f\x7f-\x9f{_FORMAT}"
_BLANKS = re.compile(rf"[{_BLANK}]+")
_ASCII_BLANKS = re.compile(r"[\x00-\x20\x7f]+")
# NFKC turns letters that Korean text uses on their own into pieces of syllables, and takes Thai and Lao AM apart,
# which their texts write as one character.
_KEPT = re.compile("([\u3130-\u318f\u0e33\u0eb3]+)")
_SPLIT_AM = re.compile("\u0e4d\u0e32|\u0ecd\u0eb2")
# Conjoining jamo that NFKC could not compose: letters of older Korean stay together, all others stand alone.
_CONJOINING_JAMO = re.compile(
    "([\u1100-\u115f\ua960-\ua97c]+[\u1160-\u11a7\ud7b0-\ud7c6]+[\u11a8-\u11ff\ud7cb-\ud7fb]*)"
    "|[\u1100-\u1112\u1161-\u1175\u11a8-\u11c2]"
)
_ALONE = {
    **dict(zip(map(chr, range(0x1100, 0x1113)), INITIALS, strict=True)),
    **dict(zip(map(chr, range(0x1161, 0x1176)), VOWELS, strict=True)),
    **dict(zip(map(chr, range(0x11A8, 0x11C3)), FINALS[1:], strict=True)),
}
_INNER_APOSTROPHE = re.compile(r"(?<=[^\W_])’(?=[^\W_])")
_APOSTROPHE = re.compile(r"(?<=[^\W_])’")


def normalize_query(text: str, *, lowercase: bool = True) -> str:
    """The form in which queries are compared: NFKC, lower case, every run of blanks one space.

    Blanks are white space, control and format characters. Leading ones go; trailing ones become a single
    space, which says that the last word is finished. A log holds `normalize_query(query).rstrip()`. Letters of
    Korean that stand alone become compatibility jamo (`ㅎ`), and a curly apostrophe after a letter a straight one:
    what was typed so far is then a beginning of what it will be.
    """
    if text.isascii():
        folded = text.lower() if lowercase else text
        # the short way for usual queries, which are asked for at every keystroke
        if folded.isprintable() and "  " not in folded:
            return folded.removeprefix(" ")
        return _ASCII_BLANKS.sub(" ", folded).removeprefix(" ")
    composed = _compose(text, lowercase=lowercase)
    return _APOSTROPHE.sub("'", _BLANKS.sub(" ", composed)).removeprefix(" ")


def displayed_query(text: str) -> str | None:
    """A query as it was written, with single blanks; None where that is its normalised form.

    Also None where normalising it changes how many code points it has: what is typed of the one form is then typed
    of the other.
    """
    displayed = _BLANKS.sub(" ", unicodedata.normalize("NFC", text)).strip(" ")
    normalized = normalize_query(displayed).rstrip(" ")
    return displayed if displayed != normalized and len(displayed) == len(normalized) else None


def normalize_text(text: str, *, lowercase: bool) -> str:
    """Running text in the form in which models see it: as `normalize_query`, without blanks at the end.

    A curly apostrophe is made straight between letters only: elsewhere it may close a quotation.
    """
    if text.isascii():
        return normalize_query(text, lowercase=lowercase).rstrip(" ")
    composed = _compose(text, lowercase=lowercase)
    return _INNER_APOSTROPHE.sub("'", _BLANKS.sub(" ", composed)).strip(" ")


def _compose(text: str, *, lowercase: bool) -> str:
    composed = "".join(
        part if position % 2 else unicodedata.normalize("NFKC", part) for position, part in enumerate(_KEPT.split(text))
    )
    composed = _CONJOINING_JAMO.sub(lambda match: match.group(1) or _ALONE[match.group()], composed)
    composed = composed.replace("▁", "_")  # which vocabularies spell a space with
    composed = _SPLIT_AM.sub(lambda match: "\u0e33" if match.group() == "\u0e4d\u0e32" else "\u0eb3", composed)
    if lowercase:
        lowered = composed.lower()
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
    return re.compile(
        rf"""
        (?P<word>
            <unk> (?=[{_BLANK}]|$)
          | (?<![^\W_]) (?:[^\W\d_]\.)+ [^\W\d_] (?![^\W_]) \.?     # U.S. and e.g.
          | (?<!\S) ['’] [^\W\d_]{{1,2}} (?!\S)                       # 's, standing alone in split text
          | \d+ (?:[.,]\d+)+ {letters}?                               # 1,000 and 3.14
          | {letters} (?:['’]{letters})*                              # don't
        )
        | @[-.,]@                                                     # WikiText's 1 @,@ 000
        | \.{{2,}} | -{{2,}}
        | [^{_BLANK}] [{marks}]*+ (?:(?<=\u200d) [^{_BLANK}\w] [{marks}]*+)*  # a mark, an emoji
        """,
        re.VERBOSE,
    )


def split_words(text: str) -> list[str]:
    """Words of running text; each punctuation mark is a word of its own.

    Inner apostrophes and the points and commas of numbers stay inside (`don't`, `1,000`); hyphens come off.
    Text that is already split, `<unk>` and WikiText's `@-@` in it, keeps its words.
    """
    return [match.group() for match in _token_pattern().finditer(text)]


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


# Letters and marks of scripts without spaces between words: Thai, Lao, Tibetan, Myanmar, Khmer, Han, Kana, Bopomofo.
_UNSPACED_SCRIPTS = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u0f00-\u0fbc\u1000-\u103f\u1050-\u108f\u1780-\u17d3"
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00016fe0-\U00016fff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
_UNSPACED = re.compile(f"[{_UNSPACED_SCRIPTS}]")
_UNSPACED_END = re.compile(rf"[{_UNSPACED_SCRIPTS}][^\w\s]*\Z")


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


_ABBREVIATIONS = frozenset(
    re.findall(
        r"\w+",
        """adm apr aug ave bros capt cf co col corp dec dept dr ed eds esq feb fig figs gen gov hon inc jan
        jr lt ltd maj messrs mr mrs ms mt nov oct pp prof rep reps rev sec sen sens sept sgt sr st vol vols
        vs""",
    )
)
_BEFORE_NUMBERS = frozenset({"no", "nos", "art", "p", "ch", "par"})
_SENTENCE_END = re.compile(
    rf"""
    (?<![.!?…]) [.!?…]++ ["'”’»)\]]*+ [{_BLANK}]++ (?= ["'“‘«(\[¿¡]*+ (?P<next>[^\W_]) )
    | [。！？]++ [」』”’）]*+ [{_BLANK}]*+
    """,
    re.VERBOSE,
)
_ENDED = re.compile(r"[.!?]\s+\Z|[。！？][」』”’）]*\s*\Z")
_LAST_WORD = re.compile(r"[^\W_](?:[^\W_]|\.(?=[^\W_]))*\Z")


def split_sentences(paragraph: str) -> list[str]:
    """Sentences of a paragraph, without the blanks between them; never an empty one."""
    sentences = (paragraph[start:end].strip() for start, end in _sentence_spans(paragraph))
    return [sentence for sentence in sentences if sentence]


def ends_sentence(text: str) -> bool:
    """Whether the next letter typed would begin a sentence; where spaces part sentences, one must be there."""
    return _ENDED.search(text) is not None


def _sentence_spans(paragraph: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _SENTENCE_END.finditer(paragraph):
        following = match.group("next")
        if following and (following.islower() or _is_abbreviation(paragraph, match.start(), following)):
            continue
        yield start, match.end()
        start = match.end()
    yield start, len(paragraph)


def _is_abbreviation(paragraph: str, end: int, following: str) -> bool:
    """Whether the point at `end` shortens the word before it, and so ends no sentence."""
    if paragraph[end] != "." or paragraph[end : end + 2] == "..":
        return False
    found = _LAST_WORD.search(paragraph, max(0, end - 24), end)
    if found is None:
        return False
    word = found.group()
    if word.lower() in _ABBREVIATIONS:
        return True
    if word.lower() in _BEFORE_NUMBERS:
        return following.isdigit()
    initial = len(word) == 1 and word.isupper() and word != "I"
    return initial or ("." in word and word.isupper())
