"""The n-gram model: a table of successors, which proposes and scores, and KenLM's own file if it estimated the model.

KenLM keeps a reverse trie and cannot list what follows a context; the table can. It holds, for each order k of N,
the n-grams in the order of their ids, as arrays of n_k entries:

    tokens      int32    last token
    log_probs   float32  natural-log probability of the last token given those before it
    maxima      float32  block maxima of `log_probs`, see `lm.kernels.ranges`
    backoffs    float32  natural-log back-off weight; with add-delta smoothing the natural-log
                         probability of each token that the n-gram was never followed by    (k < N)
    successors  uint32   (n_k + 1,) where the n-grams that extend it begin in order k + 1   (k < N)
    suffixes    uint32   position in order k - 1 of the n-gram without its first token      (k > 1)

Order 1 is indexed by token id. `ngram.json` says how the counts were smoothed.
"""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lm.arrays import open_array, save_array
from lm.errors import BundleDamagedError, InputError
from lm.kernels.ngram import SuccessorKernel
from lm.kernels.ranges import block_maxima
from lm.models.arpa import OUT_OF_VOCABULARY, read_sections
from lm.models.vocabulary import BEGIN, UNKNOWN, Vocabulary

Smoothing = Literal["kneser_ney", "add_delta", "stupid_backoff"]

KENLM_FILE = "kenlm.binary"

_TYPES: dict[str, type[np.generic]] = {
    "tokens": np.int32,
    "log_probs": np.float32,
    "maxima": np.float32,
    "backoffs": np.float32,
    "successors": np.uint32,
    "suffixes": np.uint32,
}


