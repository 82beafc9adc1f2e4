"""What counts as equal, in two strengths; `docs/how-it-matches.md` has it as one table.

*Same*: texts with one `normalize_query` are one query, however they are written. It is the key of the index and what
models see. What is shown is the text as it was written.

*Near*: words with a near form in common are found by each other, and rank after the same: see `near_words`. Texts that
are the same have the same near words.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import regex

from lm.text.characters import (
    ACCENTS,
    BLANK,
    CLUSTERS,
    CONTROL,
    DOTTED_I,
    FORMAT,
    NOTHING,
    PLAIN,
    SAME,
    TAGGED_FLAG,
    TAGS,
    UNSPACED_SCRIPTS,
    compose,
)
from lm.text.hangul import COMPOUNDS, FINALS, INITIALS, VOWELS, letters

_ASCII_BLANKS = re.compile(r"[\x00-\x20\x7f]+")

_TO_NOTHING, _TO_SPACE = re.compile(f"[{NOTHING}{FORMAT}{TAGS}]"), re.compile(f"[{BLANK}]")
_KEPT_CHARACTERS = 1 << 13
"""Characters that are remembered, of the million that there may be."""


class _Folded(dict[int, str]):
    """What a character is the same as, for `str.translate`."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        folded = "" if _TO_NOTHING.match(character) else SAME.get(character, character)
        folded = " " if _TO_SPACE.match(character) else folded
        if len(self) < _KEPT_CHARACTERS:
            self[code] = folded
        return folded


_FOLDED = _Folded()
_FLAGS = re.compile(f"({TAGGED_FLAG})")
_EMOJI_JOINER = regex.compile(r"(?<=\p{Extended_Pictographic}\p{Emoji_Modifier}?)\u200d(?=\p{Extended_Pictographic})")
# `1½` is one and a half, `10²` a power
_AFTER_DIGIT = re.compile(r"[¼-¾⅐-⅟↉⁰¹²³⁴-⁻](?<=\d.)")
_MOST_PASSES = 4
"""No text is known that needs more than three until nothing changes."""


def normalize_query(text: str) -> str:
    """The form in which queries are the same: case, width, marks of one look and what is invisible do not count.

    Case is Unicode's full case folding, and each run of blanks one space. Leading blanks go; trailing ones become a
    single space, which says that the last word is finished. A log holds `normalize_query(query).rstrip()`. What was
    typed so far is a beginning of what it will be, and folding twice is folding once.
    """
    if text.isascii():
        folded = text.lower().replace("`", "'")
        # the short way for usual queries, which are asked for at every keystroke
        if folded.isprintable() and "  " not in folded:
            return folded.removeprefix(" ")
        return _ASCII_BLANKS.sub(" ", folded).removeprefix(" ")
    for _ in range(_MOST_PASSES):
        folded = _fold_letters(text)
        before, text = text, compose(folded)
        if text in (folded, before):
            break
    if "  " in text:
        text = _SPACES.sub(" ", text)
    return text.removeprefix(" ")


_SPACES = re.compile(" +")


def _fold_letters(text: str) -> str:
    """All that is folded character by character, before letters are composed."""
    # lower after folding: Cherokee folds to capitals, which models do not have
    text = DOTTED_I.sub("i", text.casefold().lower())
    if "\U0001f3f4" in text:
        text = "".join(part if at % 2 else part.translate(_FOLDED) for at, part in enumerate(_FLAGS.split(text)))
    else:
        text = text.translate(_FOLDED)
    if "\u200d" in text:
        text = "\u200d".join(each.replace("\u200d", "") for each in _EMOJI_JOINER.split(text))
    return _AFTER_DIGIT.sub(lambda match: ("^" if match.group() in "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻" else " ") + match.group(), text)


# Marks of direction that reach beyond the text, and the byte order mark, are no part of what was written.
_UNSHOWN = re.compile("[\ufeff\u202a-\u202e\u2066-\u2069]")
_UNEVEN_BLANKS = re.compile(rf"[{BLANK}]{{2,}}|[{CONTROL}]")
_OUTER_BLANKS = re.compile(rf"\A[{BLANK}]+|[{BLANK}]+\Z")


def displayed_query(text: str) -> str | None:
    """A query exactly as it was written, but with single blanks; None where that is its normalised form."""
    shown = _UNEVEN_BLANKS.sub(" ", _OUTER_BLANKS.sub("", _UNSHOWN.sub("", text)))
    return shown if shown != normalize_query(text).rstrip(" ") else None


