"""What further language models of queries say of the candidates: their n-gram models' opinions, for the ranking.

The first language model of queries proposes. Others, such as one of words beside one of subwords, or one of the newest
log alone, see the same queries in another way, and the ranking gives each the weight that held-out queries say
(a log-linear combination: Klakow, 1998). They cost a few microseconds a new candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from lm.memo import Memo
from lm.models.language_model import LanguageModel
from lm.models.vocabulary import END, UNKNOWN
from suggest.rank import Candidates

_OPINION_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class _Opinion:
    """A model's natural-log probability of a query, and the words of it that are unknown to the model."""

    log_prob: float
    unknown_words: int


class Advisers:
    """Further language models of queries; threads may share them. What they say of a query is remembered."""

    def __init__(self, models: Sequence[LanguageModel]) -> None:
        self._models = [(model, Memo[str, _Opinion](_OPINION_BYTES)) for model in models]

    def __len__(self) -> int:
        return len(self._models)

    def advise(self, candidates: Candidates) -> Candidates:
        """The candidates with each adviser's opinion.

        `advice` becomes the natural logs of their shares, the softmax of each whole query's log probability over the
        list of its reading; `unknown_words` the words of a query that are unknown to the adviser that knows most of
        them.
        """
        if not self._models or not candidates.texts:
            return candidates
        advice, unknown = [], []
        for model, memo in self._models:
            opinions = memo.results(candidates.texts, partial(_opinions, model))
            advice.append(candidates.log_shares_of(np.array([opinion.log_prob for opinion in opinions])))
            if not model.joins:
                unknown.append([opinion.unknown_words for opinion in opinions])
        unknown_words = np.min(np.array(unknown, np.float64), axis=0) if unknown else None
        return replace(candidates, advice=np.array(advice).T, unknown_words=unknown_words)


def _opinions(model: LanguageModel, texts: Sequence[str]) -> list[_Opinion]:
    rows = [[*model.tokenizer.encode(text), END] for text in texts]
    tokens_N = np.array([token for row in rows for token in row], np.int32)
    scores, _ = model.ngram.table.score_rows(model.ngram.begin, tokens_N, np.cumsum([0, *map(len, rows)]))
    return [_Opinion(score, row.count(UNKNOWN)) for score, row in zip(scores.tolist(), rows, strict=True)]
