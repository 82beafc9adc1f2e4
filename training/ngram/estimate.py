"""Trains an n-gram model: with KenLM (modified Kneser-Ney) or straight from counts, as the configuration says."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

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

    Raises:
        ConfigError: the text is too small for the model; says what to do.
        InputError: a tool failed, for example because the disk is full.
    """
    if config.smoothing == "kneser_ney":
        _train_kneser_ney(config, train, vocabulary, folder, reporter=reporter, label=label)
    else:
        train_counts(config, train, vocabulary, folder, reporter=reporter, label=label)


def _train_kneser_ney(
    config: NgramConfig, train: EncodedText, vocabulary: Vocabulary, folder: Path, *, reporter: Reporter, label: str
) -> None:
    """Modified Kneser-Ney (Heafield et al., 2013): KenLM estimates it, then its successor table is built.

    A quantised model's table holds the values of KenLM's quantised file, so that both give the same scores.
    """
    tools = ensure_kenlm_tools(reporter)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".ngram-") as scratch_name:
        scratch = Path(scratch_name)
        text, raw, arpa, binary = (scratch / name for name in ("train.txt", "raw.arpa", "model.arpa", KENLM_FILE))
        with reporter.task(f"{label}: n-gram counts and discounts"):
            write_kenlm_text(train, vocabulary, text)
            _estimate(config, text, raw, tools, label)
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


def _estimate(config: NgramConfig, text: Path, arpa: Path, tools: Path, label: str) -> None:
    complaint = _lmplz(config, config.order, text, arpa, tools)
    if complaint is None:
        return
    if "discount" not in complaint.lower():
        raise InputError(text, f"`lmplz` failed: {complaint}")
    lower = range(config.order - 1, 1, -1)
    works = next((order for order in lower if _lmplz(config, order, text, arpa, tools) is None), None)
    raise ConfigError(
        f"language_models.{label}.ngram.order: the training text is too small for order {config.order}:"
        " no discounts can be estimated.",
        remedy=f"Set order = {works}, or give more text." if works else "Give more text: a thousand lines or more.",
    )


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
