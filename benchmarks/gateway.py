"""What JSON over HTTP costs: CompleteQuery through the gateway, beside the direct gRPC call, one call at a time.

Run from the checkout: `python -m benchmarks.gateway BUNDLE_OR_REGISTRY`. The held-out queries that the bundle keeps are
typed letter by letter. Server on one core, gateway and this client on another (of the three only one works at a time);
direct and indirect calls take turns, so that whatever else the machine does meets all. HTTP is asked by a bare socket.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc

from benchmarks.bundles import find_bundle, held_out_lines, registry_of
from benchmarks.serving.servers import CLIENT_CORES, Started, gateway, pinned, real_server
from benchmarks.serving.typing_traffic import prefixes
from lm.errors import AutocompleteError
from training.evaluation.evaluate import QUERIES_FILE

_PREFIXES, _BLOCK = 2000, 100

Ask = Callable[[str], Any]


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE_OR_REGISTRY")
    parser.add_argument("--prefixes", type=int, default=_PREFIXES)
    given = parser.parse_args()
    try:
        bundle = find_bundle(given.bundle.resolve())
        typed = list(islice(prefixes(held_out_lines(bundle, QUERIES_FILE)), given.prefixes))
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack, pinned(CLIENT_CORES):
            _measure(registry_of(bundle, Path(folder)), typed, stack)
    except AutocompleteError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _measure(registry: Path, typed: list[str], stack: ExitStack) -> None:
    busy = os.getloadavg()[0]
    callers: dict[str, Ask] = {}
    for name, cache in (("computed", "none"), ("cached", "process")):
        callers[f"{name}, gRPC"] = _direct(_serve(registry, cache, stack), stack)
        callers[f"{name}, gateway"] = _through_gateway(_serve(registry, cache, stack), stack)
    for prefix in typed:
        callers["cached, gRPC"](prefix)
        callers["cached, gateway"](prefix)
    times = _take_turns(callers, typed)

    print(f"{len(typed)} prefixes; load average before {busy:.1f}")
    for name, taken_s in times.items():
        p50, p99 = (_percentile(taken_s, share) * 1000 for share in (0.5, 0.99))
        print(f"{name:20} p50 {p50:7.3f} ms  p99 {p99:7.3f} ms")
    for name in ("computed", "cached"):
        ratio = _percentile(times[f"{name}, gateway"], 0.5) / _percentile(times[f"{name}, gRPC"], 0.5)
        print(f"{name}: gateway / gRPC, p50: {ratio:.2f}")


def _serve(registry: Path, cache: str, stack: ExitStack) -> Started:
    """A server: one for each way, so that none profits from what the other had it work out."""
    return stack.enter_context(real_server(registry, flags={"--cache": cache}))


def _direct(server: Started, stack: ExitStack) -> Ask:
    stub = pb_grpc.AutocompleteServiceStub(stack.enter_context(grpc.insecure_channel(server.address)))
    return lambda prefix: stub.CompleteQuery(pb.CompleteQueryRequest(query=prefix))


def _through_gateway(server: Started, stack: ExitStack) -> Ask:
    started = stack.enter_context(gateway(server, cores=CLIENT_CORES))
    host, _, port = started.address.partition(":")
    connection = stack.enter_context(socket.create_connection((host, int(port))))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return lambda prefix: _post(connection, prefix)


def _post(connection: socket.socket, prefix: str) -> bytes:
    """The body of the answer, checked to be one."""
    body = json.dumps({"query": prefix}).encode()
    head = (
        "POST /v1:completeQuery HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}"
    )
    connection.sendall(head.encode() + b"\r\n\r\n" + body)
    received = b""
    while b"\r\n\r\n" not in received:
        received += _receive(connection)
    fields, _, answer = received.partition(b"\r\n\r\n")
    length = int(fields.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(answer) < length:
        answer += _receive(connection)
    if not fields.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(answer.decode())
    return answer


def _receive(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise RuntimeError("the gateway closed the connection")
    return received


def _take_turns(callers: dict[str, Ask], typed: list[str]) -> dict[str, list[float]]:
    """Seconds of each call, as the caller sees it; the first block warms up."""
    times: dict[str, list[float]] = {name: [] for name in callers}
    for first in (0, *range(0, len(typed), _BLOCK)):
        for name, ask in callers.items():
            for prefix in typed[first : first + _BLOCK]:
                start_s = time.perf_counter()
                ask(prefix)
                times[name].append(time.perf_counter() - start_s)
    return {name: taken_s[_BLOCK:] for name, taken_s in times.items()}


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


if __name__ == "__main__":
    sys.exit(main())
