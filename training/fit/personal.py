"""The weights of what a user did before, fitted on logs that have users and times.

Each user's submissions are looked at in their order: what was typed of one, and which of the earlier ones, or of what
their words make of it, it was.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

import numpy as np

from lm.bundle.bundle import Bundle
from lm.bundle.manifest import Personal
from lm.index.queries import QueryIndex
from suggest.own import History, OwnQuery
from suggest.personal import User, prefix_log_share, refine_features, repeat_features
from training.data.query_log import HISTORIES_FILE
from training.evaluation.metrics import MIN_QUERY_LENGTH, typed_prefix
from training.fit.ranking import Choice, fit
from training.progress import Reporter

_FEWEST, _MOST = 200, 6000
"""Choices without which nothing is fitted, and the largest number used."""
_OWN_QUERIES = 200


def fit_personal(bundle: Bundle, data: Path, reporter: Reporter) -> Personal:
    """The weights that make what users typed next most probable; the usual ones if too few of them are known.

    Args:
        data: folder of the counted log.
    """
    usual = Personal()
    if bundle.queries is None or not (data / HISTORIES_FILE).is_file():
        return usual
    with reporter.task("weights of own queries"):
        choices = list(_choices(bundle.queries, data / HISTORIES_FILE))
    if len(choices) < _FEWEST:
        return usual
    sizes = [len(usual.repeats), len(usual.refines), len(usual.other)]
    at_least_0 = np.repeat([True, False, False], sizes)
    start = np.array([*usual.repeats, *usual.refines, *usual.other])
    fitted = fit(choices, start, at_least_0, np.zeros(len(start), np.bool_))
    repeats, refines, other = np.split(fitted, np.cumsum(sizes)[:-1])
    share = sum(choice.wanted < len(choice.listed) for choice in choices) / len(choices)
    reporter.say(f"Of queries that might be, {share:.0%} are earlier ones of the same user, or made of their words.")
    return Personal(repeats=tuple(repeats.tolist()), refines=tuple(refines.tolist()), other=tuple(other.tolist()))


def _choices(index: QueryIndex, path: Path) -> Iterator[Choice]:
    """What users chose, where something was to be chosen from: with nothing typed, and with a part of it."""
    made = 0
    for submissions in _by_user(path):
        known: dict[str, OwnQuery] = {}
        for at_s, query in submissions:
            if known:
                latest = sorted(known.values(), key=lambda each: -each.last_s)[:_OWN_QUERIES]
                user = User.of(History(latest), (), at_s)
                typed = ["", typed_prefix(query)] if len(query) >= MIN_QUERY_LENGTH else [""]
                for choice in (_choice(index, user, each, query) for each in typed):
                    if len(choice.listed):
                        made += 1
                        yield choice
                if made >= _MOST:
                    return
            times = known[query].times if query in known else 0
            known[query] = OwnQuery(query, query, at_s, times + 1)


def _choice(index: QueryIndex, user: User, typed: str, query: str) -> Choice:
    found, refined = user.candidates(typed)
    repeats, refines = repeat_features(found, user.now_s), refine_features(refined)
    listed = np.zeros((len(found) + len(refined), repeats.shape[1] + refines.shape[1]))
    listed[: len(found), : repeats.shape[1]] = repeats
    listed[len(found) :, repeats.shape[1] :] = refines
    texts = [each.query.text for each in found] + [each.text for each in refined]
    # what a user does next must not be told by the log that it stands in
    own = float(index.count(query) > 0)
    total = index.completions(typed, 1)[1] if typed else index.total
    log_share = prefix_log_share(max(total - own, 0.0), index.total - own) if typed else 0.0
    wanted = texts.index(query) if query in texts else len(texts)
    return Choice(listed, np.array([1.0, -log_share]), wanted)


def _by_user(path: Path) -> Iterator[list[tuple[float, str]]]:
    """The submissions of each user, in their order: seconds since 1970, and the query."""
    from pyarrow.parquet import read_table

    table = read_table(path)
    rows = zip(*(table[name].to_pylist() for name in ("user", "time_s", "query")), strict=True)
    for _, submissions in itertools.groupby(rows, key=itemgetter(0)):
        yield [(at_s, query) for _, at_s, query in submissions]