class NgramModel:
    """An open n-gram model.

    Attributes:
        smoothing: how probabilities came from counts.
        table: the successor table; contexts are its int64 states.
        begin: the context at the start of a sentence.
        order: longest n-gram.
        count: n-grams of all orders.
    """

    def __init__(self, folder: Path, vocabulary: Vocabulary) -> None:
        """Maps what training wrote; raises `BundleDamagedError` if a file is not what it should be."""
        try:
            facts = json.loads((folder / "ngram.json").read_text(encoding="utf-8"))
            self.order = int(facts["order"])
            self.count = int(facts["count"])
            self.smoothing: Smoothing = facts["smoothing"]
            residual = -math.inf if facts["residual_log_prob"] is None else float(facts["residual_log_prob"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleDamagedError(folder / "ngram.json", f"cannot be read ({error!r})") from None
        if self.smoothing not in get_args(Smoothing):
            raise BundleDamagedError(folder / "ngram.json", f"names a smoothing {self.smoothing!r}")
        levels = [
            {name: open_array(folder / f"order{k}.{name}.npy", _TYPES[name]) for name in _names(k, self.order)}
            for k in range(1, self.order + 1)
        ]
        if len(levels[0]["tokens"]) != len(vocabulary):
            raise BundleDamagedError(folder, "the n-gram table is of another vocabulary")
        self.table = SuccessorKernel(levels, residual, uniform_unseen=self.smoothing == "add_delta")
        self.begin = (1 << 56) | BEGIN if self.order > 1 else 0
        self._vocabulary, self._kenlm_file = vocabulary, folder / KENLM_FILE

    def log_probs(self, tokens: list[int]) -> NDArray[np.float32]:
        """Natural-log probabilities of a sentence's tokens, `</s>` included if given, float32 (len(tokens),).

        KenLM's own where it estimated the model, else the table's.
        """
        if self.smoothing != "kneser_ney":
            return self.table.score_all(self.begin, np.array(tokens, np.int32))[0]
        import kenlm

        state, following = kenlm.State(), kenlm.State()
        self._kenlm.BeginSentenceWrite(state)
        scores, unknown = [], OUT_OF_VOCABULARY.decode()
        for token in tokens:
            word = self._vocabulary.token(token).decode()
            score = self._kenlm.BaseScore(state, word, following) * math.log(10)
            if token == UNKNOWN and unknown in self._kenlm:
                listed = self._kenlm.BaseScore(state, unknown, following) * math.log(10)
                score = float(np.logaddexp(listed, score))
            scores.append(score)
            state, following = following, state
        return np.array(scores, np.float32)

    @functools.cached_property
    def _kenlm(self) -> Any:
        """KenLM's own file, which `build_binary` wrote and which scores whole sentences."""
        import kenlm

        config = kenlm.Config()
        config.load_method = kenlm.LoadMethod.LAZY
        config.show_progress = False
        return kenlm.Model(str(self._kenlm_file), config)


def _names(level: int, order: int) -> list[str]:
    names = ["tokens", "log_probs", "maxima"]
    if level < order:
        names += ["backoffs", "successors"]
    if level > 1:
        names += ["suffixes"]
    return names


def save_table(
    levels: list[dict[str, NDArray[Any]]], folder: Path, smoothing: Smoothing, residual_log_prob: float | None = None
) -> None:
    """Writes the arrays of all orders, `maxima` made here.

    Args:
        residual_log_prob: see `SuccessorKernel`; None where no word is left unseen.
    """
    for order, level in enumerate(levels, start=1):
        arrays = {**level, "maxima": block_maxima(level["log_probs"])}
        for name in _names(order, len(levels)):
            save_array(folder / f"order{order}.{name}.npy", arrays[name].astype(_TYPES[name], copy=False))
    facts = {
        "smoothing": smoothing,
        "order": len(levels),
        "count": sum(len(level["tokens"]) for level in levels),
        "residual_log_prob": residual_log_prob,
    }
    (folder / "ngram.json").write_text(json.dumps(facts), encoding="utf-8")


def build_table(arpa: Path, folder: Path, vocabulary: Vocabulary, quantize_bits: int | None = None) -> None:
    """Writes the successor table of an ARPA file, with the values that KenLM's file has at so many bits.

    Raises:
        InputError: the file is malformed, or lists an n-gram without its context.
    """
    size = len(vocabulary)
    levels: list[dict[str, NDArray[Any]]] = []
    keys: list[NDArray[np.int64]] = []  # keys[k - 2]: position of the context in order k - 1, then the token
    residual = -math.inf
    sections = read_sections(arpa, vocabulary, quantize_bits)
    for order, (tokens, log_probs, backoffs) in enumerate(sections, start=1):
        if order == 1:
            level, residual = _unigrams(tokens[:, 0], log_probs, backoffs, size)
        else:
            key = _positions(keys, tokens[:, :-1], size, arpa) * size + tokens[:, -1]
            by_key = np.argsort(key)
            keys.append(key[by_key])
            level = {
                "tokens": tokens[by_key, -1],
                "log_probs": log_probs[by_key],
                "backoffs": backoffs[by_key],
                "suffixes": _positions(keys[: order - 2], tokens[by_key, 1:], size, arpa),
            }
            bounds = np.arange(len(levels[-1]["tokens"]) + 1) * size
            levels[-1]["successors"] = np.searchsorted(keys[-1], bounds)
        levels.append(level)
    save_table(levels, folder, "kneser_ney", residual)


def _unigrams(
    tokens: NDArray[np.int32], log_probs: NDArray[np.float32], backoffs: NDArray[np.float32], size: int
) -> tuple[dict[str, NDArray[Any]], float]:
    """Order 1 by id, and the log probability of never-seen words. No text goes on with `<s>`."""
    dense = np.full(size + 1, -np.inf, np.float32)
    dense[tokens] = log_probs
    weights = np.zeros(size + 1, np.float32)
    weights[tokens] = backoffs
    residual = float(dense[size])
    dense[BEGIN] = -np.inf
    level = {"tokens": np.arange(size, dtype=np.int32), "log_probs": dense[:size], "backoffs": weights[:size]}
    return level, residual


def _positions(keys: list[NDArray[np.int64]], ngrams: NDArray[np.int32], size: int, arpa: Path) -> NDArray[np.int64]:
    """Positions of n-grams (n, k) in order k."""
    position = ngrams[:, 0].astype(np.int64)
    for step in range(1, ngrams.shape[1]):
        key = position * size + ngrams[:, step]
        position = np.searchsorted(keys[step - 1], key)
        found = position < len(keys[step - 1])
        if not found.all() or not (keys[step - 1][position] == key).all():
            raise InputError(
                arpa,
                f"lists an n-gram of order {ngrams.shape[1] + 1} without its part of order {step + 1}.",
                remedy="Train it with `lmplz`, which keeps these when it prunes.",
            )
    return position
