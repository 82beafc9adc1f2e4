"""What is searched for at present, as queries of a bundle: known ones rise, new ones must pass its screen."""

from __future__ import annotations

from lm.bundle.bundle import Bundle
from lm.index.live_queries import LiveQuery
from lm.index.queries import QueryIndex
from lm.text.duplicates import duplicate_key
from lm.text.folding import displayed_query
from lm.text.normalize import normalize_query

NEAR = ("accents", "punctuation")
"""Differences that make no other trend; see `lm.text.duplicates`."""
PRIOR_EVENTS = 5000.0
"""A bundle's log says as much of what is searched for now as so many events of late: the strength of a Dirichlet prior
whose mean are the shares of the log. So what is as frequent of late as in the log changes no order. In a smaller log an
event counts as much as a submission there."""
_LOOKED_AT = 16


def trending_key(text: str) -> str:
    """What normalised queries have in common that are one trend."""
    return duplicate_key(text, *NEAR)


def trending_query(bundle: Bundle, written: str, amount: float) -> LiveQuery | None:
    """A trend as a bundle knows it, which counts for a near-duplicate that is in the log; None if it may not be shown.

    Args:
        written: as users write it.
        amount: its events, faded.
    """
    index = bundle.queries
    text = normalize_query(written).rstrip()
    if index is None or not text:
        return None
    count = amount * max(index.total / PRIOR_EVENTS, 1.0)
    known = _known_form(index, text)
    if known is not None:
        return LiveQuery(known, count, count)
    if bundle.never_generated.screens(text):
        return None
    return LiveQuery(text, count, count, displayed_query(written) or "")


def _known_form(index: QueryIndex, text: str) -> str | None:
    """The query of the index that a text is or is near to, the most frequent one."""
    if index.count(text) > 0:
        return text
    key = trending_key(text)
    near = [match.text for match in index.word_matches(text, _LOOKED_AT) if trending_key(match.text) == key]
    return max(near, key=index.count, default=None)
