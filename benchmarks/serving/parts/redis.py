"""`CompleteQuery`, the answer in Redis alone: a real Redis on loopback, and no room in the process."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from benchmarks.serving.bench import EMPTY, THIS_ONE, Bench
from benchmarks.serving.calls import COMPLETE, completion_request, take_turns
from benchmarks.serving.figures import Figure, at_most, ms
from benchmarks.serving.servers import CLIENT_CORES, Started, pinned
from benchmarks.serving.typing_traffic import prefixes
from tests.redis_process import RedisProcess


def measure(bench: Bench) -> Iterator[Figure]:
    """Yields the figure."""
    redis = RedisProcess(bench.new_folder())
    with pinned(CLIENT_CORES):  # it works while the client waits, as it would on another machine
        redis.start()
    try:
        yield _added(bench, redis.url)
    finally:
        redis.stop()


def _added(bench: Bench, url: str) -> Figure:
    # distinct, so that the one place in the process never has the next one
    requests = [
        completion_request(prefix) for prefix in islice(dict.fromkeys(prefixes(bench.queries())), bench.effort.calls)
    ]
    flags = {"--cache": "all", "--redis": url, "--redis-timeout-ms": "50", "--cache-entries": "1"}
    with bench.beside_empty(COMPLETE, {THIS_ONE: bench.server(flags)}, requests) as (servers, calls):
        before = _hits(servers[THIS_ONE])
        times = take_turns(calls, requests)
        share = (_hits(servers[THIS_ONE]) - before) / len(requests)
    p50, floor = (times[name].percentile(0.5) for name in (THIS_ONE, EMPTY))
    said = f"{ms(p50)}, empty {ms(floor)}, {share:.1%} hits"
    name = "cached in Redis only: p50 added to the empty handler"
    return at_most(name, (p50 - floor) * 1000, 0.15, said, unit=" ms")


def _hits(server: Started) -> float:
    return server.counted("autocomplete_cache_lookups_total", tier="redis", outcome="hit")