def typed_end(display: str, typed_length: int) -> int:
    """How much of a text that is shown the first code points of its normalised form are.

    Args:
        typed_length: code points of `normalize_query(display)`.

    Returns:
        Code points of `display`, up to a border of grapheme clusters. A cluster that is typed in part counts.
    """
    key = normalize_query(display)
    if display.isascii() and len(key) == len(display):
        return min(typed_length, len(display))
    ends, lengths = _alignment(display, key)
    return len(display) if typed_length >= len(key) else _end(ends, lengths, typed_length)


class _ClusterKeys(dict[str, str]):
    """The normalised form of a cluster by itself, with the blank that it begins with."""

    def __missing__(self, cluster: str) -> str:
        key = " " * (_TO_SPACE.match(cluster) is not None) + normalize_query(cluster)
        if len(self) < _KEPT_CHARACTERS and len(cluster) <= _SHORT:
            self[cluster] = key
        return key


_CLUSTER_KEYS = _ClusterKeys()


def _alignment(text: str, key: str) -> tuple[list[int], list[int]]:
    """Borders of clusters in a text, from 0 on, and how long the text's key is up to each."""
    clusters = CLUSTERS.findall(text)
    parts = [_CLUSTER_KEYS[cluster] for cluster in clusters]
    if "".join(parts) != key:
        parts = list(_in_their_light(clusters))
    if "".join(parts) != key:  # no text is known for which that is so
        clusters, parts = [text], [key]
    ends = itertools.accumulate(map(len, clusters), initial=0)
    return list(ends), list(itertools.accumulate(map(len, parts), initial=0))


def _in_their_light(clusters: Sequence[str]) -> Iterator[str]:
    """What each cluster adds to the key: nothing if it is one more blank, more than by itself if it is a ½ after 1."""
    before, blank = "", True
    for cluster in clusters:
        alone = _CLUSTER_KEYS[cluster]
        if alone.startswith(" "):
            yield alone[blank:]
            before = ""
        else:
            yield normalize_query(before + cluster)[len(_CLUSTER_KEYS[before]) :] if before else alone
            before = cluster if alone else before
        blank = alone == " " or (blank and not alone)


def _end(ends: Sequence[int], lengths: Sequence[int], place: int) -> int:
    """The first border of clusters at or after a place of the key."""
    return ends[bisect.bisect_left(lengths, place)]


class NearWord(NamedTuple):
    """A word as it is found.

    Attributes:
        forms: near forms, the plain one first (`koln`, `koeln`); at least one, none of them empty.
        start, end: where it stands in the text: code points.
        glued: whether no space stands between it and the word before it, but a mark or nothing.
    """

    forms: tuple[str, ...]
    start: int
    end: int
    glued: bool


# Letters or digits in a row, and a name of one or two letters with its marks: `c++`, `c#`, but not `a+b`.
_ASCII_WORDS = re.compile(r"([^a-z0-9]*+)((?<![0-9])[a-z]{1,2}[+#]++(?![a-z])|[a-z]+|[0-9]+)")


def near_words(text: str) -> list[NearWord]:
    """The words of a text with the forms in which they are found.

    Spaces and marks part words; so does a change from letters to digits or back. Marks belong to no word, but for `+`
    and `#` right after a word of one or two letters if no letter follows (`c++`, `c#`). In scripts without spaces each
    grapheme cluster is a word, and so is each emoji. A near form has no accents, Hebrew points or Arabic vowel marks,
    no skin tone, katakana as hiragana, and Hangul as the keys that write it.
    """
    if text.isascii():
        return _ascii_words(text.lower())
    key = normalize_query(text)
    words = _ascii_words(key) if key.isascii() else list(_words(key))
    if key == text:
        return words
    ends, lengths = _alignment(text, key)
    return [
        NearWord(forms, ends[bisect.bisect_right(lengths, start) - 1], ends[bisect.bisect_left(lengths, end)], glued)
        for forms, start, end, glued in words
    ]


def near_end(text: str, word: NearWord, typed: str) -> int:
    """Where in a text ends what is typed of one of its words, of which a near form begins so.

    Args:
        word: of `near_words(text)`.
        typed: the beginning of a near form.

    Returns:
        Code points of the text, at a border of clusters. A cluster that is typed in part counts, but a Korean syllable
        counts only when it is as shown: it may yet become another one.
    """
    spelt = text[word.start : word.end]
    if spelt.isascii():
        return min(word.start + len(typed), word.end)
    before = word.start
    for end in itertools.accumulate(map(len, CLUSTERS.findall(spelt)), initial=word.start):
        forms = _forms(normalize_query(text[word.start : end]))
        if any(form.startswith(typed) for form in forms):
            made = "가" <= text[end - 1] <= "힣" and typed not in forms
            return before if made else end
        before = end
    return word.end


