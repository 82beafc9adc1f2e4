"""What is known of a user beside what log and models have: own earlier queries, and the session's words.

The user repeats or refines an earlier query, or does neither. The probabilities of the listed queries, which know
nothing of the user, become those of a mixture:

    P'(q) = (1 - sum of own) P(q) + own(q)

Which of the own queries is meant, if any, is a conditional logit as that of `suggest.rank`:

    own(q) = exp u(q) / (sum of exp u + exp u_other)
    u(q) = repeats . (1 if it is the session's last, -log(1 + place), -log(1 + hours ago), log times,
                      -1 if it holds the typed words otherwise, -1 if it was mistyped)       of an earlier query
         = refines . (1, letters of the last word up to 4, 1 if the word ended a query, 1 if it stood in the last one)
                                                                    of what was typed, with a word of the session
    u_other = other . (1, minus the log of the share of all submissions that begin as typed)

where the last query has place 0. The weights are fitted on logs that have users, so P' is as calibrated as P.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lm.bundle.manifest import Personal
from suggest.own import Fit, Found, History, OwnQuery
from suggest.session import MAX_CONTEXT, SESSION_S, Refinement, refinements

_MOST_LETTERS = 4
_HOUR_S = 3600.0
Floats = NDArray[np.float64]


class Chance(NamedTuple):
    """A query that its user may mean, by what the user did before; `log_prob` is the natural log of own(q)."""

    text: str
    display: str
    fit: Fit
    log_prob: float


@dataclass(frozen=True, slots=True)
class User:
    """What an answer knows of its user.

    Attributes:
        history: earlier queries, those of the session too.
        context: the session's queries, normalised, the last one last.
        now_s: seconds since 1970.
    """

    history: History
    context: tuple[str, ...]
    now_s: float

    @classmethod
    def of(cls, history: History, context: Sequence[OwnQuery], now_s: float) -> User:
        """Joins a history and the session's queries as the caller has them, the last one last.

        Without the caller's the session is what the history has of the last half hour.
        """
        if not context:
            recent = [query.text for query in history.queries[:MAX_CONTEXT] if now_s - query.last_s < SESSION_S]
            return cls(history, tuple(reversed(recent)), now_s)
        known = {query.text: query for query in history.queries}
        for place, query in enumerate(context):
            times = known[query.text].times if query.text in known else query.times
            known[query.text] = query._replace(last_s=now_s - (len(context) - 1 - place) * 1e-3, times=times)
        return cls(History(known.values()), tuple(query.text for query in context), now_s)

    def chances(self, typed: str, log_share: float, weights: Personal) -> list[Chance]:
        """What the user may mean with what was typed, normalised, the most probable first.

        Args:
            log_share: see `prefix_log_share`.
        """
        found, more = self.candidates(typed)
        if not found and not more:
            return []
        utilities_N = np.concatenate(
            [
                repeat_features(found, self.now_s) @ np.array(weights.repeats),
                refine_features(more) @ np.array(weights.refines),
            ]
        )
        other = float(np.dot(weights.other, (1.0, -log_share)))
        log_probs = (utilities_N - np.logaddexp(np.logaddexp.reduce(utilities_N), other)).tolist()
        repeated = [Chance(each.query.text, each.query.display, each.fit, 0.0) for each in found]
        refined = [Chance(each.text, each.text, Fit.REFINES, 0.0) for each in more]
        pairs = zip([*repeated, *refined], log_probs, strict=True)
        return sorted((each._replace(log_prob=log_prob) for each, log_prob in pairs), key=lambda each: -each.log_prob)

    def candidates(self, typed: str) -> tuple[list[Found], list[Refinement]]:
        """The earlier queries that fit what was typed, and what the session's words make of it."""
        found = self.history.found(typed)
        texts = {each.query.text for each in found} | {typed.rstrip()}
        return found, [each for each in refinements(typed, self.context) if each.text not in texts]


def prefix_log_share(total: float, every: float) -> float:
    """Natural log of the share of all submissions that begin as typed; one more counts, so that it is never 0.

    Args:
        total: submissions that begin so; `every` are all there are.
    """
    return math.log((total + 1) / (max(every, total) + 1))


def repeat_features(found: Sequence[Found], now_s: float) -> Floats:
    """What is multiplied with `Personal.repeats`, float64 (N, 6)."""
    rows = np.zeros((len(found), 6))
    for row, (query, place, fit) in zip(rows, found, strict=True):
        age_s = max(now_s - query.last_s, 0.0)
        row[:4] = (
            float(place == 0 and age_s < SESSION_S),
            -math.log1p(place),
            -math.log1p(age_s / _HOUR_S),
            math.log(max(query.times, 1)),
        )
        row[4:] = -float(fit is Fit.WORDS), -float(fit is Fit.MISTYPED)
    return rows


def refine_features(found: Sequence[Refinement]) -> Floats:
    """What is multiplied with `Personal.refines`, float64 (N, 4)."""
    rows = [(1.0, min(each.letters, _MOST_LETTERS), each.ends, each.last) for each in found]
    return np.array(rows, np.float64).reshape(-1, 4)
