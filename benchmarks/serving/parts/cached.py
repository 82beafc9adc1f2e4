"""`CompleteQuery`, the answer kept in the process: throughput and time of one call beside the empty handler's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from statistics import median

import numpy as np

from benchmarks.serving import h2load
from benchmarks.serving.bench import OTHER, Bench
from benchmarks.serving.calls import COMPLETE, channel, completion_request, median_answer
from benchmarks.serving.results import Curve, Figure, Result, at_least, at_most, ms, skipped
from benchmarks.serving.servers import Started, empty_server, real_server
from benchmarks.serving.turns import Times, take_turns

_CONNECTIONS, _EACH = 16, 2
_THROUGHPUT, _EMPTY = "cached in the process: throughput", "empty handler"


def measure(bench: Bench) -> Iterator[Result]:
    """Yields the figures."""
    flags = {"--cache": "process"}
    requests = [completion_request(prefix) for prefix in bench.typed()]
    with ExitStack() as stack:
        servers, calls = {}, {}
        for name, checkout in bench.checkouts().items():
            servers[name] = stack.enter_context(real_server(bench.registry(), flags=flags, checkout=checkout))
            calls[name] = stack.enter_context(channel(servers[name].address))(COMPLETE)
            answers = [calls[name](request) for request in requests]  # now all are kept
        typical = median_answer(answers)
        empty = stack.enter_context(empty_server({COMPLETE: typical}))
        calls[_EMPTY] = stack.enter_context(channel(empty.address))(COMPLETE)
        yield from _one_at_a_time(take_turns(calls, requests, warm_up=requests[:200]))
        if h2load.is_there():
            yield from _throughput(bench, servers, empty, requests[answers.index(typical)])
        else:
            yield skipped(_THROUGHPUT, "there is no h2load (Debian: nghttp2-client)")


def _one_at_a_time(times: Mapping[str, Times]) -> Iterator[Result]:
    p50 = {name: taken.percentile(0.5) for name, taken in times.items()}
    for name, limit in ((_EMPTY, 1.25), (OTHER, 1.25)):
        if name in p50:
            said = f"{ms(p50[''])}, {name} {ms(p50[name])}"
            yield at_most(f"cached in the process, one at a time: p50 / {name}", p50[""] / p50[name], limit, said)
    yield distribution("latency_cached", {name or "cached": taken for name, taken in times.items()})


def _throughput(bench: Bench, servers: Mapping[str, Started], empty: Started, request: bytes) -> Iterator[Figure]:
    count, real = bench.effort.saturating_calls, servers[""]
    rates: dict[str, list[float]] = {name: [] for name in (*servers, _EMPTY)}
    before = real.counted("autocomplete_requests_total", method=COMPLETE, code="OK")
    for _ in range(bench.effort.rounds + 1):  # the first one warms up
        for name, server in {**servers, _EMPTY: empty}.items():
            rate = h2load.saturate(
                server.address, COMPLETE, request, count, bench.folder, connections=_CONNECTIONS, each=_EACH
            )
            rates[name].append(rate)
    wrong = count * (bench.effort.rounds + 1) - (
        real.counted("autocomplete_requests_total", method=COMPLETE, code="OK") - before
    )
    for name in rates.keys() - {""}:
        each = [one / other for one, other in zip(rates[""][1:], rates[name][1:], strict=True)]
        middle = [median(rates[of][1:]) for of in ("", name)]
        said = f"{middle[0]:.0f} and {middle[1]:.0f} calls/s, rounds {min(each):.2f} to {max(each):.2f}"
        figure = at_least(f"{_THROUGHPUT} / {name}", median(each), 0.8, f"{said}, {wrong:g} not OK")
        yield replace(figure, met=figure.met and not wrong)


def distribution(name: str, times: Mapping[str, Times]) -> Curve:
    """Of each server which share of the calls took how long at most."""
    shares = np.linspace(0.005, 0.995, 100)
    lines = {
        server: [(float(np.quantile(taken.taken_s, share)) * 1000, float(share)) for share in shares]
        for server, taken in times.items()
    }
    return Curve(name=name, x="milliseconds", y="share of calls", lines=lines, logarithmic="x")
