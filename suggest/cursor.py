"""Where a suggested word goes: what of a text is context, and what is typed of the word under the cursor.

A word begins after a space or a mark of punctuation. Scripts without spaces between words give a subword model no such
place within a stretch of letters; there a word is a piece. Typing begins then at the last boundary between pieces
before which no piece can begin that goes on beyond the cursor: pieces may fall as they did in training.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from lm.models.language_model import LanguageModel
from lm.models.vocabulary import END, SPACE, UNKNOWN
from lm.text.hangul import typed_prefixes
from lm.text.normalize import ends_unspaced, is_unspaced, last_word_start, normalize_typing
from lm.text.sentences import open_sentence, sentences_so_far

MAX_CONTEXT = 256
"""Tokens of the sentences before that are read at most: whole sentences, so that one more letter changes none."""

_LONGEST_PIECE = 16
"""Code points of SentencePiece's longest piece."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The end of a text as a decoder sees it.

    Attributes:
        start: offset in the text, in code points, from which a suggestion replaces it.
        context: tokens of what is before that, see `context_tokens`.
        sentence: what is before that of the sentence under way, as it is written.
        typed: the rest, normalised.
        joined: whether it stands without a space after what is before.
    """

    start: int
    context: tuple[int, ...]
    sentence: str
    typed: str
    joined: bool = False


class Before(NamedTuple):
    """What is before a word: tokens of the sentences, and what is written of the one under way."""

    tokens: tuple[int, ...]
    sentence: str


def locate(model: LanguageModel, text: str, read: Callable[[LanguageModel, str, str], Before] | None = None) -> Cursor:
    """The cursor at the end of a text; `read` is `read_before`, or remembers what that says."""
    start = len(text) - len(re.split(r"\s", text)[-1]) if model.entry.pretokenized else last_word_start(text)
    joined = model.joins and ends_unspaced(text[:start]) and bool(open_sentence(text[:start]))
    if model.joins and is_unspaced(text[start:]):
        inside = _piece_start(model, text[start:], joined)
        start, joined = start + inside, joined or inside > 0
    typed = normalize_typing(text[start:], lowercase=model.entry.lowercase).strip()
    before = (read or read_before)(model, text[:start], text[start : start + 1])
    return Cursor(start, before.tokens, before.sentence, typed, joined)


def read_before(model: LanguageModel, text: str, following: str = "") -> Before:
    """What a text says to the word after it, of which the first letter may be known.

    The tokens are those of the sentence under way; of those before it too, each closed by `END`, if the model reads
    them.
    """
    *before, last = sentences_so_far(text, following)
    tokens = tuple(model.tokenizer.encode(last))
    limit = max(MAX_CONTEXT, model.recent_words.limit if model.recent_words else 0)
    for sentence in reversed(before if model.reads_on else []):
        longer = (*model.tokenizer.encode(sentence), END, *tokens)
        if len(longer) > limit:
            break
        tokens = longer
    return Before(tokens, last)


def _piece_start(model: LanguageModel, stretch: str, joined: bool) -> int:
    """Where the piece under the cursor begins in a stretch without spaces; 0 if nowhere else."""
    lowercase = model.entry.lowercase
    normal = normalize_typing(stretch, lowercase=lowercase)
    earliest = max(0, len(normal) - _LONGEST_PIECE)
    every = range(earliest, len(normal))
    open_from = next((at for at in every if _begins_piece(model, normal, at, joined)), len(normal))
    wanted = max(at for at in _boundaries(model, normal) if at <= open_from)
    # The same place in the text as given, which normalisation may have made shorter or longer.
    for at in range(len(stretch), max(0, len(stretch) - 4 * _LONGEST_PIECE), -1):
        head, tail = (normalize_typing(part, lowercase=lowercase) for part in (stretch[:at], stretch[at:]))
        if (head, tail) == (normal[:wanted], normal[wanted:]):
            return at
    return 0


def _begins_piece(model: LanguageModel, normal: str, at: int, joined: bool) -> bool:
    """Whether a piece of the vocabulary begins with all that is typed from there on."""
    typed = normal[at:] if at or joined else SPACE + normal
    ranges = [model.vocabulary.typed_range(prefix) for prefix in typed_prefixes(typed)]
    return any(low < high for low, high in ranges)


def _boundaries(model: LanguageModel, normal: str) -> list[int]:
    """Where pieces begin, last first, none within a letter and its marks; back to the last unknown letter."""
    found = [len(normal)]
    for token in reversed(model.tokenizer.encode(normal)):
        if token == UNKNOWN:
            break
        found.append(max(found[-1] - len(model.vocabulary.token(token).decode().removeprefix(SPACE)), 0))
    whole = [at for at in found if at == len(normal) or not unicodedata.category(normal[at]).startswith("M")]
    return [*whole, 0]
