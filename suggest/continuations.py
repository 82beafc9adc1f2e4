"""The neural model's opinion of many continuations of a few contexts, each distinct beginning read once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from lm.models.vocabulary import END

Tokens = tuple[int, ...]
Continuations = tuple[Tokens, Sequence[Sequence[int]]]
"""A context and what may follow it."""


def neural_log_probs(model: LanguageModel, groups: Sequence[Continuations]) -> list[NDArray[np.float32]]:
    """Natural-log probabilities of the tokens of each group's continuations, one after the other, float32 (tokens,).

    Continuations that begin alike share the states and, what costs most, the distributions after their common
    tokens; all groups are read at once. A state depends on its own row alone, so neither changes anything.

    Args:
        groups: tokens of the sentence before all of a group's continuations, and these: at least one, each of at
            least one token.
    """
    neural = model.neural
    assert neural is not None
    readers: list[Tokens] = []
    places: list[tuple[int, int]] = []
    states, hidden, targets, contexts = [], [], [], []
    for number, (context, continuations) in enumerate(groups):
        state = model.state(context, Part.ENSEMBLE)
        assert state.neural is not None
        assert state.hidden is not None
        own_readers, nodes, own_contexts = _share(continuations)
        hidden.append(state.hidden)  # after the context: before the first token
        states.append(np.repeat(state.neural, len(own_readers), axis=1))
        first = len(groups) + len(places) - 1
        contexts.append(np.array([first + place if place else number for place in own_contexts], np.int64))
        places += [(len(readers) + reader, depth) for reader, depth in nodes]
        readers += own_readers
        targets.append(np.concatenate(continuations))
    hidden_UE = np.concatenate(hidden)
    if readers:
        longest = max(map(len, readers))
        tokens_BT = np.array([[*reader, *[END] * (longest - len(reader))] for reader in readers], np.int64)
        following_BTE, _ = neural.advance(tokens_BT, np.concatenate(states, axis=1))
        reader_U, depth_U = np.array(places, np.int64).T
        hidden_UE = np.concatenate([hidden_UE, following_BTE[reader_U, depth_U]])
    log_probs_UV = neural.log_probs(hidden_UE)
    return [log_probs_UV[rows_N, targets_N] for rows_N, targets_N in zip(contexts, targets, strict=True)]


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
