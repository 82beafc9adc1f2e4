"""Small n-gram models of every kind, really trained on made-up text."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lm.models.ngram import NgramModel
from lm.models.vocabulary import END, UNKNOWN, Tokenizer, Vocabulary, open_tokenizer
from training.config import LanguageModelConfig, NgramConfig
from training.data.encoding import build_vocabulary, encode
from training.ngram.estimate import train_ngram
from training.progress import SilentReporter

KENLM_CONFIGS = {
    "word": LanguageModelConfig(
        name="words",
        unit="word",
        sources=("text",),
        vocabulary_size=90,  # of some 120: the others are unknown words
        ngram=NgramConfig(order=4, discount_fallback=True, memory="64M"),
    ),
    "subword": LanguageModelConfig(
        name="pieces",
        unit="subword",
        sources=("queries",),
        vocabulary_size=300,
        ngram=NgramConfig(order=5, discount_fallback=True, memory="64M"),
    ),
    "pruned": LanguageModelConfig(
        name="pruned",
        unit="word",
        sources=("text",),
        vocabulary_size=4000,  # more than the text has: no unknown words
        ngram=NgramConfig(order=4, prune=(0, 1), discount_fallback=True, memory="64M"),
    ),
}
COUNT_CONFIGS = {
    "add_delta": LanguageModelConfig(
        name="lidstone",
        unit="word",
        sources=("text",),
        vocabulary_size=90,
        ngram=NgramConfig(smoothing="add_delta", order=3, delta=0.1),
    ),
    "stupid_backoff": LanguageModelConfig(
        name="stupid",
        unit="subword",
        sources=("queries",),
        vocabulary_size=300,
        ngram=NgramConfig(smoothing="stupid_backoff", order=5),
    ),
    "unigrams": LanguageModelConfig(
        name="unigrams",
        unit="word",
        sources=("text",),
        vocabulary_size=4000,
        ngram=NgramConfig(smoothing="add_delta", order=1),
    ),
}
_TEMPLATES = (
    "the {a} {n} {v} the {n}",
    "a {n} {v} in the {a} {n}",
    "how to {v} a {n}",
    "{a} {n} near the {n}",
    "{n} and {n} {v} the {a} {a} {n}",
    "why do they {v} {n}",
)
SENTENCES = (
    "",
    "the red bano",
    "how to dela a red kelu",
    "the the the how why do they",
    "zyxw qqq the red zyxw",
    "naïve café a",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedNgram:
    vocabulary: Vocabulary
    tokenizer: Tokenizer
    model: NgramModel

    def context(self, tokens: list[int]) -> int:
        return self.model.table.score_all(self.model.begin, np.array(tokens, np.int32))[1]

    def contexts(self) -> list[int]:
        """After every beginning of every test sentence."""
        encoded = [self.tokenizer.encode(sentence) for sentence in SENTENCES]
        return [self.context(tokens[:end]) for tokens in encoded for end in range(len(tokens) + 1)]


def _write_text(path: Path, line_count: int) -> None:
    chance = random.Random(11)
    syllables = ("ba", "no", "de", "la", "ke", "lu", "ri", "so", "tu", "mi")
    nouns = [first + second for first in syllables[:6] for second in syllables]
    verbs = [first + second for first in syllables[6:] for second in syllables]
    adjectives = ["red", "big", "new", "older", "newer", "reddish", "café", "naïve"]

    def pick(words: list[str]) -> str:
        # the first words far more often than the last, as in a language
        return words[int(len(words) * chance.random() ** 2.5)]

    def fill(template: str) -> str:
        slots = {"n": nouns, "v": verbs, "a": adjectives}
        return " ".join(pick(slots[word[1]]) if word.startswith("{") else word for word in template.split())

    lines = [fill(chance.choice(_TEMPLATES)) for _ in range(line_count)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def train_on_made_up_text(config: LanguageModelConfig, folder: Path, line_count: int = 2000) -> TrainedNgram:
    silent = SilentReporter()
    text = folder / "text.txt"
    _write_text(text, line_count)
    vocabulary = build_vocabulary(config, [text], folder, silent)
    tokenizer = open_tokenizer(folder, config.unit, vocabulary, lowercase=config.lowercase)
    train_ngram(
        config.ngram,
        encode(tokenizer, [text], folder, "train", silent),
        vocabulary,
        folder,
        reporter=silent,
        label=config.name,
    )
    return TrainedNgram(vocabulary=vocabulary, tokenizer=tokenizer, model=NgramModel(folder, vocabulary))


def some_sentences(trained: TrainedNgram) -> list[list[int]]:
    """Ordinary, random and unknown ones, each with its end."""
    chance = random.Random(5)
    everything = [UNKNOWN, *range(END + 1, len(trained.vocabulary))]
    sentences = [trained.tokenizer.encode(sentence) for sentence in SENTENCES]
    sentences += [chance.choices(everything, k=8) for _ in range(30)]
    sentences.append([UNKNOWN] * 6)
    return [[*tokens, END] for tokens in sentences]
