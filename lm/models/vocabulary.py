"""Tokens and their ids: three special ones, then all others in the byte order of their text.

A token's text spells the space before it as `▁` (U+2581), as SentencePiece does: every word of a word vocabulary
begins with it, a subword only where a word begins. What a user has typed of a token is then one range of ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lm.arrays import open_strings, save_strings, sorted_strings
from lm.kernels.strings import SortedStrings, spellings
from lm.memo import Memo
from lm.text.hangul import TypedPrefix

UNKNOWN, BEGIN, END = 0, 1, 2
SPECIAL_TOKENS = (b"<unk>", b"<s>", b"</s>")
FIRST_TOKEN = len(SPECIAL_TOKENS)
SPACE = "▁"
_CONSTRAINT_BYTES = 8 << 20


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
