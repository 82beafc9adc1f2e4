"""`CompleteQuery`, the answer kept in the process: throughput and time of one call beside the empty handler's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from statistics import median

import numpy as np

from benchmarks.serving import h2load
from benchmarks.serving.bench import Bench
from benchmarks.serving.calls import COMPLETE, channel, completion_request, median_answer
from benchmarks.serving.results import Curve, Figure, Result, at_least, at_most, ms, skipped
from benchmarks.serving.servers import Started, empty_server, real_server
from benchmarks.serving.turns import Times, take_turns

_CONNECTIONS, _EACH = 16, 2
_THROUGHPUT = "cached in the process: throughput / empty handler"


def measure(bench: Bench) -> Iterator[Result]:
    """Yields the figures."""
    with ExitStack() as stack:
        flags = {"--cache": "process"}
        real = stack.enter_context(real_server(bench.registry(), flags=flags))
        call = stack.enter_context(channel(real.address))(COMPLETE)
        requests = [completion_request(prefix) for prefix in bench.typed()]
        answers = [call(request) for request in requests]  # now all are kept
        typical = median_answer(answers)
        empty = stack.enter_context(empty_server({COMPLETE: typical}))
        empty_call = stack.enter_context(channel(empty.address))(COMPLETE)
        yield from _one_at_a_time(
            take_turns({"cached": call, "empty handler": empty_call}, requests, warm_up=requests[:200])
        )
        if h2load.is_there():
            yield _throughput(bench, {"cached": real, "empty": empty}, requests[answers.index(typical)])
        else:
            yield skipped(_THROUGHPUT, "there is no h2load (Debian: nghttp2-client)")


def _one_at_a_time(times: Mapping[str, Times]) -> Iterator[Result]:
    floor = times["empty handler"].percentile(0.5)
    real = times["cached"].percentile(0.5)
    name = "cached in the process, one at a time: p50 / empty handler"
    yield at_most(name, real / floor, 1.25, f"{ms(real)}, empty {ms(floor)}")
    yield distribution("latency_cached", times)


def _throughput(bench: Bench, servers: Mapping[str, Started], request: bytes) -> Figure:
    count, real = bench.effort.saturating_calls, servers["cached"]
    rates: dict[str, list[float]] = {name: [] for name in servers}
    before = real.counted("autocomplete_requests_total", method=COMPLETE, code="OK")
    for _ in range(bench.effort.rounds + 1):  # the first one warms up
        for name, server in servers.items():
            rate = h2load.saturate(
                server.address, COMPLETE, request, count, bench.folder, connections=_CONNECTIONS, each=_EACH
            )
            rates[name].append(rate)
    answered = real.counted("autocomplete_requests_total", method=COMPLETE, code="OK") - before
    wrong = count * (bench.effort.rounds + 1) - answered
    each = [one / other for one, other in zip(rates["cached"][1:], rates["empty"][1:], strict=True)]
    middle = [median(rates[name][1:]) for name in ("cached", "empty")]
    said = f"{middle[0]:.0f} and {middle[1]:.0f} calls/s, rounds {min(each):.2f} to {max(each):.2f}, {wrong:g} not OK"
    figure = at_least(_THROUGHPUT, median(each), 0.8, said)
    return figure if not wrong else Figure(name=_THROUGHPUT, measured=said, target=figure.target, met=False)


def distribution(name: str, times: Mapping[str, Times]) -> Curve:
    """Of each server which share of the calls took how long at most."""
    shares = np.linspace(0.005, 0.995, 100)
    lines = {
        server: [(float(np.quantile(taken.taken_s, share)) * 1000, float(share)) for share in shares]
        for server, taken in times.items()
    }
    return Curve(name=name, x="milliseconds", y="share of calls", lines=lines, logarithmic="x")
