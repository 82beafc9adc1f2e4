"""All n-gram models side by side on WikiText-2, and Kneser-Ney against KenLM's own `query`.

Run from the checkout: `python -m benchmarks.ngram_models`. A line that is not empty is a sentence, its words are those
between spaces with `<unk>` as one of them, and `</s>` is counted. Deltas are tuned on the validation text.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from lm.bundle.manifest import read_manifest
from lm.errors import AutocompleteError
from lm.models.ngram import NgramModel
from lm.models.vocabulary import END, SPACE, Vocabulary
from training.config import NgramConfig, load_config
from training.data.encoding import EncodedText
from training.data.sources import read_lines
from training.ngram.estimate import train_ngram
from training.ngram.kenlm_tools import ensure_kenlm_tools
from training.pipeline import train
from training.progress import Reporter, SilentReporter, TerminalReporter

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "benchmarks" / "ngram_models.toml"
WORK = ROOT / "var" / "benchmarks" / "ngram_models"
DATA_VARIABLE = "AUTOCOMPLETE_BENCHMARK_WIKITEXT2"
DATA = ROOT.parent / "shared" / "data" / "lm" / "wikitext2"
FILES = {"train": "train.txt.xz", "validation": "valid.txt.xz", "test": "test.txt.xz"}
ORDERS = range(1, 6)
DELTAS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
CONTEXTS = 300  # whose probabilities are summed
TOLERANCE = 0.001


@dataclass(frozen=True, slots=True)
class Corpus:
    """WikiText-2 as token ids: of each part the sentences, and the training text on disk."""

    vocabulary: Vocabulary
    sentences: dict[str, list[list[int]]]
    train: EncodedText


def main() -> int:
    """Trains, measures and prints; without the data it says so and succeeds."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    data = Path(os.environ.get(DATA_VARIABLE, DATA))
    missing = [data / name for name in FILES.values() if not (data / name).is_file()]
    if missing:
        print(f"Skipped: there is no {missing[0]}. {DATA_VARIABLE} names the folder of WikiText-2.")
        return 0
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    try:
        reporter = TerminalReporter(Console(stderr=True))
        ensure_kenlm_tools(reporter)
        corpus = read_corpus(data)
        print_table(corpus, reporter)
        return compare_with_query(data, reporter)
    except AutocompleteError as error:
        print(error, file=sys.stderr)
        return 1


def read_corpus(data: Path) -> Corpus:
    """Reads the three parts; the vocabulary is that of the training text."""
    words = {part: [line.split() for _, line in read_lines(data / name)] for part, name in FILES.items()}
    vocabulary = Vocabulary.from_tokens(SPACE + word for line in words["train"] for word in line)
    ids = {word: vocabulary.id(SPACE + word) for lines in words.values() for line in lines for word in line}
    sentences = {part: [[ids[word] for word in line] for line in lines if line] for part, lines in words.items()}
    encoded = EncodedText(WORK / "train.ids.npy", WORK / "train.offsets.npy")
    np.save(encoded.tokens, np.array([token for sentence in sentences["train"] for token in sentence], np.int32))
    np.save(encoded.offsets, np.cumsum([0, *map(len, sentences["train"])], dtype=np.int64))
    return Corpus(vocabulary, sentences, encoded)


