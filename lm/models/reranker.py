"""A bidirectional model that scores complete texts: each token is predicted from all the others.

The forward layer reads `<s> w1 ..`, the backward one `<s> </s> wn ..`, where `<s>` says that nothing follows. The token
at a place is predicted from what both have read before they come to it. The sum over the tokens is the
pseudo-log-likelihood of the text (Wang and Cho, 2019; Salazar et al., 2020, section 2): high for a text whose tokens
all suit each other, but not the log probability of the text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lm.models.neural import Network
from lm.models.vocabulary import BEGIN, END


class Reranker(Network):
    """A trained bidirectional model."""

    def scores(self, texts: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """The pseudo-log-likelihood of each text, nats, float64 (len(texts),); 0 for a text without tokens.

        Args:
            texts: tokens without `<s>` and `</s>`. That the text ends after its last token is known to all its tokens;
                `</s>` itself is not scored, for with nothing after it it is certain.
        """
        sums_B = np.zeros(len(texts))
        rows = [row for row, tokens in enumerate(texts) if len(tokens)]
        if not rows:
            return sums_B
        log_probs_N = self.token_log_probs([texts[row] for row in rows])
        starts = np.cumsum([0, *(len(texts[row]) for row in rows[:-1])])
        sums_B[rows] = np.add.reduceat(log_probs_N, starts, dtype=np.float64)
        return sums_B

    def token_log_probs(self, texts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Natural-log probability of each token given all others of its text, one text after the other, (N,)."""
        lengths_B1 = np.array([[len(tokens)] for tokens in texts])
        steps_T = np.arange(1 + int(lengths_B1.max()))
        inputs_BT = np.zeros((len(texts), len(steps_T)), np.int64)
        targets_BT = np.zeros_like(inputs_BT)
        for row, tokens in enumerate(texts):
            inputs_BT[row, : len(tokens) + 1] = BEGIN, *tokens
            targets_BT[row, : len(tokens) + 1] = *tokens, END
        surroundings_3BT = surroundings(inputs_BT, targets_BT, steps_T <= lengths_B1)
        (hidden_BTE,) = self._recurrent.run(None, {"surroundings": surroundings_3BT})
        scored_BT = steps_T < lengths_B1
        return self._rows("target_log_probs", hidden_BTE[scored_BT], targets_BT[scored_BT])


def surroundings(
    inputs_BT: NDArray[np.int64], targets_BT: NDArray[np.int64], valid_BT: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """What a bidirectional model reads of padded rows, (3, B, T).

    Args:
        inputs_BT: the token before each target.
        valid_BT: where there is a target: the first ones of each row.

    Returns:
        The tokens before each target; those after each target, the row's last target's first; and of each target
        where in the latter its own is. So both directions begin at a row's own borders, whatever the padding.
    """
    place_T = np.arange(targets_BT.shape[1])
    place_BT = np.where(valid_BT, valid_BT.sum(axis=1, keepdims=True) - 1 - place_T, place_T)
    after_BT = np.full_like(targets_BT, BEGIN)
    after_BT[:, :-1] = np.where(valid_BT[:, 1:], targets_BT[:, 1:], BEGIN)
    return np.stack([inputs_BT, np.take_along_axis(after_BT, place_BT, axis=1), place_BT]).astype(np.int64)
