"""More load than a core can answer: latency against offered load, and what becomes of calls at twice saturation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from benchmarks.serving.bench import Bench
from benchmarks.serving.calls import COMPLETE, channel, completion_request, median_answer
from benchmarks.serving.open_loop import Load, ceiling, offer
from benchmarks.serving.results import Curve, Figure, Result, at_most, degraded, ms
from benchmarks.serving.servers import Started, empty_server, real_server
from benchmarks.serving.typing_traffic import poisson_arrivals, typing_traffic

_SHARES = (0.25, 0.5, 0.75, 0.9, 1.0, 1.5, 2.0)
_PROBE_PER_S = 60
_MORE = 2.5
"""Times what the light load makes one expect."""
_SEEDS = itertools.count(1)


def measure(bench: Bench) -> Iterator[Result]:
    """Yields the figures and the curve."""
    with uncached_server(bench) as server, ExitStack() as stack:
        saturation = find_saturation(bench, server)
        call = stack.enter_context(channel(server.address))(COMPLETE)
        typical = median_answer(call(completion_request(query)) for query in bench.queries()[:50])
        empty = stack.enter_context(empty_server({COMPLETE: typical}))
        highest = ceiling(empty.address, completion_request("a"))
        loads = {share: typing_load(bench, server, share * saturation) for share in _SHARES}
        floor = typing_load(bench, empty, 0.5 * saturation)
    half, twice = loads[0.5], loads[2.0]
    said = f"{ms(half.percentile(0.99))} to {ms(twice.percentile(0.99))}; saturation {saturation:.0f} calls/s"
    name = "overload: accepted calls' p99 at twice saturation / at half"
    yield at_most(name, twice.percentile(0.99) / half.percentile(0.99), 3, said)
    outcomes = ", ".join(f"{count} {code}" for code, count in twice.outcomes.most_common())
    lost = twice.unanswered
    yield Figure(name="overload: calls without an answer", measured=f"{lost} ({outcomes})", target="0", met=not lost)
    yield degraded("half of saturation", half.degraded)
    yield Figure(name="twice saturation: degraded answers", measured=f"{twice.degraded:.1%} of the accepted")
    late = ms(max(load.lateness_s for load in loads.values()))
    yield Figure(name="open-loop client", measured=f"its ceiling {highest} calls/s; 99% sent within {late}")
    rows = [(share * saturation, load) for share, load in loads.items() if load.answered.any()]
    lines = {
        name: [(rate, load.percentile(quantile) * 1000) for rate, load in rows]
        for name, quantile in (("p50", 0.5), ("p99", 0.99))
    }
    lines["empty handler, p50"] = [(0.5 * saturation, floor.percentile(0.5) * 1000)]
    y = "latency of accepted calls, ms"
    yield Curve(name="latency_by_load", x="calls offered a second", y=y, lines=lines, logarithmic="y")


@contextmanager
def uncached_server(bench: Bench, **flags: object) -> Iterator[Started]:
    """A server without a cache."""
    given = {"--cache": "none", **{"--" + name.replace("_", "-"): value for name, value in flags.items()}}
    with real_server(bench.registry(), flags=given, checkout=bench.checkout) as server:
        yield server


def find_saturation(bench: Bench, server: Started) -> float:
    """Calls a second that a core answers when it is offered more: more than its light load makes one expect."""
    light = replace(bench, effort=replace(bench.effort, load_s=min(bench.effort.load_s, 5.0)))
    before_s = sum(server.cpu_s().values())
    load = typing_load(light, server, _PROBE_PER_S)
    expected = len(load.codes) / max(sum(server.cpu_s().values()) - before_s, 0.01)
    typing_load(light, server, expected)
    heavy = typing_load(light, server, _MORE * expected)
    return heavy.outcomes["OK"] / float(heavy.done_s[heavy.answered].max(initial=0.01))


def typing_load(bench: Bench, server: Started, rate_per_s: float) -> Load:
    """Typing traffic of independent users (Poisson arrivals) at this rate, other queries every time."""
    seed = next(_SEEDS)
    count = max(int(rate_per_s * bench.effort.load_s), 20)
    typed, _ = typing_traffic(bench.queries(), count, rate_per_s, seed=seed)
    requests = [completion_request(query) for query in typed]
    return offer(server.address, requests, poisson_arrivals(count, rate_per_s, seed=seed))