def print_table(corpus: Corpus, reporter: Reporter) -> None:
    """Trains every model and prints a row for each."""
    print("| model | order | validation | test | MB | training, CPU s | sums of probabilities |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for order in ORDERS:
        with reporter.task(f"add-delta, order {order}: tune delta", len(DELTAS)) as task:
            tuned: dict[float, float] = {}
            for delta in DELTAS:
                config = NgramConfig(smoothing="add_delta", order=order, delta=delta)
                model, _ = train_one(config, corpus, "tuning")
                tuned[delta] = perplexity(model, corpus.sentences["validation"])
                task.update(len(tuned))
        delta = min(tuned, key=tuned.__getitem__)
        print_row(f"add-delta, {delta:g}", NgramConfig(smoothing="add_delta", order=order, delta=delta), corpus)
    for order in ORDERS:
        print_row("stupid back-off", NgramConfig(smoothing="stupid_backoff", order=order), corpus)
    for order in ORDERS[1:]:
        print_row("Kneser-Ney", NgramConfig(order=order), corpus)
    print_row("Kneser-Ney, pruned 0 0 1", NgramConfig(order=5, prune=(0, 0, 1)), corpus)
    print_row("Kneser-Ney, 8 bits", NgramConfig(order=5, quantize_bits=8), corpus)


def print_row(name: str, config: NgramConfig, corpus: Corpus) -> None:
    """Trains a model, measures it and prints its row."""
    model, seconds = train_one(config, corpus, name)
    size = sum(path.stat().st_size for path in (WORK / name).iterdir())
    figures = [f"{perplexity(model, corpus.sentences[part]):.1f}" for part in ("validation", "test")]
    low, high = sums(model, corpus)
    cells = [name, str(config.order), *figures, f"{size / 1e6:.1f}", f"{seconds:.1f}", f"{low:.4f} to {high:.4f}"]
    print(f"| {' | '.join(cells)} |", flush=True)


def train_one(config: NgramConfig, corpus: Corpus, name: str) -> tuple[NgramModel, float]:
    """Trains into a folder of that name; also returns the processor time that it took, in seconds."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    start = sum(os.times()[:4])  # its own and that of KenLM's programs
    train_ngram(config, corpus.train, corpus.vocabulary, folder, reporter=SilentReporter(), label=name)
    return NgramModel(folder, corpus.vocabulary), sum(os.times()[:4]) - start


def perplexity(model: NgramModel, sentences: Sequence[Sequence[int]]) -> float:
    """Perplexity a word, ends of sentence counted."""
    scores = np.concatenate([model.log_probs([*sentence, END]) for sentence in sentences])
    return math.exp(-float(scores.mean(dtype=np.float64)))


def sums(model: NgramModel, corpus: Corpus) -> tuple[float, float]:
    """Least and greatest sum of the probabilities of all tokens, over contexts of the test text."""
    found: list[float] = []
    for sentence in corpus.sentences["test"]:
        for length in range(0, len(sentence), 10):
            _, context = model.table.score_all(model.begin, np.array(sentence[:length], np.int32))
            log_probs = model.table.distribution(context, 0, len(corpus.vocabulary))
            found.append(float(np.exp(log_probs.astype(np.float64)).sum()))
        if len(found) >= CONTEXTS:
            break
    return min(found), max(found)


def compare_with_query(data: Path, reporter: Reporter) -> int:
    """Prints the test perplexity that `autocomplete train` measures, and that of KenLM's programs on the same files."""
    config = load_config(CONFIG)
    publishing = config.publishing.model_copy(update={"registry": str(WORK / "registry")})
    config = config.model_copy(update={"work": str(WORK / "work"), "publishing": publishing})
    published = train(config, base=data, reporter=reporter)
    measured = read_manifest(published.path).metrics["language_models"]["words"]
    ours, theirs = measured["perplexity"]["ngram"], query(data)
    print(f"\nKneser-Ney, order 5, test: evaluation {ours:.2f} ({measured['tokens']} tokens), ", end="")
    print(f"KenLM's `query` {theirs['Perplexity including OOVs']:.2f} ({theirs['Tokens']:.0f} tokens)")
    return 0 if abs(ours / theirs["Perplexity including OOVs"] - 1) <= TOLERANCE else 1


def query(data: Path) -> dict[str, float]:
    """What KenLM's programs say of the test text, trained by themselves on the training text.

    `<unk>` is spelt otherwise for them: they keep that word for what they have never seen.
    """
    tools, arpa = ensure_kenlm_tools(SilentReporter()), WORK / "kenlm.arpa"
    for part in ("train", "test"):
        lines = (line.strip().replace("<unk>", "UNKNOWN-WORD") for _, line in read_lines(data / FILES[part]))
        (WORK / f"{part}.txt").write_text("".join(line + "\n" for line in lines if line), encoding="utf-8")
    estimate = ["-o", "5", "-S", "1G", "-T", str(WORK), "--text", str(WORK / "train.txt"), "--arpa", str(arpa)]
    subprocess.run([str(tools / "lmplz"), *estimate], capture_output=True, check=True)
    with (WORK / "test.txt").open("rb") as text:
        command = [str(tools / "query"), "-v", "summary", str(arpa)]
        output = subprocess.run(command, stdin=text, capture_output=True, text=True, check=True).stdout
    return {name: float(value) for name, value in re.findall(r"^(.+):\t(\S+)$", output, re.MULTILINE)}


if __name__ == "__main__":
    sys.exit(main())
