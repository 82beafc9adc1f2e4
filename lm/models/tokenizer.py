"""Text to token ids and back, by words or by subwords."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from lm.errors import BundleDamagedError
from lm.memo import Memo
from lm.models.vocabulary import FIRST_TOKEN, SPACE, UNKNOWN, Vocabulary
from lm.text.normalize import join_words, normalize_text, split_words

SUBWORD_FILE = "subwords.model"
_WORD_BYTES, _TEXT_BYTES = 4 << 20, 8 << 20
"""For remembering the ids of words, and the tokens of texts."""


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
        """Loads a SentencePiece model.

        Raises:
            BundleDamagedError: the file is missing or not such a model.
        """
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
