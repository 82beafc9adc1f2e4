"""KenLM's own file, which scores whole sentences."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from lm.models.arpa import OUT_OF_VOCABULARY
from lm.models.vocabulary import UNKNOWN, Vocabulary

KENLM_FILE = "kenlm.binary"


class KenlmModel:
    """A binary that `build_binary` wrote; it is opened when it is first asked."""

    def __init__(self, path: Path, vocabulary: Vocabulary) -> None:
        self._path = path
        self._vocabulary = vocabulary
        self._model: Any = None

    def log_probs(self, tokens: list[int]) -> list[float]:
        """Natural-log probabilities of a sentence's tokens, `</s>` included if given."""
        import kenlm

        if self._model is None:
            config = kenlm.Config()
            config.load_method = kenlm.LoadMethod.LAZY
            config.show_progress = False
            self._model = kenlm.Model(str(self._path), config)
        state, following = kenlm.State(), kenlm.State()
        self._model.BeginSentenceWrite(state)
        scores = []
        for token in tokens:
            word = self._vocabulary.token(token).decode()
            never_seen = self._model.BaseScore(state, word, following) * math.log(10)
            score = never_seen
            if token == UNKNOWN and OUT_OF_VOCABULARY.decode() in self._model:
                score = self._model.BaseScore(state, OUT_OF_VOCABULARY.decode(), following) * math.log(10)
                score = float(np.logaddexp(score, never_seen))
            scores.append(score)
            state, following = following, state
        return scores
