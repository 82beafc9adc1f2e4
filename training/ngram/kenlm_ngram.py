"""Modified Kneser-Ney: KenLM estimates it, then its successor table is built."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from lm.errors import ConfigError, InputError
from lm.models.arpa import share_never_seen
from lm.models.kenlm import KENLM_FILE
from lm.models.ngram import build_table
from lm.models.vocabulary import Vocabulary
from training.config import NgramConfig
from training.data.encoding import EncodedText, write_kenlm_text
from training.ngram.kenlm_tools import KenlmTools, ensure_kenlm_tools
from training.progress import Reporter


def train_kneser_ney(
    config: NgramConfig,
    train: EncodedText,
    vocabulary: Vocabulary,
    folder: Path,
    *,
    reporter: Reporter,
    label: str,
) -> None:
    """Trains a modified Kneser-Ney model (Heafield et al., 2013) and writes its files into `folder`.

    A quantised model's table holds the values that KenLM's quantised file holds, so that both give the same scores.

    Raises:
        ConfigError: the text is too small for the order; says which order works.
        InputError: a tool failed for another reason, such as a full disk.
    """
    tools = ensure_kenlm_tools(reporter)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".ngram-") as scratch_name:
        scratch = Path(scratch_name)
        text, raw, arpa = scratch / "train.txt", scratch / "raw.arpa", scratch / "model.arpa"
        with reporter.task(f"{label}: n-gram counts and discounts"):
            write_kenlm_text(train, vocabulary, text)
            _estimate(config, text, raw, tools, label)
            share_never_seen(raw, arpa, vocabulary)
            raw.unlink()
        with reporter.task(f"{label}: KenLM binary"):
            binary = scratch / KENLM_FILE
            bits = ["-q", str(config.quantize_bits)] if config.quantize_bits else []
            _run([str(tools.build_binary), *bits, "-T", str(scratch), "trie", str(arpa), str(binary)], arpa)
            shutil.move(binary, folder / KENLM_FILE)
        with reporter.task(f"{label}: successor table"):
            build_table(arpa, folder, vocabulary, config.quantize_bits)


def _estimate(config: NgramConfig, text: Path, arpa: Path, tools: KenlmTools, label: str) -> None:
    error = _lmplz(config, config.order, text, arpa, tools)
    if error is None:
        return
    if "discount" not in error.lower():
        raise InputError(text, f"`lmplz` failed: {error}")
    lower = range(config.order - 1, 1, -1)
    works = next((order for order in lower if _lmplz(config, order, text, arpa, tools) is None), None)
    raise ConfigError(
        f"language_models.{label}.ngram.order: the training text is too small for order {config.order}:"
        " no discounts can be estimated.",
        remedy=f"Set order = {works}, or give more text." if works else "Give more text: a thousand lines or more.",
    )


def _lmplz(config: NgramConfig, order: int, text: Path, arpa: Path, tools: KenlmTools) -> str | None:
    """Runs `lmplz`; returns what it complained of, or None."""
    command = [str(tools.lmplz), "-o", str(order), "-S", config.memory, "-T", str(arpa.parent)]
    command += ["--text", str(text), "--arpa", str(arpa)]
    if config.prune:
        prune = [*config.prune[:order], *[config.prune[-1]] * (order - len(config.prune))]
        command += ["--prune", *map(str, prune)]
    if config.discount_fallback:
        command += ["--discount_fallback"]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode == 0:
        return None
    tail = [line for line in result.stderr.splitlines() if line.strip()]
    return " ".join(tail[-3:]) or f"exit code {result.returncode}"


def _run(command: list[str], path: Path) -> None:
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode != 0:
        tail = [line for line in result.stderr.splitlines() if line.strip()][-2:]
        raise InputError(path, f"`{Path(command[0]).name}` failed: {' '.join(tail)}")
