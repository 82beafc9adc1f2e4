"""`CompleteQuery`, the answer in Redis alone: a real Redis on loopback, and no room in the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice

from benchmarks.serving.bench import Bench
from benchmarks.serving.calls import COMPLETE, channel, completion_request, median_answer
from benchmarks.serving.results import Result, at_most, ms, skipped
from benchmarks.serving.servers import CLIENT_CORES, empty_server, pinned, real_server
from benchmarks.serving.turns import take_turns
from benchmarks.serving.typing_traffic import prefixes
from tests.redis_process import RedisProcess

_NAME = "cached in Redis only: p50 added to the empty handler"
_WARM_UP = 50


def measure(bench: Bench) -> Iterator[Result]:
    """Yields the figure."""
    redis = RedisProcess(bench.new_folder())
    try:
        with pinned(CLIENT_CORES):  # it works while the client waits, as it would on another machine
            redis.start()
    except RuntimeError as error:
        yield skipped(_NAME, str(error))
        return
    try:
        yield from _measure(bench, redis.url)
    finally:
        redis.stop()


def _measure(bench: Bench, url: str) -> Iterator[Result]:
    # distinct, so that the one place in the process never has the next one
    every = dict.fromkeys(prefixes(bench.queries()))
    requests = [completion_request(prefix) for prefix in islice(every, bench.effort.calls)]
    flags = {"--cache": "all", "--redis": url, "--redis-timeout-ms": "50", "--cache-entries": "1"}
    with ExitStack() as stack:
        server = stack.enter_context(real_server(bench.registry(), flags=flags, checkout=bench.checkout))
        call = stack.enter_context(channel(server.address))(COMPLETE)
        answers = [call(request) for request in requests]
        empty = stack.enter_context(empty_server({COMPLETE: median_answer(answers)}))
        empty_call = stack.enter_context(channel(empty.address))(COMPLETE)
        before = server.counted("autocomplete_cache_lookups_total", tier="redis", outcome="hit")
        times = take_turns({"redis": call, "empty": empty_call}, requests, warm_up=requests[:_WARM_UP])
        hits = server.counted("autocomplete_cache_lookups_total", tier="redis", outcome="hit") - before
    p50, floor = (times[name].percentile(0.5) for name in ("redis", "empty"))
    share = hits / (len(requests) + min(_WARM_UP, len(requests)))
    yield at_most(_NAME, (p50 - floor) * 1000, 0.15, f"{ms(p50)}, empty {ms(floor)}, {share:.1%} hits", unit=" ms")
