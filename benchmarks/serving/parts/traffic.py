"""Typing traffic with the process's cache on: calls a second that a core answers.

The client of the empty handler would need more than the core it has, so the server's processor seconds are counted
while calls arrive at a rate that both can take: what a core answers in a second is what a processor second answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.serving.bench import Bench
from benchmarks.serving.calls import COMPLETE, channel, completion_request, median_answer
from benchmarks.serving.open_loop import Load, ceiling, offer
from benchmarks.serving.results import Figure, Result, at_least, degraded
from benchmarks.serving.servers import Started, empty_server, real_server
from benchmarks.serving.typing_traffic import typing_traffic

_RATE_PER_S = 150
_BEFORE = 10
"""Times as many calls as are measured come before, so that the cache holds what it holds after a while."""


def measure(bench: Bench) -> Iterator[Result]:
    """Yields the figures."""
    count, rounds = int(_RATE_PER_S * bench.effort.load_s), bench.effort.rounds
    before = _BEFORE * count * rounds
    typed, due_s = typing_traffic(bench.queries(), before + count * rounds, _RATE_PER_S)
    requests = [completion_request(query) for query in typed]
    loads: list[tuple[Load, float]] = []
    with ExitStack() as stack:
        real = stack.enter_context(real_server(bench.registry(), flags={"--cache": "process"}))
        call = stack.enter_context(channel(real.address))(COMPLETE)
        answers = [call(request) for request in requests[:before]]  # as after a while of the same traffic
        empty = stack.enter_context(empty_server({COMPLETE: median_answer(answers)}))
        highest = ceiling(empty.address, requests[0])
        used = {real: 0.0, empty: 0.0}
        for start in range(before, len(requests), count):
            part = slice(start, start + count)
            for server in used:
                before_s, hits = sum(server.cpu_s().values()), _hits(real)
                load = offer(server.address, requests[part], due_s[part] - due_s[part][0])
                used[server] += sum(server.cpu_s().values()) - before_s
                loads += [(load, _hits(real) - hits)] if server is real else []
    rates = [count * rounds / max(used[server], 1e-9) for server in (real, empty)]
    shares = [hit / count for _, hit in loads]
    said = f"{rates[0]:.0f} and {rates[1]:.0f} calls a processor second, {sum(shares) / rounds:.0%} from the cache"
    yield at_least("typing traffic, cache on: calls/s on one core / empty handler", rates[0] / rates[1], 0.6, said)
    yield degraded("typing traffic", sum(load.degraded for load, _ in loads) / rounds)
    wrong = sum(count - load.outcomes["OK"] for load, _ in loads)
    late_ms = max(load.lateness_s for load, _ in loads) * 1000
    yield Figure(name="typing traffic: calls not answered", measured=f"{wrong}", target="0", met=not wrong)
    yield Figure(
        name="open-loop client: its own ceiling",
        measured=f"{highest} calls/s to the empty handler; at {_RATE_PER_S}/s 99% sent within {late_ms:.2f} ms",
    )


def _hits(server: Started) -> float:
    return server.counted("autocomplete_cache_lookups_total", tier="process", outcome="hit")
