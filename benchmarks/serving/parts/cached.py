"""`CompleteQuery`, the answer kept in the process: time of one call, and calls a processor second."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.serving.bench import EMPTY, OTHER, THIS_ONE, Bench
from benchmarks.serving.calls import COMPLETE, take_turns
from benchmarks.serving.figures import Figure, at_least, at_most, ms
from benchmarks.serving.open_loop import offer_by_turns
from benchmarks.serving.typing_traffic import fixed_arrivals

_RATE_PER_S = 400


def measure(bench: Bench) -> Iterator[Figure]:
    """Yields the figures."""
    requests = bench.typed()
    count = int(_RATE_PER_S * bench.effort.load_s)
    load = [requests[number % len(requests)] for number in range(count)], fixed_arrivals(count, _RATE_PER_S)
    with bench.beside_empty(COMPLETE, bench.servers({"--cache": "process"}), requests) as (servers, calls):
        times = take_turns(calls, requests, warm_up=requests[:200])
        offer_by_turns(servers, [load])  # warms up
        loads, call_s = offer_by_turns(servers, [load] * bench.effort.rounds)
    own_s = times[THIS_ONE].percentile(0.5)
    wrong = sum(each.failed for each in loads[THIS_ONE])
    for name in (EMPTY, OTHER):
        if name in times:
            other_s = times[name].percentile(0.5)
            title = f"cached in the process, one at a time: p50 / {name}"
            yield at_most(title, own_s / other_s, 1.25, f"{ms(own_s)} and {ms(other_s)}")
            said = f"{1 / call_s[THIS_ONE]:.0f} and {1 / call_s[name]:.0f}, {wrong} calls not OK"
            title = f"cached in the process: calls a processor second / {name}"
            yield at_least(title, call_s[name] / call_s[THIS_ONE], 0.8, said)
