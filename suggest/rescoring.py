"""The neural model's opinion of many continuations of one context, each distinct beginning read once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lm.language_model import LanguageModel
from lm.parts import Part
from lm.vocabulary import END

Tokens = tuple[int, ...]


def neural_log_probs(
    model: LanguageModel, context: tuple[int, ...], continuations: Sequence[Sequence[int]]
) -> NDArray[np.float32]:
    """Natural-log probabilities of all continuations' tokens, one after the other, float32 (tokens in all,).

    Continuations that begin alike share the states and, what costs most, the distributions after their common
    tokens. A state depends on its own row alone, so sharing changes nothing.

    Args:
        context: tokens of the sentence before all of them.
        continuations: at least one, each of at least one token.
    """
    neural, state = model.neural, model.state(context, Part.ENSEMBLE)
    assert neural is not None
    assert state.neural is not None
    assert state.hidden is not None
    readers, nodes, contexts_N = _share(continuations)
    hidden_UE = state.hidden  # after the context: before the first token
    if readers:
        longest = max(map(len, readers))
        tokens_BT = np.array([[*reader, *[END] * (longest - len(reader))] for reader in readers], np.int64)
        following_BTE, _ = neural.advance(tokens_BT, np.repeat(state.neural, len(readers), axis=1))
        reader_U, depth_U = np.array(nodes, np.int64).T
        hidden_UE = np.concatenate([hidden_UE, following_BTE[reader_U, depth_U]])
    targets_N = np.concatenate(continuations)
    picked: NDArray[np.float32] = neural.log_probs(hidden_UE)[contexts_N, targets_N]
    return picked


def _share(continuations: Sequence[Sequence[int]]) -> tuple[list[Tokens], list[tuple[int, int]], list[int]]:
    """What to read, so that every beginning of a continuation is read, and where each is found.

    Returns:
        (readers, nodes, contexts): the longest beginnings, none of which begins another; of each distinct beginning
        of at least one token a reader that holds it and the position of its last token there; and for each token of
        all continuations, one after the other, what stands before it: 0 for nothing, else one more than the place
        in `nodes`.
    """
    readers: list[Tokens] = []
    nodes: list[tuple[int, int]] = []
    numbers: dict[Tokens, int] = {(): 0}
    # Backwards, so that a longer one comes before what it begins with.
    for read in sorted({tuple(tokens[:-1]) for tokens in continuations}, reverse=True):
        if read in numbers:
            continue
        for position in range(len(read)):
            beginning = read[: position + 1]
            if beginning not in numbers:
                nodes.append((len(readers), position))
                numbers[beginning] = len(nodes)
        readers.append(read)
    contexts = [numbers[tuple(tokens[:end])] for tokens in continuations for end in range(len(tokens))]
    return readers, nodes, contexts
