"""The vocabulary of a language model, from training text alone."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from lm.errors import ConfigError
from lm.models.tokenizer import SUBWORD_FILE
from lm.models.vocabulary import SPACE, Vocabulary
from lm.text.normalize import normalize_text, split_words
from training.config import LanguageModelConfig
from training.progress import Reporter

_RESERVED = {"<unk>", "<s>", "</s>", "<oov>"}


def build_vocabulary(config: LanguageModelConfig, texts: list[Path], folder: Path, reporter: Reporter) -> Vocabulary:
    """Builds and saves the vocabulary, and for subwords the SentencePiece model, into `folder`.

    Args:
        texts: training text, a sentence a line.

    Raises:
        ConfigError: the text is too small for the vocabulary asked for.
    """
    with reporter.task(f"{config.name}: vocabulary"):
        vocabulary = _words(config, texts) if config.unit == "word" else _subwords(config, texts, folder)
    vocabulary.save(folder)
    return vocabulary


def _words(config: LanguageModelConfig, texts: list[Path]) -> Vocabulary:
    counts: Counter[str] = Counter()
    split = str.split if config.pretokenized else split_words
    for path in texts:
        with path.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                counts.update(split(normalize_text(line, lowercase=config.lowercase)))
    kept = [
        word
        for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if count >= config.min_count and word not in _RESERVED and SPACE not in word
    ]
    return Vocabulary.from_tokens(SPACE + word for word in kept[: config.vocabulary_size])


def _subwords(config: LanguageModelConfig, texts: list[Path], folder: Path) -> Vocabulary:
    import sentencepiece

    model = io.BytesIO()
    try:
        # From an iterator, into memory: the model would otherwise hold the paths of both.
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_normal_lines(config, texts),
            model_writer=model,
            model_type="bpe",
            vocab_size=config.vocabulary_size,
            character_coverage=1.0,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            max_sentence_length=1 << 20,
            minloglevel=2,
        )
    except RuntimeError as error:
        limit = re.search(r"value <= (\d+)", str(error))
        raise ConfigError(
            f"language_models.{config.name}.vocabulary_size: the training text does not hold "
            f"{config.vocabulary_size} pieces ({error}).",
            remedy=f"Set it to {limit.group(1)} or less." if limit else "Set it lower, or give more text.",
        ) from None
    (folder / SUBWORD_FILE).write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = (processor.id_to_piece(piece) for piece in range(processor.get_piece_size()))
    return Vocabulary.from_tokens(piece for piece in pieces if piece not in _RESERVED)


def _normal_lines(config: LanguageModelConfig, texts: list[Path]) -> Iterator[str]:
    for path in texts:
        with path.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                yield normalize_text(line, lowercase=config.lowercase)
