"""Whether the neural model pays: it proposes queries only if that makes held-out queries clearly more probable.

With the neural model the list holds other candidates, and so the probability of a query that is not listed counts
too: that of "another query", times the share that the n-gram model gives it among all queries that are not listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lm.bundle.bundle import Bundle
from lm.bundle.manifest import Ranking
from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from lm.models.vocabulary import END
from suggest.candidates import Candidates, Pool
from suggest.complete import CHOSEN, QueryCompleter, first_rows
from suggest.opinions import SEEN, Advisers
from training.evaluation.metrics import MIN_QUERY_LENGTH, typed_prefix
from training.fit.ranking import Choice, fit_weights, held_out_log_probs, mean_and_error
from training.progress import Reporter

_QUERIES = 1000
_FEWEST = 20
"""Held-out queries without which nothing is said."""
_LEAST = 1e-3
"""All queries that are not listed have at least this probability together."""
_UNKNOWN = -30.0
"""Natural-log probability of a query that the model cannot spell."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A held-out query for which the neural model is asked: the choice without and with its proposals.

    Attributes:
        rest: natural-log share of the query among those that are not listed, without and with; 0 where it is listed.
    """

    without: Choice
    having: Choice
    rest: tuple[float, float]


def fit_neural(bundle: Bundle, queries: Sequence[str], reporter: Reporter) -> tuple[Ranking | None, dict[str, Any]]:
    """The weights of lists that the neural model proposes for, None if it is not to; and the figures that decided.

    Args:
        bundle: with the weights of lists that it does not propose for.
        queries: held-out ones.
    """
    queries = [query for query in queries if len(query) >= MIN_QUERY_LENGTH][:_QUERIES]
    completer, model, advisers = QueryCompleter(bundle), bundle.language_model("queries"), Advisers(bundle.advisers())
    asked = list[Asked]()
    with reporter.task("proposals of the neural model", len(queries)) as task:
        for number, query in enumerate(queries):
            prefix = typed_prefix(query)
            pool = completer.proposed(prefix)
            if pool.total < SEEN:
                rows = first_rows(pool, bundle.manifest.first_ranking, CHOSEN)
                lists = advisers.advise(pool.candidates.rows(rows)), completer.widened(prefix, CHOSEN)[0]
                asked.append(_asked(model, pool, lists, query, len(advisers)))
            task.update(number + 1)
    if len(asked) < _FEWEST:
        reporter.say("Too few held-out queries say whether the neural model's proposals pay: it is not asked.")
        return None, {"queries": len(asked), "kept": False}
    gain, error = _gain(asked)
    kept = gain > 2 * error
    figures = {"queries": len(asked), "nats": gain, "standard_error": error, "kept": kept}
    reporter.say(
        f"The neural model's proposals make a held-out query {gain:.3f} nats more probable (standard error {error:.3f},"
        f" {len(asked):,} queries): " + ("it proposes." if kept else "it is not asked, and may be left out.")
    )
    if not kept:
        return None, figures
    fitted, usual = fit_weights([each.having for each in asked]), bundle.manifest.ranking
    own = {name: getattr(fitted, name) for name in ("weights", "advisers", "recency", "other")}
    return usual.model_copy(update=own), figures


def _asked(model: LanguageModel, pool: Pool, lists: tuple[Candidates, Candidates], query: str, advisers: int) -> Asked:
    without, having = (Choice.of(candidates, pool.total, query, advisers) for candidates in lists)
    own = _log_prob(model, pool, query)
    return Asked(without, having, (_rest(lists[0], query, own), _rest(lists[1], query, own)))


def _log_prob(model: LanguageModel, pool: Pool, query: str) -> float:
    """The n-gram model's natural-log probability of a query given what was typed, `_UNKNOWN` at least."""
    tokens, size = [*model.tokenizer.encode(query), END], len(pool.context)
    if tuple(tokens[:size]) != pool.context:
        return _UNKNOWN
    begin = model.state(pool.context, Part.NGRAM).ngram
    scores, _ = model.ngram.table.score_all(begin, np.array(tokens[size:], np.int32))
    return max(float(scores.sum()) - pool.typed_log_prob, _UNKNOWN)


def _rest(candidates: Candidates, query: str, log_prob: float) -> float:
    if query in candidates.texts:
        return 0.0
    listed = float(np.exp(candidates.log_probs[~candidates.elsewhere]).sum())
    return min(log_prob - float(np.log(max(1.0 - listed, _LEAST))), 0.0)


def _gain(asked: Sequence[Asked]) -> tuple[float, float]:
    """The nats by which its proposals make a query more probable, and the standard error, by cross-validation."""
    rest_N2 = np.array([each.rest for each in asked])
    without_N = held_out_log_probs([each.without for each in asked]) + rest_N2[:, 0]
    having_N = held_out_log_probs([each.having for each in asked]) + rest_N2[:, 1]
    return mean_and_error(having_N - without_N)
