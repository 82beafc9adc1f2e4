"""The mixture's weight, and what other weights would give."""

from __future__ import annotations

from typing import Any

import numpy as np

from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from training.evaluation.perplexity import ScoredText, perplexity

_WEIGHTS = np.linspace(0.0, 1.0, 21)


def mixture(model: LanguageModel, text: ScoredText) -> dict[str, Any]:
    """The n-gram model's share, and the perplexity of the held-out text by share, from 0 to 1."""
    ngram, neural = text.log_probs[Part.NGRAM], text.log_probs[Part.NEURAL]
    with np.errstate(divide="ignore"):
        logs = np.stack([np.log(_WEIGHTS), np.log1p(-_WEIGHTS)], axis=1)
    mixed = [perplexity(np.logaddexp(ngram + log_ngram, neural + log_neural)) for log_ngram, log_neural in logs]
    return {
        "ngram_weight": model.entry.ngram_weight,
        "by_weight": [
            {"ngram_weight": round(float(weight), 2), "perplexity": value}
            for weight, value in zip(_WEIGHTS, mixed, strict=True)
        ],
    }
