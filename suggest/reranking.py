"""The re-ranker's opinion of the best candidates, which are complete queries."""

from __future__ import annotations

from dataclasses import replace

from lm.models.language_model import LanguageModel
from suggest.rank import Candidates


def rerank(model: LanguageModel, candidates: Candidates) -> Candidates:
    """The candidates with the logs of their shares: the softmax of a reading's pseudo-log-likelihoods."""
    if model.reranker is None or not len(candidates.texts):
        return candidates
    scores_N = model.reranker.scores([model.tokenizer.encode(text) for text in candidates.texts])
    return replace(candidates, log_shares=candidates.log_shares_of(scores_N))
