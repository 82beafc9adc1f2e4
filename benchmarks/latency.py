"""How long CompleteQuery takes, one call at a time: the server on one core, this client on another.

Run from the checkout: `python -m benchmarks.latency BUNDLE_OR_REGISTRY`. The held-out queries that the bundle keeps
are typed letter by letter. A server without a cache, one with a warm cache and one that does nothing take turns, so
that whatever else the machine does meets all three.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc

from benchmarks.bundles import find_bundle, held_out_prefixes, registry_of
from benchmarks.processes import Started, running
from lm.errors import AutocompleteError

_PORT = 20_451
_PREFIXES, _BLOCK = 4000, 100
_CLIENT_CORE, _SERVER_CORE = sorted(os.sched_getaffinity(0))[0], sorted(os.sched_getaffinity(0))[-1]


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE_OR_REGISTRY")
    parser.add_argument("--prefixes", type=int, default=_PREFIXES)
    given = parser.parse_args()
    try:
        bundle = find_bundle(given.bundle.resolve())
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            _measure(registry_of(bundle, Path(folder)), held_out_prefixes(bundle, given.prefixes), stack)
    except AutocompleteError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _measure(registry: Path, prefixes: list[str], stack: ExitStack) -> None:
    def start(port: int, *arguments: str) -> tuple[Started, Any]:
        server = stack.enter_context(running(arguments, port, core=_SERVER_CORE, client_core=_CLIENT_CORE))
        return server, pb_grpc.AutocompleteServiceStub(stack.enter_context(grpc.insecure_channel(server.address)))

    def start_real(port: int, cache: str) -> tuple[Started, Any]:
        flags = ["--registry", str(registry), "--address", f"127.0.0.1:{port}", "--metrics-address", "off"]
        return start(port, "cli.main", "serve", *flags, "--cache", cache)

    busy = os.getloadavg()[0]
    server, uncached = start_real(_PORT, "none")
    ready_mb = server.memory_mb("VmRSS")
    _, cached = start_real(_PORT + 1, "process")
    answers = [cached.CompleteQuery(pb.CompleteQueryRequest(query=prefix)) for prefix in prefixes]
    sizes = sorted(answers, key=lambda answer: answer.ByteSize())
    typical = sizes[len(sizes) // 2].SerializeToString()
    _, empty = start(_PORT + 2, "benchmarks.empty_server", str(_PORT + 2), typical.hex())
    times = _take_turns({"uncached": uncached, "cached": cached, "empty handler": empty}, prefixes)
    inside = [_inside(uncached, prefix) for prefix in prefixes]

    print(f"{len(prefixes)} prefixes, typical answer {len(typical)} bytes; load average before {busy:.1f}")
    for name, taken_s in {**times, "uncached, stages in the server": inside}.items():
        p50, p99 = (_percentile(taken_s, share) * 1000 for share in (0.5, 0.99))
        print(f"{name:32} p50 {p50:7.3f} ms  p99 {p99:7.3f} ms")
    floor = _percentile(times["empty handler"], 0.5)
    for name in ("cached", "uncached"):
        print(f"{name} / empty handler, p50: {_percentile(times[name], 0.5) / floor:.2f}")
    print(f"uncached stages in the server / empty handler, p50: {_percentile(inside, 0.5) / floor:.2f}")
    print(f"degraded answers in the warm-up: {sum(answer.degraded for answer in answers)}")
    print(f"ready {server.ready_s:.2f} s after the start, with {ready_mb:.0f} MiB resident")
    print(f"after the load: VmRSS {server.memory_mb('VmRSS'):.0f} MiB, VmHWM {server.memory_mb('VmHWM'):.0f} MiB")


def _take_turns(stubs: dict[str, Any], prefixes: list[str]) -> dict[str, list[float]]:
    """Seconds of each call, as the caller sees it; the first block warms up."""
    times: dict[str, list[float]] = {name: [] for name in stubs}
    for first in (0, *range(0, len(prefixes), _BLOCK)):
        for name, stub in stubs.items():
            taken_s = [_call(stub, prefix) for prefix in prefixes[first : first + _BLOCK]]
            times[name] += taken_s
    return {name: taken_s[_BLOCK:] for name, taken_s in times.items()}


def _call(stub: Any, prefix: str) -> float:
    request = pb.CompleteQueryRequest(query=prefix)
    start_s = time.perf_counter()
    stub.CompleteQuery(request)
    return time.perf_counter() - start_s


def _inside(stub: Any, prefix: str) -> float:
    """Seconds that the stages of an uncached answer took."""
    response = stub.CompleteQuery(pb.CompleteQueryRequest(query=prefix, explain=True))
    return float(sum(timing.duration.ToNanoseconds() for timing in response.timings)) / 1e9


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


if __name__ == "__main__":
    sys.exit(main())
