"""What JSON over HTTP costs: CompleteQuery through the gateway, beside the direct gRPC call, one call at a time.

Run from the checkout: `python -m benchmarks.gateway BUNDLE_OR_REGISTRY`. The held-out queries that the bundle keeps are
typed letter by letter. Server on one core, gateway and this client on another (of the three only one works at a time);
direct and indirect calls take turns, so that whatever else the machine does meets all. HTTP is asked by a bare socket.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from benchmarks.bundles import find_bundle, held_out_lines, registry_of
from benchmarks.command import run
from benchmarks.serving.calls import COMPLETE, Call, channel, completion_request, take_turns
from benchmarks.serving.servers import CLIENT_CORES, Started, gateway, pinned, real_server
from benchmarks.serving.typing_traffic import prefixes
from training.evaluation.evaluate import QUERIES_FILE

_WARM_UP = 100


def main(bundle: Path, typed: int = 2000) -> None:
    """Measures so many prefixes and prints."""
    found = find_bundle(bundle.resolve())
    requests = [text.encode() for text in islice(prefixes(held_out_lines(found, QUERIES_FILE)), typed)]
    print(f"{len(requests)} prefixes; load average before {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack, pinned(CLIENT_CORES):
        registry = registry_of(found, Path(folder))
        for name, cache, warm_up in (("computed", "none", requests[:_WARM_UP]), ("cached", "process", requests)):
            # a server for each way, so that none profits from what the other had it work out
            servers = [stack.enter_context(real_server(registry, {"--cache": cache})) for _ in range(2)]
            calls = {"gRPC": _direct(servers[0], stack), "gateway": _through_gateway(servers[1], stack)}
            times = take_turns(calls, requests, warm_up=warm_up)
            for way, taken in times.items():
                p50_ms, p99_ms = (taken.percentile(share) * 1000 for share in (0.5, 0.99))
                print(f"{name + ', ' + way:20} p50 {p50_ms:7.3f} ms  p99 {p99_ms:7.3f} ms")
            ratio = times["gateway"].percentile(0.5) / times["gRPC"].percentile(0.5)
            print(f"{name}: gateway / gRPC, p50: {ratio:.2f}")


def _direct(server: Started, stack: ExitStack) -> Call:
    complete = stack.enter_context(channel(server.address))(COMPLETE)
    return lambda text: complete(completion_request(text.decode()))


def _through_gateway(server: Started, stack: ExitStack) -> Call:
    started = stack.enter_context(gateway(server))
    host, _, port = started.address.partition(":")
    connection = stack.enter_context(socket.create_connection((host, int(port))))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    received = stack.enter_context(connection.makefile("rb"))

    def call(text: bytes) -> bytes:
        body = json.dumps({"query": text.decode()}).encode()
        head = "POST /v1:completeQuery HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        status, *fields = iter(received.readline, b"\r\n")
        length = next(int(field[15:]) for field in fields if field.lower().startswith(b"content-length:"))
        answer = received.read(length)
        if b" 200 " not in status:
            raise RuntimeError(answer.decode())
        return answer

    return call


if __name__ == "__main__":
    run(main, __doc__)
