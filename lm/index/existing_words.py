"""The words that exist, as a trie of a language model's tokens: what it generates holds no others.

A word is what spaces part. The trie has of each word the tokens that the tokenizer makes of it, so a walk also keeps
the model to the one tokenisation that it has learnt. Scripts without spaces are not in it: their pieces go on as they
like. The nodes are as in `lm.index.trie`:

    tokens    int32  the token that leads to the node
    children  int32  (N + 1,)
    ends      uint8  what ends there: see `Ending`
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lm.arrays import open_array, save_array
from lm.errors import BundleDamagedError
from lm.index.trie import build_trie
from lm.kernels.word_walk import WordWalk
from lm.models.vocabulary import FIRST_TOKEN, SPACE, UNKNOWN, Tokenizer, Vocabulary
from lm.text.normalize import is_unspaced


class Ending(IntEnum):
    """What may end with a word: the word alone, a query in which its beginning was typed, or any query."""

    WORD = 1
    TYPED_QUERY = 2
    ANY_QUERY = 3


def build_existing_words(
    folder: Path, words: Mapping[str, Ending], vocabulary: Vocabulary, tokenizer: Tokenizer
) -> None:
    """Writes the trie of words that exist, each with what may end with it."""
    paths = _paths(words, vocabulary, tokenizer)
    rows = sorted(paths)
    lengths_R = np.fromiter(map(len, rows), np.int64, len(rows))
    keys_RL = np.zeros((len(rows), int(lengths_R.max(initial=0))), np.uint32)
    for keys, row in zip(keys_RL, rows, strict=True):
        keys[: len(row)] = row
    trie = build_trie(keys_RL, lengths_R)
    ends = np.zeros(len(trie.keys), np.uint8)
    ends[trie.places] = [paths[row] for row in rows]
    save_array(folder / "tokens.npy", trie.keys.astype(np.int32))
    save_array(folder / "children.npy", trie.children.astype(np.int32))
    save_array(folder / "ends.npy", ends)


def _paths(words: Mapping[str, Ending], vocabulary: Vocabulary, tokenizer: Tokenizer) -> dict[tuple[int, ...], int]:
    """The tokens of each word, with what ends there. What a word model makes several words of is several."""
    paths = dict[tuple[int, ...], int]()
    low, high = vocabulary.prefix_range(SPACE.encode())
    for word, ending in words.items():
        tokens = tokenizer.encode(word)
        if not tokens or UNKNOWN in tokens or not low <= tokens[0] < high or is_unspaced(word):
            continue
        starts = [place for place, token in enumerate(tokens) if low <= token < high]
        for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True):
            path = tuple(tokens[start:end])
            paths[path] = max(paths.get(path, 0), ending if end == len(tokens) else Ending.WORD)
    bare = vocabulary.id(SPACE)
    if bare != UNKNOWN and _unspaced_tokens(vocabulary).any():
        paths.setdefault((bare,), 0)  # a script without spaces may follow
    return paths


def open_existing_words(folder: Path, vocabulary: Vocabulary) -> WordWalk:
    """Maps what `build_existing_words` wrote for a model of this vocabulary.

    Raises:
        BundleDamagedError: a file is not what it should be.
    """
    tokens, children = open_array(folder / "tokens.npy", np.int32), open_array(folder / "children.npy", np.int32)
    ends = open_array(folder / "ends.npy", np.uint8)
    size = len(tokens)
    fit = size and len(children) == size + 1 and len(ends) == size
    if not fit or not 0 <= tokens.min() <= tokens.max() < len(vocabulary):
        raise BundleDamagedError(folder, "the arrays of the words do not belong together, or not to the model")
    if children[0] != 1 or children[-1] != size or (np.diff(children) < 0).any():
        raise BundleDamagedError(folder, "the arrays of the words are no trie")
    bare = vocabulary.id(SPACE)
    starts = vocabulary.prefix_range(SPACE.encode())
    return WordWalk(tokens, children, ends, _unspaced_tokens(vocabulary), starts, -1 if bare == UNKNOWN else bare)


def _unspaced_tokens(vocabulary: Vocabulary) -> NDArray[np.uint8]:
    """Which tokens hold a letter of a script without spaces, uint8 (V,)."""
    unspaced_V = np.zeros(len(vocabulary), np.uint8)
    for token in range(FIRST_TOKEN, len(vocabulary)):
        text = vocabulary.token(token)
        unspaced_V[token] = not text.isascii() and is_unspaced(text.decode())
    return unspaced_V
