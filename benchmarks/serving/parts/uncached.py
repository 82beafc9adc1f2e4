"""`CompleteQuery` computed anew: of the whole ensemble and of the n-gram models alone, one call at a time, as typed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.serving.bench import OTHER, Bench
from benchmarks.serving.calls import COMPLETE, channel, completion_request, count_degraded, median_answer
from benchmarks.serving.parts.cached import distribution
from benchmarks.serving.results import Result, at_most, degraded, ms
from benchmarks.serving.servers import empty_server, real_server
from benchmarks.serving.turns import Times, take_turns
from benchmarks.serving.variants import without_neural

_FLAGS = {"--cache": "none"}
_FULL, _BARE = "full ensemble", "without the neural part"


def measure(bench: Bench) -> Iterator[Result]:
    """Yields the figures."""
    requests = [completion_request(prefix) for prefix in bench.typed()]
    warm_up = [completion_request(prefix) for prefix in bench.warm_up()]
    with ExitStack() as stack:
        servers = {
            name or _FULL: real_server(bench.registry(), flags=_FLAGS, checkout=checkout)
            for name, checkout in bench.checkouts().items()
        }
        bare = without_neural(bench.bundle, bench.new_folder())
        servers[_BARE] = real_server(bare, flags=_FLAGS, checkout=bench.checkout)
        calls = {
            name: stack.enter_context(channel(stack.enter_context(server).address))(COMPLETE)
            for name, server in servers.items()
        }
        typical = median_answer(map(calls[_FULL], warm_up))
        empty = stack.enter_context(empty_server({COMPLETE: typical}))
        calls["empty handler"] = stack.enter_context(channel(empty.address))(COMPLETE)
        times = take_turns(calls, requests, warm_up=warm_up)
    floor = times["empty handler"]
    yield added("no cache, without the neural part", times[_BARE], floor, 0.5, 2.5)
    yield added("no cache, full ensemble", times[_FULL], floor, 0.5, 6, stretch=4)
    yield added("no cache, full ensemble", times[_FULL], floor, 0.99, 15)
    if OTHER in times:
        for share in (0.5, 0.99):
            own, before = (times[name].percentile(share) - floor.percentile(share) for name in (_FULL, OTHER))
            said = f"{ms(own)} and {ms(before)}"
            yield at_most(f"no cache, full ensemble: p{100 * share:.0f} added / {OTHER}", own / before, 1.1, said)
    answers = times[_FULL].answers
    yield degraded("no cache, full ensemble", count_degraded(COMPLETE, answers) / len(answers))
    yield distribution("latency_uncached", times)


def added(name: str, times: Times, empty: Times, share: float, limit: float, stretch: float | None = None) -> Result:
    """What a percentile adds to the empty handler's, as so many times that one's p50."""
    own, others, floor = times.percentile(share), empty.percentile(share), empty.percentile(0.5)
    percentile = f"p{100 * share:.0f}"
    return at_most(
        f"{name}: {percentile} added / p50 of the empty handler",
        (own - others) / floor,
        limit,
        f"{ms(own)}, empty {ms(others)}" + (f", stretch {stretch}" if stretch is not None else ""),
    )
