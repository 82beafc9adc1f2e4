"""Training text as token ids for torch, and as lines of tokens for KenLM."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lm.models.arpa import OUT_OF_VOCABULARY
from lm.models.tokenizer import Tokenizer
from lm.models.vocabulary import UNKNOWN, Vocabulary
from training.progress import Reporter


@dataclass(frozen=True, slots=True)
class EncodedText:
    """Sentences as token ids on disk.

    Attributes:
        tokens: `.npy`, int32 (all tokens,), sentences one after the other without special tokens.
        offsets: `.npy`, int64 (sentences + 1,), where each sentence begins.
    """

    tokens: Path
    offsets: Path

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
    encoded = EncodedText(folder / f"{name}.ids.npy", folder / f"{name}.offsets.npy")
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
