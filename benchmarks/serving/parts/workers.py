"""What a second worker costs: processor seconds a call of two and of one, many connections, no cache.

Both may use all cores, as workers do. The kernel deals connections out by a hash, so their shares are those of chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median

from benchmarks.serving.bench import Bench
from benchmarks.serving.calls import completion_request
from benchmarks.serving.open_loop import offer
from benchmarks.serving.results import Figure, Result, at_most
from benchmarks.serving.servers import ALL_CORES, real_server
from benchmarks.serving.typing_traffic import typing_traffic

_CONNECTIONS, _RATE_PER_S = 64, 100


def measure(bench: Bench) -> Iterator[Result]:
    """Yields the figures."""
    rounds, count = bench.effort.rounds, int(_RATE_PER_S * bench.effort.load_s)
    typed, due_s = typing_traffic(bench.queries(), count, _RATE_PER_S)
    requests = [completion_request(query) for query in typed]
    a_call: dict[int, list[float]] = {1: [], 2: []}
    shares, wrong = [], 0
    with ExitStack() as stack:
        servers = {
            workers: stack.enter_context(
                real_server(
                    bench.registry(),
                    flags={"--cache": "none", "--workers": workers},
                    cores=ALL_CORES,
                    checkout=bench.checkout,
                )
            )
            for workers in (1, 2)
        }
        for number in range(rounds + 1):  # the first one warms up
            for workers, server in servers.items():
                before_s = server.cpu_s()
                load = offer(server.address, requests, due_s, connections=_CONNECTIONS)
                used_s = [after - before_s.get(process, 0.0) for process, after in server.cpu_s().items()]
                if number:
                    a_call[workers].append(sum(used_s) / count)
                    wrong += count - load.outcomes["OK"]
                    busy = sorted(used_s)[-2:]
                    shares += [busy[1] / max(sum(busy), 1e-9)] if workers == 2 else []
    one, two = (median(a_call[workers]) for workers in (1, 2))
    said = f"{two * 1e6:.0f} and {one * 1e6:.0f} us a call, the busier one did {median(shares):.0%}, {wrong} not OK"
    name = f"two workers / one worker, {_CONNECTIONS} connections: processor seconds a call"
    yield at_most(name, two / max(one, 1e-9), 1.1, said)
    yield Figure(name="workers: calls not answered", measured=f"{wrong}", target="0", met=not wrong)
