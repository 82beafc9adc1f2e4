"""More load than a core can answer: latency against offered load, and what becomes of calls at twice saturation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.serving.bench import Bench
from benchmarks.serving.calls import completion_request
from benchmarks.serving.figures import Figure, at_most, degraded, ms, none
from benchmarks.serving.open_loop import Load, offer
from benchmarks.serving.servers import Started
from benchmarks.serving.typing_traffic import poisson_arrivals, typing_traffic

_SHARES = (0.25, 0.5, 0.75, 0.9, 1.0, 1.5, 2.0)
_PROBE_PER_S = 60
_MORE = 2.5
"""Times what the light load makes one expect."""
_SEEDS = itertools.count(1)


def measure(bench: Bench) -> Iterator[Figure]:
    """Yields the figures."""
    with bench.server({"--cache": "none"}) as server:
        saturation = find_saturation(bench, server)
        loads = {share: typing_load(bench, server, share * saturation) for share in _SHARES}
    half, twice = loads[0.5], loads[2.0]
    said = f"{ms(half.percentile(0.99))} to {ms(twice.percentile(0.99))}; saturation {saturation:.0f} calls/s"
    name = "overload: accepted calls' p99 at twice saturation / at half"
    yield at_most(name, twice.percentile(0.99) / half.percentile(0.99), 3, said)
    outcomes = ", ".join(f"{count} {code}" for code, count in twice.outcomes.most_common())
    yield none("overload: calls without an answer", twice.unanswered, outcomes)
    yield degraded("half of saturation", half.degraded)
    yield Figure(name="twice saturation: degraded answers", measured=f"{twice.degraded:.1%} of the accepted")
    for share, load in loads.items():
        said = f"p50 {ms(load.percentile(0.5))}, p99 {ms(load.percentile(0.99))}, {load.answered.mean():.0%} accepted"
        yield Figure(name=f"{share:g} of saturation: latency of accepted calls", measured=said)
    late = ms(max(load.lateness_s for load in loads.values()))
    yield Figure(name="open-loop client", measured=f"99% sent within {late}")


def find_saturation(bench: Bench, server: Started) -> float:
    """Calls a second that a core answers when it is offered more: more than its light load makes one expect."""
    light = replace(bench, effort=replace(bench.effort, load_s=min(bench.effort.load_s, 5.0)))
    before_s = server.cpu_s()
    load = typing_load(light, server, _PROBE_PER_S)
    expected = len(load.codes) / max(server.cpu_s() - before_s, 0.01)
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
