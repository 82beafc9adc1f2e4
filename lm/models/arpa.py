"""ARPA files: their sections, and the share of never-seen tokens.

Format: https://cmusphinx.github.io/wiki/arpaformat/ . Words are bytes without tab, space and newline.
"""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.errors import InputError
from lm.kernels.arpa import TokenIds, parse_section
from lm.models.vocabulary import SPECIAL_TOKENS, Vocabulary

OUT_OF_VOCABULARY = b"<oov>"
"""How training text spells an unknown word; KenLM reserves `<unk>` for what its text never held."""

_NEVER_SEEN = b"<unk>"


def share_never_seen(source: Path, target: Path, vocabulary: Vocabulary) -> None:
    """Copies an ARPA file, adding the tokens of the vocabulary that it lacks.

    What the model keeps for `<unk>`, words that it has never seen, is divided equally between `<unk>` and
    these tokens, so that the probabilities over the vocabulary still sum to 1.

    Raises:
        InputError: not an ARPA file.
    """
    with source.open("rb") as lines:
        header = list(takewhile(lambda line: line != b"\\1-grams:\n", lines))
        unigrams = []
        for line in lines:
            if line == b"\n":
                break
            unigrams.append(line.rstrip(b"\n").split(b"\t"))
        seen = {fields[1] for fields in unigrams if len(fields) > 1}
        if _NEVER_SEEN not in seen:
            raise InputError(source, "not an ARPA file with `<unk>`.", remedy="Train it with `lmplz`.")
        tokens = (vocabulary.token(token) for token in range(len(SPECIAL_TOKENS), len(vocabulary)))
        absent = [token for token in tokens if token not in seen]
        with target.open("wb") as out:
            for line in header:
                count = f"ngram 1={len(unigrams) + len(absent)}\n".encode()
                out.write(count if line.startswith(b"ngram 1=") else line)
            out.write(b"\\1-grams:\n")
            for fields in unigrams:
                if fields[1] == _NEVER_SEEN:
                    share = float(fields[0]) - math.log10(len(absent) + 1)
                    fields[0] = f"{share:.7g}".encode()
                out.write(b"\t".join(fields) + b"\n")
            out.writelines(b"%.7g\t%s\t0\n" % (share, token) for token in absent)
            out.write(b"\n")
            shutil.copyfileobj(lines, out, 1 << 20)


def read_sections(
    path: Path, vocabulary: Vocabulary, quantize_bits: int | None = None
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]]:
    """Reads the sections of an ARPA file, shortest n-grams first.

    Args:
        quantize_bits: the values that KenLM's trie has with `-q` bits; it leaves unigrams as they are.

    Yields:
        (tokens int32 (n, order), log probabilities float32 (n,), back-off weights float32 (n,)), both natural
        logarithms.
        `<oov>` has id 0, as `UNKNOWN`; KenLM's own `<unk>` has the id after the vocabulary's last.

    Raises:
        InputError: an entry is malformed or holds a word that is not in the vocabulary.
    """
    text: NDArray[Any] = np.memmap(path, np.uint8, "r")
    head = bytes(text[:4096])
    counts = [int(count) for count in re.findall(rb"^ngram \d+=(\d+)$", head, re.MULTILINE)]
    if not head.startswith(b"\\data\\") or not counts or b"\\1-grams:" not in head:
        raise InputError(path, "not an ARPA file: its `\\data\\` section is missing.")
    surfaces = [vocabulary.token(token) for token in range(len(vocabulary))]
    surfaces[0] = OUT_OF_VOCABULARY
    ids = TokenIds([*surfaces, _NEVER_SEEN])
    position = head.index(b"\\1-grams:")
    for order, count in enumerate(counts, start=1):
        title = f"\\{order}-grams:\n".encode()
        if bytes(text[position : position + len(title)]) != title:
            raise InputError(path, f"section {order} is not where it should be.", byte=position)
        try:
            tokens, log_probs, backoffs, end = parse_section(text, position + len(title), order, count, ids)
        except ValueError as error:
            raise InputError(path, f"{error}.") from None
        if quantize_bits is not None and order > 1:
            log_probs = quantize(log_probs, 2**quantize_bits)
            weighty = backoffs != 0  # KenLM keeps zeros as they are, with two codes of their own
            backoffs[weighty] = quantize(backoffs[weighty], 2**quantize_bits - 2)
        yield tokens, _natural(log_probs), _natural(backoffs)
        position = end + 1  # the empty line


def _natural(log10: NDArray[np.float32]) -> NDArray[np.float32]:
    return (log10.astype(np.float64) * math.log(10)).astype(np.float32)


def quantize(values: NDArray[np.float32], bins: int) -> NDArray[np.float32]:
    """Log probabilities or back-off weights as KenLM quantises them, value for value, float32 (n,); base 10.

    Each is replaced by the nearest of a few centres, the means of bins of equal population (Federico and Bertoldi,
    2006, "How many bits are needed to store probabilities for phrase-based translation?"), computed as KenLM's
    `lm/quantize.cc` does. The values are then the very ones that KenLM's quantised trie holds.
    """
    if len(values) == 0:
        return values
    centers = _centers(np.sort(values), bins)
    above = np.searchsorted(centers, values).clip(1, len(centers) - 1)
    below_is_nearer = values - centers[above - 1] < centers[above] - values
    nearest: NDArray[np.float32] = centers[above - below_is_nearer]
    return nearest


def _centers(ordered: NDArray[np.float32], bins: int) -> NDArray[np.float32]:
    """Means of `bins` bins of equal population, ascending; where values are fewer, bins without one are left out."""
    bounds = len(ordered) * np.arange(bins + 1) // bins
    starts = bounds[:-1][np.diff(bounds) > 0]
    sums = np.add.reduceat(ordered.astype(np.float64), starts)
    means: NDArray[np.float64] = sums / np.diff(starts, append=len(ordered))
    return means.astype(np.float32)
