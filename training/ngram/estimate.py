"""Trains an n-gram model: with KenLM (modified Kneser-Ney) or straight from counts, as the configuration says."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lm.errors import ConfigError, InputError
from lm.models.arpa import share_never_seen
from lm.models.ngram import KENLM_FILE, build_table
from lm.models.vocabulary import Vocabulary
from training.config import NgramConfig
from training.data.encoding import EncodedText, write_kenlm_text
from training.ngram.count_ngram import train_counts
from training.ngram.kenlm_tools import ensure_kenlm_tools
from training.progress import Reporter


def train_ngram(
    config: NgramConfig, train: EncodedText, vocabulary: Vocabulary, folder: Path, *, reporter: Reporter, label: str
) -> None:
    """Trains an n-gram model and writes its files into `folder`. Progress and errors name it by its `label`.

    Where the text is too small for settings that the configuration leaves out, others take their place, with a line
    that says so.

    Raises:
        ConfigError: the text is too small for the model as it is set; says what to do.
        InputError: a tool failed, for example because the disk is full.
    """
    if config.smoothing == "kneser_ney":
        config = _train_kneser_ney(config, train, vocabulary, folder, reporter=reporter, label=label)
    if config.smoothing != "kneser_ney":
        train_counts(config, train, vocabulary, folder, reporter=reporter, label=label)


def _train_kneser_ney(
    config: NgramConfig, train: EncodedText, vocabulary: Vocabulary, folder: Path, *, reporter: Reporter, label: str
) -> NgramConfig:
    """Modified Kneser-Ney (Heafield et al., 2013): KenLM estimates it, then its successor table is built.

    A quantised model's table holds the values of KenLM's quantised file, so that both give the same scores.

    Returns:
        The settings that suit the text; of another smoothing if nothing else does, and then nothing is written.
    """
    tools = ensure_kenlm_tools(reporter)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".ngram-") as scratch_name:
        scratch = Path(scratch_name)
        text, raw, arpa, binary = (scratch / name for name in ("train.txt", "raw.arpa", "model.arpa", KENLM_FILE))
        with reporter.task(f"{label}: n-gram counts and discounts"):
            write_kenlm_text(train, vocabulary, text)
            longest = int(np.diff(np.load(train.offsets)).max(initial=0)) + 2  # with `<s>` and `</s>`
            config = _estimate(config, longest, text, raw, tools, label, reporter)
            if config.smoothing != "kneser_ney":
                return config
            share_never_seen(raw, arpa, vocabulary)
            raw.unlink()
        with reporter.task(f"{label}: KenLM binary"):
            bits = ["-q", str(config.quantize_bits)] if config.quantize_bits else []
            command: list[str | Path] = [tools / "build_binary", *bits, "-T", scratch, "trie", arpa, binary]
            if complaint := _complaint(command):
                raise InputError(arpa, f"`build_binary` failed: {complaint}")
            shutil.move(binary, folder / KENLM_FILE)
        with reporter.task(f"{label}: successor table"):
            build_table(arpa, folder, vocabulary, config.quantize_bits)
    return config


def _estimate(
    config: NgramConfig, longest: int, text: Path, arpa: Path, tools: Path, label: str, reporter: Reporter
) -> NgramConfig:
    """Estimates the model; returns the settings that it was estimated with, or `add_delta` if none of them works.

    Args:
        longest: the longest n-gram that the text holds.
    """
    complaint = _lmplz(config, config.order, text, arpa, tools)
    if complaint is None:
        return config
    if "discount" not in complaint.lower():
        raise InputError(text, f"`lmplz` failed: {complaint}")
    for instead, what in _instead(config, longest):
        if instead.smoothing != "kneser_ney" or _lmplz(instead, instead.order, text, arpa, tools) is None:
            problem = f"the training text has too few different n-grams to estimate discounts for order {config.order}"
            reporter.say(f"{label}: {problem}: {what}.")
            return instead
    raise ConfigError(
        f"language_models.{label}.ngram: the training text is too small for the settings: no discounts of order "
        f"{config.order} can be estimated.",
        remedy="Leave out order, smoothing and discount_fallback, so that they suit the text, or give more text.",
    )


def _instead(config: NgramConfig, longest: int) -> Iterator[tuple[NgramConfig, str]]:
    """Settings for a text that is too small for these, the nearest first, each with what it does.

    What the configuration sets stays as it is.
    """
    given = config.model_fields_set
    shorter = [f"order {longest}, that of the longest one"] if longest < config.order and "order" not in given else []
    if shorter:
        config = config.model_copy(update={"order": max(longest, 2)})
        yield config, shorter[0]
    if "discount_fallback" not in given:
        what = "KenLM's fixed ones where they are missing (discount_fallback)"
        yield config.model_copy(update={"discount_fallback": True}), ", and ".join([*shorter, what])
    if not given & {"smoothing", "prune", "quantize_bits"}:
        what = 'smoothing = "add_delta" takes the place of "kneser_ney"'
        yield config.model_copy(update={"smoothing": "add_delta"}), ", and ".join([*shorter, what])


def _lmplz(config: NgramConfig, order: int, text: Path, arpa: Path, tools: Path) -> str | None:
    """Runs `lmplz`; returns what it complained of, or None."""
    command: list[str | Path] = [tools / "lmplz", "-o", str(order), "--text", text, "--arpa", arpa]
    command += ["-S", config.memory, "-T", arpa.parent]
    if config.prune:
        prune = [*config.prune[:order], *[config.prune[-1]] * (order - len(config.prune))]
        command += ["--prune", *map(str, prune)]
    if config.discount_fallback:
        command += ["--discount_fallback"]
    return _complaint(command)


def _complaint(command: Sequence[str | Path]) -> str | None:
    """Runs a program; returns the end of what it said if it failed, else None."""
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode == 0:
        return None
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    return " ".join(lines[-3:]) or f"exit code {result.returncode}"
