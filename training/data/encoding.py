"""From training text to tokens: the vocabulary, token ids for torch, lines of tokens for KenLM."""

from __future__ import annotations

import io
import itertools
import re
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lm.errors import ConfigError
from lm.models.arpa import OUT_OF_VOCABULARY
from lm.models.vocabulary import SPACE, SUBWORD_FILE, UNKNOWN, Tokenizer, Vocabulary
from lm.text.normalize import normalize_text, split_words
from training.config import LanguageModelConfig
from training.progress import Reporter

_RESERVED = {"<unk>", "<s>", "</s>", "<oov>"}


def build_vocabulary(config: LanguageModelConfig, texts: list[Path], folder: Path, reporter: Reporter) -> Vocabulary:
    """Builds and saves the vocabulary, and for subwords the SentencePiece model, from texts with a sentence a line.

    Raises:
        ConfigError: the text is too small for the vocabulary asked for.
    """
    with reporter.task(f"{config.name}: vocabulary"):
        vocabulary = _words(config, texts) if config.unit == "word" else _subwords(config, texts, folder, reporter)
    vocabulary.save(folder)
    return vocabulary


def _words(config: LanguageModelConfig, texts: list[Path]) -> Vocabulary:
    counts: Counter[str] = Counter()
    split = str.split if config.pretokenized else split_words
    for line in _normal_lines(config, texts):
        counts.update(split(line))
    kept = [
        word
        for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if count >= config.min_count and word not in _RESERVED and SPACE not in word
    ]
    return Vocabulary.from_tokens(SPACE + word for word in kept[: config.vocabulary_size])


def _subwords(config: LanguageModelConfig, texts: list[Path], folder: Path, reporter: Reporter) -> Vocabulary:
    import sentencepiece

    size = config.vocabulary_size
    while True:
        model = io.BytesIO()
        try:
            # From an iterator, into memory: the model would otherwise hold the paths of both.
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=_normal_lines(config, texts),
                model_writer=model,
                model_type="bpe",
                vocab_size=size,
                character_coverage=1.0,
                normalization_rule_name="identity",
                remove_extra_whitespaces=False,
                max_sentence_length=1 << 20,
                minloglevel=2,
            )
            break
        except RuntimeError as error:
            size = _other_size(config, size, str(error), reporter)
    (folder / SUBWORD_FILE).write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = (processor.id_to_piece(piece) for piece in range(processor.get_piece_size()))
    return Vocabulary.from_tokens(piece for piece in pieces if piece not in _RESERVED)


def _other_size(config: LanguageModelConfig, size: int, complaint: str, reporter: Reporter) -> int:
    """The number of pieces that the text allows, where it does not allow `size`; raises if that was asked for."""
    most, least = re.search(r"value <= (\d+)", complaint), re.search(r"required_chars\. \d+ vs (\d+)", complaint)
    fitting = int((most or least or [0, 0])[1])
    field = f"language_models.{config.name}.vocabulary_size"
    if "vocabulary_size" in config.model_fields_set or size != config.vocabulary_size or not fitting:
        remedy = "Set it lower, or give more text."
        if fitting:
            remedy = f"Set it to {fitting} or {'less' if most else 'more'}, or leave it out."
        holds = "has more different characters than" if least else "does not hold"
        raise ConfigError(f"{field}: the training text {holds} {size} pieces ({complaint}).", remedy=remedy)
    holds = "holds no more" if most else "has that many different characters"
    reporter.say(f"{config.name}: {fitting:,} pieces in place of {size:,}, for the training text {holds}.")
    return fitting


def _normal_lines(config: LanguageModelConfig, texts: list[Path]) -> Iterator[str]:
    for path in texts:
        with path.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                yield normalize_text(line, lowercase=config.lowercase)


@dataclass(frozen=True, slots=True)
class EncodedText:
    """Sentences as token ids on disk.

    Attributes:
        tokens: `.npy`, int32 (all tokens,), sentences one after the other without special tokens.
        offsets: `.npy`, int64 (sentences + 1,), where each sentence begins.
    """

    tokens: Path
    offsets: Path

    @classmethod
    def named(cls, folder: Path, name: str) -> EncodedText:
        """The text that `encode` wrote under this name."""
        return cls(folder / f"{name}.ids.npy", folder / f"{name}.offsets.npy")

    def sentences(self) -> Iterator[NDArray[np.int32]]:
        """The sentences, each int32 (its tokens,)."""
        tokens = np.load(self.tokens, mmap_mode="r")
        offsets = np.load(self.offsets)
        for start, end in itertools.pairwise(offsets):
            yield tokens[start:end]


def encode(tokenizer: Tokenizer, texts: list[Path], folder: Path, name: str, reporter: Reporter) -> EncodedText:
    """Encodes text files, a sentence a line, into `folder/NAME.*.npy`; empty sentences are left out."""
    tokens = array("i")
    offsets = array("q", [0])
    total = sum(path.stat().st_size for path in texts)
    done = 0
    with reporter.task(f"encode {name}", total) as task:
        for path in texts:
            with path.open("rb") as lines:
                for number, line in enumerate(lines):
                    done += len(line)
                    ids = tokenizer.encode(line.decode().rstrip("\n"))
                    if ids:
                        tokens.extend(ids)
                        offsets.append(len(tokens))
                    if number % 5000 == 0:
                        task.update(done)
    encoded = EncodedText.named(folder, name)
    np.save(encoded.tokens, np.frombuffer(tokens, np.int32) if tokens else np.empty(0, np.int32))
    np.save(encoded.offsets, np.frombuffer(offsets, np.int64))
    return encoded


def write_kenlm_text(encoded: EncodedText, vocabulary: Vocabulary, path: Path) -> None:
    """Writes sentences as `lmplz` reads them: tokens with spaces between, `<oov>` for unknown ones."""
    surfaces = [vocabulary.token(token) for token in range(len(vocabulary))]
    surfaces[UNKNOWN] = OUT_OF_VOCABULARY
    with path.open("wb") as out:
        for sentence in encoded.sentences():
            out.write(b" ".join([surfaces[token] for token in sentence.tolist()]) + b"\n")
