"""Typing traffic with the process's cache on: calls a second that a core answers.

The client of the empty handler would need more than the core it has, so the server's processor seconds are counted
while calls arrive at a rate that both can take: what a core answers in a second is what a processor second answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.serving.bench import OTHER, Bench
from benchmarks.serving.calls import COMPLETE, channel, completion_request, median_answer
from benchmarks.serving.open_loop import Load, ceiling, offer
from benchmarks.serving.results import Figure, Result, at_least, degraded
from benchmarks.serving.servers import Started, empty_server, real_server
from benchmarks.serving.typing_traffic import typing_traffic

_RATE_PER_S = 150
_EMPTY = "empty handler"
_BEFORE = 10
"""Times as many calls as are measured come before, so that the cache holds what it holds after a while."""


def measure(bench: Bench) -> Iterator[Result]:
    """Yields the figures."""
    count, rounds = int(_RATE_PER_S * bench.effort.load_s), bench.effort.rounds
    before = _BEFORE * count * rounds
    typed, due_s = typing_traffic(bench.queries(), before + count * rounds, _RATE_PER_S)
    requests = [completion_request(query) for query in typed]
    loads: dict[str, list[tuple[Load, float]]] = {name: [] for name in bench.checkouts()}
    with ExitStack() as stack:
        servers: dict[str, Started] = {}
        for name, checkout in bench.checkouts().items():
            servers[name] = stack.enter_context(
                real_server(bench.registry(), flags={"--cache": "process"}, checkout=checkout)
            )
            call = stack.enter_context(channel(servers[name].address))(COMPLETE)
            answers = [call(request) for request in requests[:before]]  # as after a while of the same traffic
        empty = stack.enter_context(empty_server({COMPLETE: median_answer(answers)}))
        highest = ceiling(empty.address, requests[0])
        used = dict.fromkeys([*servers, _EMPTY], 0.0)
        for start in range(before, len(requests), count):
            part = slice(start, start + count)
            for name, server in {**servers, _EMPTY: empty}.items():
                before_s, hits = sum(server.cpu_s().values()), _hits(server) if name in servers else 0.0
                load = offer(server.address, requests[part], due_s[part] - due_s[part][0])
                used[name] += sum(server.cpu_s().values()) - before_s
                if name in servers:
                    loads[name].append((load, _hits(server) - hits))
    rates = {name: count * rounds / max(seconds, 1e-9) for name, seconds in used.items()}
    shares = [hits / count for _, hits in loads[""]]
    said = (
        f"{rates['']:.0f} and {rates[_EMPTY]:.0f} calls a processor second, {sum(shares) / rounds:.0%} from the cache"
    )
    yield at_least(
        "typing traffic, cache on: calls/s on one core / empty handler", rates[""] / rates[_EMPTY], 0.6, said
    )
    if OTHER in rates:
        said = f"{rates['']:.0f} and {rates[OTHER]:.0f}"
        yield at_least(f"typing traffic: calls a processor second / {OTHER}", rates[""] / rates[OTHER], 0.8, said)
    mine = [load for load, _ in loads[""]]
    yield degraded("typing traffic", sum(load.degraded for load in mine) / rounds)
    wrong = sum(count - load.outcomes["OK"] for load in mine)
    late_ms = max(load.lateness_s for load in mine) * 1000
    yield Figure(name="typing traffic: calls not answered", measured=f"{wrong}", target="0", met=not wrong)
    yield Figure(
        name="open-loop client: its own ceiling",
        measured=f"{highest} calls/s to the empty handler; at {_RATE_PER_S}/s 99% sent within {late_ms:.2f} ms",
    )


def _hits(server: Started) -> float:
    return server.counted("autocomplete_cache_lookups_total", tier="process", outcome="hit")
