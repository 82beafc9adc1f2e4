"""Text to token ids and back: a vocabulary, and how text is cut into its tokens, by words or by subwords.

Three special tokens come first, then all others in the byte order of their text.

A token's text spells the space before it as `▁` (U+2581), as SentencePiece does: every word of a word vocabulary
begins with it, a subword only where a word begins. What a user has typed of a token is then one range of ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lm.arrays import open_strings, save_strings, sorted_strings
from lm.errors import BundleDamagedError
from lm.kernels.strings import SortedStrings, spellings
from lm.memo import Memo
from lm.text.hangul import TypedPrefix
from lm.text.normalize import join_words, normalize_text, split_words

UNKNOWN, BEGIN, END = 0, 1, 2
SPECIAL_TOKENS = (b"<unk>", b"<s>", b"</s>")
FIRST_TOKEN = len(SPECIAL_TOKENS)
SPACE = "▁"
SUBWORD_FILE = "subwords.model"
_CONSTRAINT_BYTES = 8 << 20
_WORD_BYTES, _TEXT_BYTES = 4 << 20, 8 << 20
"""For remembering the ids of words, and the tokens of texts."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """Which tokens spell typed text, byte by byte.

    After `o` of its L bytes are spelt, the tokens of `[lows[o], highs[o])` spell all the rest and may go on; part
    `p` of `[part_starts[o], part_starts[o + 1])` is a token that spells on up to byte `part_offsets[p]` only. A range
    of characters at the end of a `TypedPrefix` counts as one byte more: no token spells a part of it.

    Attributes:
        lows, highs: int32 (L,).
        part_starts: int32 (L + 1,).
        part_tokens, part_offsets: int32 (number of parts,).
    """

    lows: NDArray[np.int32]
    highs: NDArray[np.int32]
    part_starts: NDArray[np.int32]
    part_tokens: NDArray[np.int32]
    part_offsets: NDArray[np.int32]

    @property
    def arrays(self) -> tuple[NDArray[np.int32], ...]:
        """As the beam kernel takes them."""
        return (self.lows, self.highs, self.part_starts, self.part_tokens, self.part_offsets)

    def parts(self, offset: int) -> list[tuple[int, int]]:
        """Tokens that spell only a part of what is left at `offset`, each with the offset it leads to."""
        span = slice(self.part_starts[offset], self.part_starts[offset + 1])
        return list(zip(self.part_tokens[span].tolist(), self.part_offsets[span].tolist(), strict=True))

    def following(self, tokens: Sequence[int]) -> NDArray[np.int64] | None:
        """Tokens that may come after those that spell on from the beginning; None once all is spelt."""
        offset = 0
        for token in tokens:
            if offset == len(self.lows) or self.lows[offset] <= token < self.highs[offset]:
                return None
            offset = dict(self.parts(offset))[token]
        if offset == len(self.lows):
            return None
        whole = np.arange(self.lows[offset], self.highs[offset], dtype=np.int64)
        return np.concatenate((whole, np.array([token for token, _ in self.parts(offset)], np.int64)))


class Vocabulary:
    """Immutable tokens in id order."""

    def __init__(self, strings: SortedStrings) -> None:
        self._strings = strings
        self._spelt = _Spelt(strings)
        self._constraints: Memo[TypedPrefix, Constraint] = Memo(_CONSTRAINT_BYTES, deep=True)

    @classmethod
    def from_tokens(cls, tokens: Iterable[str]) -> Vocabulary:
        """Makes a vocabulary of distinct token texts, in any order."""
        encoded = sorted({token.encode() for token in tokens})
        return cls(sorted_strings(encoded))

    @classmethod
    def open(cls, folder: Path) -> Vocabulary:
        """Maps what `save` wrote.

        Raises:
            BundleDamagedError: a file is missing or not what it should be.
        """
        return cls(open_strings(folder, "tokens"))

    def save(self, folder: Path) -> None:
        """Writes the vocabulary into a folder."""
        save_strings(folder, "tokens", self._strings)

    def __len__(self) -> int:
        return FIRST_TOKEN + len(self._strings)

    def token(self, token_id: int) -> bytes:
        """Text of a token, UTF-8."""
        return SPECIAL_TOKENS[token_id] if token_id < FIRST_TOKEN else self._strings[token_id - FIRST_TOKEN]

    def id(self, token: str) -> int:
        """Id of a token, `UNKNOWN` if there is none of that text."""
        position = self._strings.find(token.encode())
        return UNKNOWN if position < 0 else FIRST_TOKEN + position

    def prefix_range(self, prefix: bytes) -> tuple[int, int]:
        """Half-open range of the ids of the tokens that begin with `prefix`."""
        low, high = self._strings.prefix_range(prefix)
        return FIRST_TOKEN + low, FIRST_TOKEN + high

    def typed_range(self, typed: TypedPrefix) -> tuple[int, int]:
        """Half-open range of the ids of the tokens that begin with all that was typed."""
        low, high = self._strings.between(*typed.bounds())
        return FIRST_TOKEN + low, FIRST_TOKEN + high

    def spell(self, tokens: Iterable[int]) -> str:
        """Text of a sequence of tokens, without the space before the first and without special ones."""
        return "".join(map(self._spelt.__getitem__, tokens)).lstrip(" ")

    def constraint(self, typed: TypedPrefix) -> Constraint:
        """Which tokens spell what was typed, where each word begins with `▁`."""
        return self._constraints.result(typed, self._constraint)

    def _constraint(self, typed: TypedPrefix) -> Constraint:
        return Constraint(*spellings(self._strings, typed.literal.encode(), *typed.bounds(), FIRST_TOKEN))


class _Spelt(dict[int, str]):
    """Tokens as text, as they are asked for. Not by the vocabulary, which is to go with its last reference."""

    def __init__(self, strings: SortedStrings) -> None:
        self._strings = strings

    def __missing__(self, token: int) -> str:
        text = "" if token < FIRST_TOKEN else self._strings[token - FIRST_TOKEN].decode().replace(SPACE, " ")
        self[token] = text
        return text


class Tokenizer(Protocol):
    """One way to cut text."""

    def encode(self, text: str) -> list[int]:
        """Ids of the text's tokens, without special ones; `UNKNOWN` where the vocabulary has none."""

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, as a person writes it."""


class WordTokenizer:
    """A token for each word and each punctuation mark; of text that is already cut, for what spaces part."""

    def __init__(self, vocabulary: Vocabulary, *, lowercase: bool, pretokenized: bool) -> None:
        self._vocabulary = vocabulary
        self._lowercase = lowercase
        self._split = str.split if pretokenized else split_words
        self._ids: Memo[str, int] = Memo(_WORD_BYTES)

    def encode(self, text: str) -> list[int]:
        """See `Tokenizer.encode`."""
        return self._ids.results(self._words(text), self._look_up)

    def _words(self, text: str) -> list[str]:
        if text.isascii() and text.replace(" ", "").isalnum():  # most queries
            return (text.lower() if self._lowercase else text).split()
        return self._split(normalize_text(text, lowercase=self._lowercase))

    def _look_up(self, words: Sequence[str]) -> list[int]:
        return [self._vocabulary.id(SPACE + word) for word in words]

    def decode(self, tokens: Sequence[int]) -> str:
        """See `Tokenizer.decode`."""
        if len(tokens) == 1 and tokens[0] >= FIRST_TOKEN:
            return self._vocabulary.spell(tokens)
        words = [self._vocabulary.token(token).decode().removeprefix(SPACE) for token in tokens]
        return join_words(words)


class SubwordTokenizer:
    """Byte-pair pieces of words, by SentencePiece; a piece never crosses a space."""

    def __init__(self, model: Path, vocabulary: Vocabulary, *, lowercase: bool) -> None:
        """Loads a SentencePiece model; raises `BundleDamagedError` if the file is missing or not such a model."""
        import sentencepiece

        try:
            self._processor: Any = sentencepiece.SentencePieceProcessor(model_file=str(model))
        except (OSError, RuntimeError) as error:
            raise BundleDamagedError(model, f"cannot be read ({error})") from None
        pieces = [self._processor.id_to_piece(piece) for piece in range(self._processor.get_piece_size())]
        # SentencePiece numbers pieces by rank, we by their bytes.
        self._ids = [vocabulary.id(piece) for piece in pieces]
        self._encoded: Memo[str, tuple[int, ...]] = Memo(_TEXT_BYTES)  # popular queries are proposed again and again
        self._vocabulary = vocabulary
        self._lowercase = lowercase

    def encode(self, text: str) -> list[int]:
        """See `Tokenizer.encode`."""
        return list(self._encoded.result(text, self._encode))

    def _encode(self, text: str) -> tuple[int, ...]:
        normal = normalize_text(text, lowercase=self._lowercase)
        ids = self._ids
        # the numbers are those of `ids`, so the tuple holds none of its own
        return tuple([ids[piece] for piece in self._processor.encode(normal)]) if normal else ()

    def decode(self, tokens: Sequence[int]) -> str:
        """See `Tokenizer.decode`."""
        if UNKNOWN in tokens:
            tokens = [token for token in tokens if token != UNKNOWN]
        return self._vocabulary.spell(tokens)


def open_tokenizer(
    folder: Path, unit: str, vocabulary: Vocabulary, *, lowercase: bool, pretokenized: bool = False
) -> Tokenizer:
    """The tokenizer of a language model's folder; `unit` is `word` or `subword`."""
    if unit == "word":
        return WordTokenizer(vocabulary, lowercase=lowercase, pretokenized=pretokenized)
    return SubwordTokenizer(folder / SUBWORD_FILE, vocabulary, lowercase=lowercase)
