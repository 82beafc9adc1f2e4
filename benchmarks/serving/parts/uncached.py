"""Answers computed anew by the whole ensemble, one call at a time, as typed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np

from benchmarks.bundles import without_neural
from benchmarks.serving.bench import EMPTY, OTHER, THIS_ONE, Bench
from benchmarks.serving.calls import COMPLETE, PREDICT, Times, count_degraded, take_turns, words_request
from benchmarks.serving.figures import Figure, at_most, degraded, ms
from benchmarks.serving.typing_traffic import prefixes

_FLAGS = {"--cache": "none"}
_BARE = "without the neural part"
_OTHER_LIMIT = 1.1


def measure(bench: Bench) -> Iterator[Figure]:
    """Yields the figures of `CompleteQuery` and of `PredictNextWord`."""
    yield from _completions(bench)
    yield from _next_words(bench)


def _completions(bench: Bench) -> Iterator[Figure]:
    """The whole ensemble, and the n-gram models alone."""
    bare = without_neural(bench.bundle, bench.new_folder())
    servers = {_BARE: bench.server(_FLAGS, registry=bare), **bench.servers(_FLAGS)}
    with bench.beside_empty(COMPLETE, servers, bench.warm_up()) as (_, calls):
        times = take_turns(calls, bench.typed())
    yield _added("no cache, without the neural part", times, 0.5, 2.5, name=_BARE)
    yield _added("no cache, full ensemble", times, 0.5, 6)
    yield _added("no cache, full ensemble", times, 0.99, 15)
    yield from _against_other("no cache, full ensemble", times)
    answers = times[THIS_ONE].answers
    yield degraded("no cache, full ensemble", count_degraded(COMPLETE, answers) / len(answers))


def _next_words(bench: Bench) -> Iterator[Figure]:
    """Inside a word and at its start."""
    typed = list(islice(prefixes(bench.texts()), bench.effort.calls))
    with bench.beside_empty(PREDICT, bench.servers(_FLAGS), bench.warm_up(words_request)) as (_, calls):
        times = take_turns(calls, [words_request(text) for text in typed])
    at_start = np.array([text.endswith(" ") for text in typed])
    for place, chosen, limit in (("inside a word", ~at_start, 0.5), ("at the start of a word", at_start, 1.0)):
        part = {name: taken.chosen(chosen) for name, taken in times.items()}
        yield _added(f"PredictNextWord {place}", part, 0.5, limit)
        yield from _against_other(f"PredictNextWord {place}", part)
    answers = times[THIS_ONE].answers
    yield degraded("PredictNextWord", count_degraded(PREDICT, answers) / len(answers))


def _added(what: str, times: Mapping[str, Times], share: float, limit: float, *, name: str = THIS_ONE) -> Figure:
    """What a percentile adds to the empty handler's, in times the empty handler's p50."""
    own, empty = times[name].percentile(share), times[EMPTY].percentile(share)
    title = f"{what}: p{100 * share:.0f} added / p50 of the empty handler"
    return at_most(title, (own - empty) / times[EMPTY].percentile(0.5), limit, f"{ms(own)}, empty {ms(empty)}")


def _against_other(what: str, times: Mapping[str, Times]) -> Iterator[Figure]:
    """What the p50 adds to the empty handler's, in times what that of the other checkout adds."""
    if OTHER in times:
        empty = times[EMPTY].percentile(0.5)
        own, other = (times[name].percentile(0.5) - empty for name in (THIS_ONE, OTHER))
        yield at_most(f"{what}: p50 added / {OTHER}", own / other, _OTHER_LIMIT, f"{ms(own)} and {ms(other)}")
