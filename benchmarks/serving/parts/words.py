"""`PredictNextWord` computed anew by the whole ensemble, inside a word and at its start, as typed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice

import numpy as np

from benchmarks.serving.bench import Bench
from benchmarks.serving.calls import PREDICT, channel, count_degraded, median_answer, words_request
from benchmarks.serving.parts.uncached import added
from benchmarks.serving.results import Result, degraded
from benchmarks.serving.servers import empty_server, real_server
from benchmarks.serving.turns import take_turns
from benchmarks.serving.typing_traffic import prefixes


def measure(bench: Bench) -> Iterator[Result]:
    """Yields the figures."""
    typed = list(islice(prefixes(bench.texts()), bench.effort.calls))
    requests = [words_request(text) for text in typed]
    warm_up = [words_request(text) for text in bench.warm_up()]
    with ExitStack() as stack:
        real = stack.enter_context(real_server(bench.registry(), flags={"--cache": "none"}, checkout=bench.checkout))
        call = stack.enter_context(channel(real.address))(PREDICT)
        typical = median_answer(map(call, warm_up))
        empty = stack.enter_context(empty_server({PREDICT: typical}))
        empty_call = stack.enter_context(channel(empty.address))(PREDICT)
        times = take_turns({"real": call, "empty": empty_call}, requests, warm_up=warm_up)
    at_start = np.array([text.endswith(" ") for text in typed])
    for place, chosen, limit in (("inside a word", ~at_start, 0.5), ("at the start of a word", at_start, 1.0)):
        yield added(f"PredictNextWord {place}", times["real"].of(chosen), times["empty"].of(chosen), 0.5, limit)
    answers = times["real"].answers
    yield degraded("PredictNextWord", count_degraded(PREDICT, answers) / len(answers))
