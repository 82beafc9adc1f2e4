"""What further language models of queries say of the candidates: their n-gram models' opinions, for the ranking.

The first language model of queries proposes. Others, such as one of words beside one of subwords, or one of the newest
log alone, see the same queries in another way, and the ranking gives each the weight that held-out queries say
(a log-linear combination: Klakow, 1998). They cost a few microseconds a candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lm.language_model import LanguageModel
from lm.vocabulary import END, UNKNOWN
from suggest.rank import Candidates


def advise(advisers: Sequence[LanguageModel], candidates: Candidates) -> Candidates:
    """The candidates with each adviser's opinion.

    `advice` becomes the natural logs of their shares, the softmax of each whole query's log probability over the
    list of its reading; `unknown_words` the words of a query that are unknown to the adviser that knows most of them.
    """
    if not advisers or not candidates.texts:
        return candidates
    advice, unknown = [], []
    for model in advisers:
        rows = [[*model.tokenizer.encode(text), END] for text in candidates.texts]
        tokens_N = np.array([token for row in rows for token in row], np.int32)
        starts = np.cumsum([0, *map(len, rows)])
        scores = model.ngram.table.score_rows(model.ngram.begin, tokens_N, starts)
        advice.append(candidates.log_shares_of(scores))
        if not model.joins:
            unknown.append(np.add.reduceat(tokens_N == UNKNOWN, starts[:-1], dtype=np.float64))
    unknown_words = np.min(unknown, axis=0) if unknown else None
    return replace(candidates, advice=np.stack(advice, axis=1), unknown_words=unknown_words)
