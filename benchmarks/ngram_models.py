"""All n-gram models side by side on WikiText-2, and Kneser-Ney against KenLM's own `query`.

Run from the checkout: `python -m benchmarks.ngram_models`. A line that is not empty is a sentence, its words are those
between spaces with `<unk>` as one of them, and `</s>` is counted. Deltas are tuned on the validation text.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.command import WORK, data_folder, run
from lm.models.ngram import KENLM_FILE, NgramModel
from lm.models.vocabulary import END, SPACE, Vocabulary
from training.config import NgramConfig
from training.data.encoding import EncodedText, write_kenlm_text
from training.data.sources import read_lines
from training.ngram.estimate import train_ngram
from training.ngram.kenlm_tools import ensure_kenlm_tools
from training.progress import SilentReporter

FOLDER = WORK / "ngram_models"
FILES = {"train": "train.txt.xz", "validation": "valid.txt.xz", "test": "test.txt.xz"}
ORDERS = range(1, 6)
DELTAS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)


@dataclass(frozen=True, slots=True)
class Corpus:
    """WikiText-2 as token ids: the sentences of each part, and each part on disk."""

    vocabulary: Vocabulary
    sentences: dict[str, list[list[int]]]
    encoded: dict[str, EncodedText]


def main() -> None:
    """Trains every model and prints a row for each."""
    data = data_folder("AUTOCOMPLETE_BENCHMARK_WIKITEXT2", "lm/wikitext2", FILES["train"])
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    corpus = read_corpus(data)
    print("| model | order | validation | test | MB | training, CPU s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for order in ORDERS:
        tried = [NgramConfig(smoothing="add_delta", order=order, delta=delta) for delta in DELTAS]
        best = min(tried, key=lambda config: perplexity(train_one(config, corpus), corpus.sentences["validation"]))
        print_row(f"add-delta, {best.delta:g}", best, corpus)
    for order in ORDERS:
        print_row("stupid back-off", NgramConfig(smoothing="stupid_backoff", order=order), corpus)
    print_row("Kneser-Ney, pruned 0 0 1", NgramConfig(order=5, prune=(0, 0, 1)), corpus)
    print_row("Kneser-Ney, 8 bits", NgramConfig(order=5, quantize_bits=8), corpus)
    for order in ORDERS[1:]:
        print_row("Kneser-Ney", NgramConfig(order=order), corpus)
    print(f"\nThe last one by KenLM's own `query`: {query(corpus):.2f}")


def read_corpus(data: Path) -> Corpus:
    """Reads the three parts; the vocabulary is that of the training text."""
    words = {part: [line.split() for _, line in read_lines(data / name)] for part, name in FILES.items()}
    vocabulary = Vocabulary.from_tokens(SPACE + word for line in words["train"] for word in line)
    ids = {word: vocabulary.id(SPACE + word) for lines in words.values() for line in lines for word in line}
    sentences = {part: [[ids[word] for word in line] for line in lines if line] for part, lines in words.items()}
    encoded = {part: EncodedText(FOLDER / f"{part}.ids.npy", FOLDER / f"{part}.offsets.npy") for part in FILES}
    for part, text in encoded.items():
        np.save(text.tokens, np.array([token for sentence in sentences[part] for token in sentence], np.int32))
        np.save(text.offsets, np.cumsum([0, *map(len, sentences[part])], dtype=np.int64))
    return Corpus(vocabulary, sentences, encoded)


def print_row(name: str, config: NgramConfig, corpus: Corpus) -> None:
    """Trains a model, measures it and prints its row."""
    start_s = _cpu_s()
    model = train_one(config, corpus)
    seconds = _cpu_s() - start_s
    size = sum(path.stat().st_size for path in (FOLDER / "model").iterdir())
    figures = [f"{perplexity(model, corpus.sentences[part]):.1f}" for part in ("validation", "test")]
    cells = [name, str(config.order), *figures, f"{size / 1e6:.1f}", f"{seconds:.1f}"]
    print(f"| {' | '.join(cells)} |", flush=True)


def _cpu_s() -> float:
    """Processor time of this process and of KenLM's programs."""
    return sum(os.times()[:4])


def train_one(config: NgramConfig, corpus: Corpus) -> NgramModel:
    """Trains a model in place of the one before."""
    folder = FOLDER / "model"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    train_ngram(config, corpus.encoded["train"], corpus.vocabulary, folder, reporter=SilentReporter(), label="words")
    return NgramModel(folder, corpus.vocabulary)


def perplexity(model: NgramModel, sentences: Sequence[Sequence[int]]) -> float:
    """Perplexity a word, ends of sentence counted."""
    scores = np.concatenate([model.log_probs([*sentence, END]) for sentence in sentences])
    return math.exp(-float(scores.mean(dtype=np.float64)))


def query(corpus: Corpus) -> float:
    """The test perplexity of the model trained last, by KenLM's program."""
    text = FOLDER / "test.txt"
    write_kenlm_text(corpus.encoded["test"], corpus.vocabulary, text)
    command = [str(ensure_kenlm_tools(SilentReporter()) / "query"), "-v", "summary", str(FOLDER / "model" / KENLM_FILE)]
    with text.open("rb") as lines:
        output = subprocess.run(command, stdin=lines, capture_output=True, text=True, check=True).stdout
    return float(re.findall(r"Perplexity including OOVs:\t(\S+)", output)[0])


if __name__ == "__main__":
    run(main, __doc__)
