"""What a second worker costs: processor seconds a call of two and of one, many connections, no cache.

Both may use all cores, as workers do. The kernel deals out connections by a hash, so their shares are up to chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.serving.bench import Bench
from benchmarks.serving.calls import completion_request
from benchmarks.serving.figures import Figure, at_most, none
from benchmarks.serving.open_loop import offer_by_turns
from benchmarks.serving.servers import ALL_CORES
from benchmarks.serving.typing_traffic import typing_traffic

_CONNECTIONS, _RATE_PER_S = 64, 100


def measure(bench: Bench) -> Iterator[Figure]:
    """Yields the figures."""
    count = int(_RATE_PER_S * bench.effort.load_s)
    typed, due_s = typing_traffic(bench.queries(), count, _RATE_PER_S)
    load = [completion_request(query) for query in typed], due_s
    with ExitStack() as stack:
        servers = {
            str(workers): stack.enter_context(bench.server({"--cache": "none", "--workers": workers}, cores=ALL_CORES))
            for workers in (1, 2)
        }
        offer_by_turns(servers, [load], _CONNECTIONS)  # warms up
        loads, call_s = offer_by_turns(servers, [load] * bench.effort.rounds, _CONNECTIONS)
    name = f"two workers / one worker, {_CONNECTIONS} connections: processor seconds a call"
    said = f"{call_s['2'] * 1e6:.0f} and {call_s['1'] * 1e6:.0f} us a call"
    yield at_most(name, call_s["2"] / call_s["1"], 1.1, said)
    yield none("workers: calls not answered", sum(each.failed for both in loads.values() for each in both))
