"""The n-gram model: by KenLM or from counts, as the configuration says."""

from __future__ import annotations

from pathlib import Path

from lm.models.vocabulary import Vocabulary
from training.config import NgramConfig
from training.data.encoding import EncodedText
from training.ngram.count_ngram import train_counts
from training.ngram.kenlm_ngram import train_kneser_ney
from training.progress import Reporter


def train_ngram(
    config: NgramConfig, train: EncodedText, vocabulary: Vocabulary, folder: Path, *, reporter: Reporter, label: str
) -> None:
    """Trains an n-gram model and writes its files into `folder`.

    Raises:
        ConfigError: the text is too small for the model; says what to do.
        InputError: a tool failed, such as for a full disk.
    """
    if config.smoothing == "kneser_ney":
        train_kneser_ney(config, train, vocabulary, folder, reporter=reporter, label=label)
    else:
        train_counts(config, train, vocabulary, folder, reporter=reporter, label=label)
