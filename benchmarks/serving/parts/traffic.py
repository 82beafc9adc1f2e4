"""Typing traffic with the process's cache on: calls that a processor second answers.

Processor seconds are counted while calls arrive at a rate that every server can take. To saturate the empty handler,
the client would need more than its one core.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.serving.bench import EMPTY, OTHER, THIS_ONE, Bench
from benchmarks.serving.calls import COMPLETE, completion_request
from benchmarks.serving.figures import Figure, at_least, degraded, none
from benchmarks.serving.open_loop import ceiling, offer_by_turns
from benchmarks.serving.servers import Started
from benchmarks.serving.typing_traffic import typing_traffic

_RATE_PER_S = 150
_BEFORE = 10
"""Times as many calls come before the ones that are measured. The cache then holds what it holds after a while."""


def measure(bench: Bench) -> Iterator[Figure]:
    """Yields the figures."""
    count, rounds = int(_RATE_PER_S * bench.effort.load_s), bench.effort.rounds
    before = _BEFORE * count * rounds
    typed, due_s = typing_traffic(bench.queries(), before + count * rounds, _RATE_PER_S)
    requests = [completion_request(query) for query in typed]
    parts = [slice(start, start + count) for start in range(before, len(requests), count)]
    with bench.beside_empty(COMPLETE, bench.servers({"--cache": "process"}), requests[:before]) as (servers, _):
        highest = ceiling(servers[EMPTY].address, requests[0])
        hits = _hits(servers[THIS_ONE])
        loads, call_s = offer_by_turns(servers, [(requests[part], due_s[part] - due_s[part][0]) for part in parts])
        cached = (_hits(servers[THIS_ONE]) - hits) / (count * rounds)
    for name, target in ((EMPTY, 0.6), (OTHER, 0.8)):
        if name in call_s:
            said = f"{1 / call_s[THIS_ONE]:.0f} and {1 / call_s[name]:.0f}, {cached:.0%} from the cache"
            title = f"typing traffic, cache on: calls a processor second / {name}"
            yield at_least(title, call_s[name] / call_s[THIS_ONE], target, said)
    mine = loads[THIS_ONE]
    yield degraded("typing traffic", sum(load.degraded for load in mine) / rounds)
    yield none("typing traffic: calls not answered", sum(load.failed for load in mine))
    late_ms = max(load.lateness_s for load in mine) * 1000
    said = f"{highest} calls/s to the empty handler; at {_RATE_PER_S}/s 99% sent within {late_ms:.2f} ms"
    yield Figure(name="open-loop client: its own ceiling", measured=said)


def _hits(server: Started) -> float:
    return server.counted("autocomplete_cache_lookups_total", tier="process", outcome="hit")