def _ascii_words(text: str) -> list[NearWord]:
    """Words of lower-case ASCII text. Its rules are all in `_ASCII_WORDS`; control characters are spaces."""
    words: list[NearWord] = []
    end = 0
    for gap, word in _ASCII_WORDS.findall(text):
        start = end + len(gap)
        glued = bool(words) and (not gap or (gap.isprintable() and " " not in gap))
        end = start + len(word)
        words.append(NearWord((word,), start, end, glued))
    return words


_MARKED_NAME = regex.compile(r"[+#]++(?![\p{L}\p{M}])")
_LETTER, _DIGIT, _SINGLE, _SPACE, _MARK = range(5)
_PICTURE = regex.compile(r"[\p{Extended_Pictographic}\p{Regional_Indicator}]")
_UNSPACED = re.compile(f"[{UNSPACED_SCRIPTS}]")


class _Kinds(dict[str, int]):
    """What a cluster is that begins with a character."""

    def __missing__(self, character: str) -> int:
        kind = _MARK
        if character == " ":
            kind = _SPACE
        elif character.isdecimal():
            kind = _DIGIT
        elif character.isalnum():
            kind = _SINGLE if _UNSPACED.match(character) else _LETTER
        elif _PICTURE.match(character):
            kind = _SINGLE
        if len(self) < _KEPT_CHARACTERS:
            self[character] = kind
        return kind


_KINDS = _Kinds()


def _words(key: str) -> Iterator[NearWord]:
    """Words of normalised text in any script; of ASCII text the same as `_ascii_words`."""
    glued, end, before = False, 0, _MARK
    for kind, start, run_end in _runs(key):
        if start < end:  # a mark that belongs to the name before it
            continue
        end = run_end
        if kind == _LETTER and end - start <= 2 and before != _DIGIT:
            marks = _MARKED_NAME.match(key, end)
            end = marks.end() if marks else end
        before = kind
        if kind == _SPACE:
            glued = False
        elif kind != _MARK:
            forms = _short_forms(key[start:end]) if end - start <= _SHORT else _forms(key[start:end])
            if forms:
                yield NearWord(forms, start, end, glued)
                glued = True


def _runs(key: str) -> list[tuple[int, int, int]]:
    """Kind, start and end of each run of letters, of digits, and of each other cluster."""
    runs: list[tuple[int, int, int]] = []
    last, start, end = _MARK, 0, 0
    for cluster in CLUSTERS.findall(key):
        kind = _KINDS[cluster[0]]
        if kind != last or kind > _DIGIT:
            runs.append((last, start, end))
            last, start = kind, end
        end += len(cluster)
    runs.append((last, start, end))
    return runs


_ACCENTS = re.compile(f"[{ACCENTS}]+")
_TWO_LETTERS = {"a\u0308": "ae", "o\u0308": "oe", "u\u0308": "ue", "a\u030a": "aa", "ø": "oe"}
_UMLAUT = re.compile("|".join(_TWO_LETTERS))
# a nasal before another consonant, which many write as an anusvara: हिन्दी, हिंदी
_NASAL = re.compile("[ङञणनम]\u094d(?=[क-ह])")
_HANGUL = re.compile("[가-힣ㄱ-ㆎ]")
_SHORT = 32


def _forms(word: str) -> tuple[str, ...]:
    """The near forms of a word of normalised text; none if it is made of accents alone."""
    if word.isascii():
        return (word,)
    decomposed = unicodedata.normalize("NFD", word)
    forms = [_plain(decomposed)]
    if _UMLAUT.search(decomposed):
        forms.append(_plain(_UMLAUT.sub(lambda match: _TWO_LETTERS[match.group()], decomposed)))
    if _NASAL.search(decomposed):
        forms.append(_plain(_NASAL.sub("\u0902", decomposed)))
    if _HANGUL.search(word):
        forms = [_HANGUL.sub(lambda match: _keys(match.group()), form) for form in forms]
    return tuple(dict.fromkeys(filter(None, forms)))


_short_forms = functools.lru_cache(1 << 13)(_forms)  # of words of `_SHORT` code points: 4 MB at most


def _plain(decomposed: str) -> str:
    return unicodedata.normalize("NFC", _ACCENTS.sub("", decomposed).translate(PLAIN))


def _keys(character: str) -> str:
    """The keys of a two-set keyboard that write a syllable or a letter, so that an unfinished one is a beginning."""
    if character < "가":
        return "".join(COMPOUNDS.get(character, character))
    initial, vowel, final = letters(character)
    return INITIALS[initial] + "".join(
        "".join(COMPOUNDS.get(letter, letter)) for letter in (VOWELS[vowel], FINALS[final])
    )
