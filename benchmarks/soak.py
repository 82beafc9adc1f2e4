"""Many good and bad calls, mixed: each gets the answer that it should, and the server's memory stays as it is.

Run from the checkout: `python -m benchmarks.soak BUNDLE_OR_REGISTRY`. The server runs on one core, the callers on
another. What the server holds is printed after each tenth of the calls; memory without the bundle's mapped files, whose
pages come in as they are used. The exit code is 1 if a call got a code that it should not get.
"""

from __future__ import annotations

import argparse
import itertools
import random
import socket
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from grpc_health.v1 import health_pb2

from benchmarks.bundles import find_bundle, held_out_lines, registry_of
from benchmarks.serving.servers import CLIENT_CORES, Started, pinned, real_server
from benchmarks.serving.typing_traffic import prefixes
from lm.errors import AutocompleteError
from training.evaluation.evaluate import QUERIES_FILE

_CALLERS, _PREFIXES, _BURST = 8, 2000, 64
_TIMEOUT_S = 30.0
_SERVICE = "/autocomplete.v1.AutocompleteService/"
_NOT_UTF8 = b"\x0a\x02\xff\xfe"
_TOO_LARGE = b"\x0a\x80\x80\x14" + b"x" * 327_680
_OVERLOADED = "RESOURCE_EXHAUSTED"

Send = Callable[[random.Random], Iterator[str]]
"""Makes calls; yields the code of each, `CLOSED` of a connection that made none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Calls of one kind: how often they come, and which codes they may get."""

    name: str
    weight: int
    send: Send
    codes: tuple[str, ...]


class Kinds:
    """The kinds of calls on one channel."""

    def __init__(self, address: str, channel: grpc.Channel, prefixes: list[str]) -> None:
        self._address = address
        self._channel = channel
        self._stub = pb_grpc.AutocompleteServiceStub(channel)
        self._prefixes = prefixes

    def all(self) -> list[Kind]:
        """The mix: seven calls in ten are good."""
        stub, ok, invalid = self._stub, ("OK", _OVERLOADED), ("INVALID_ARGUMENT", _OVERLOADED)
        too_long = pb.CompleteQueryRequest(query="x" * 257)
        no_model = pb.CompleteQueryRequest(query="a", model="models/none")
        out_of_range = pb.GenerateTextRequest(temperature=9.0)
        health = health_pb2.HealthCheckRequest().SerializeToString()
        return [
            _kind("CompleteQuery", 500, self._complete, *ok),
            _kind("PredictNextWord", 80, self._predict, *ok),
            _kind("ScoreText", 20, lambda _: _code(stub.ScoreText, pb.ScoreTextRequest(text="the united states")), *ok),
            _kind("GenerateText", 10, self._generate, *ok),
            _kind("health", 20, lambda _: self._raw("/grpc.health.v1.Health/Check", health), "OK"),
            _kind("text too long", 50, lambda _: _code(stub.CompleteQuery, too_long), *invalid),
            _kind("not UTF-8", 50, lambda _: self._raw(_SERVICE + "CompleteQuery", _NOT_UTF8), *invalid),
            _kind("value out of range", 20, lambda _: _code(stub.GenerateText, out_of_range), *invalid),
            _kind("no such model", 30, lambda _: _code(stub.CompleteQuery, no_model), "NOT_FOUND", _OVERLOADED),
            _kind("no such method", 30, lambda _: self._raw(_SERVICE + "DropTables", b""), "UNIMPLEMENTED"),
            _kind("message too large", 3, lambda _: self._raw(_SERVICE + "CompleteQuery", _TOO_LARGE), _OVERLOADED),
            _kind("deadline of 0 to 2 ms", 60, self._hurried, "DEADLINE_EXCEEDED", *ok),
            _kind("cancelled", 60, self._cancelled, "CANCELLED", *ok),
            _kind("generation left", 10, self._left, "CANCELLED", *ok),
            _kind(f"burst of {_BURST}", 5, self._burst, *ok),
            _kind("noise, or silence, then closed", 10, self._noise, "CLOSED"),
        ]

    def _query(self, chance: random.Random) -> pb.CompleteQueryRequest:
        return pb.CompleteQueryRequest(query=chance.choice(self._prefixes), max_suggestions=chance.randint(1, 20))

    def _complete(self, chance: random.Random) -> Iterator[str]:
        return _code(self._stub.CompleteQuery, self._query(chance))

    def _predict(self, chance: random.Random) -> Iterator[str]:
        return _code(self._stub.PredictNextWord, pb.PredictNextWordRequest(text=chance.choice(self._prefixes)))

    def _generate(self, chance: random.Random) -> Iterator[str]:
        request = pb.GenerateTextRequest(prompt=chance.choice(self._prefixes), max_output_tokens=8)
        return _code(self._stub.GenerateText, request)

    def _raw(self, path: str, message: bytes) -> Iterator[str]:
        return _code(self._channel.unary_unary(path), message)

    def _hurried(self, chance: random.Random) -> Iterator[str]:
        return _code(self._stub.CompleteQuery, self._query(chance), timeout_s=chance.uniform(0.0, 0.002))

    def _cancelled(self, chance: random.Random) -> Iterator[str]:
        call = self._stub.CompleteQuery.future(self._query(chance), timeout=_TIMEOUT_S)
        threading.Event().wait(chance.uniform(0.0, 0.002))
        call.cancel()
        yield call.code().name

    def _left(self, chance: random.Random) -> Iterator[str]:
        request = pb.GenerateTextRequest(prompt=chance.choice(self._prefixes), max_output_tokens=256)
        call = self._stub.GenerateText(request, timeout=_TIMEOUT_S)
        try:
            next(call, None)
        except grpc.RpcError as error:
            yield error.code().name
        else:
            call.cancel()
            yield call.code().name

    def _burst(self, chance: random.Random) -> Iterator[str]:
        calls = [self._stub.CompleteQuery.future(self._query(chance), timeout=_TIMEOUT_S) for _ in range(_BURST)]
        yield from (call.code().name for call in calls)

    def _noise(self, chance: random.Random) -> Iterator[str]:
        host, _, port = self._address.rpartition(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(chance.randbytes(chance.randint(0, 200)))
        yield "CLOSED"


class Soak:
    """Callers that go on until the number of calls is reached."""

    def __init__(self, server: Started, prefixes: list[str], calls: int) -> None:
        self._server = server
        self._prefixes = prefixes
        self._wanted = calls
        self._lock = threading.Lock()
        self.calls = 0
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.unexpected: Counter[tuple[str, str]] = Counter()
        self.held: list[tuple[float, int, int]] = []

    def run(self) -> None:
        """Makes the calls."""
        with ThreadPoolExecutor(_CALLERS) as pool:
            for done in [pool.submit(self._call, seed) for seed in range(_CALLERS)]:
                done.result()

    def _measure(self) -> tuple[float, int, int]:
        """Memory in MiB, threads and open files of the server."""
        process = Path(f"/proc/{self._server.process_id}")
        memory_mb = self._server.memory_mb("RssAnon")
        return memory_mb, len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))

    def _call(self, seed: int) -> None:
        chance = random.Random(seed)
        with grpc.insecure_channel(self._server.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            kinds = Kinds(self._server.address, channel, self._prefixes).all()
            weights = [kind.weight for kind in kinds]
            while self.calls < self._wanted:
                kind = chance.choices(kinds, weights)[0]
                codes = list(kind.send(chance))
                with self._lock:
                    self._count(kind, codes)

    def _count(self, kind: Kind, codes: list[str]) -> None:
        self.calls += len(codes)
        for code in codes:
            self.outcomes[kind.name, code] += 1
            if code not in kind.codes:
                self.unexpected[kind.name, code] += 1
        if self.calls >= self._wanted * (len(self.held) + 1) / 10:
            self.held.append(self._measure())


def main() -> int:
    """Soaks a server and prints what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE_OR_REGISTRY")
    parser.add_argument("--calls", type=int, default=200_000)
    given = parser.parse_args()
    try:
        bundle = find_bundle(given.bundle.resolve())
        typed = list(itertools.islice(prefixes(held_out_lines(bundle, QUERIES_FILE)), _PREFIXES))
        # few answers are kept, so that the cache is full before memory is first measured
        flags = {"--cache-entries": 500, "--metrics-address": "off"}
        with (
            tempfile.TemporaryDirectory() as folder,
            pinned(CLIENT_CORES),
            real_server(registry_of(bundle, Path(folder)), flags=flags) as server,
        ):
            soak = Soak(server, typed, given.calls)
            soak.run()
            _print(soak)
    except AutocompleteError as error:
        print(error, file=sys.stderr)
        return 1
    return 1 if soak.unexpected else 0


def _print(soak: Soak) -> None:
    print(f"{'calls':32} {'code':20} {'number':>8}")
    for (name, code), number in sorted(soak.outcomes.items()):
        mark = "  unexpected" if (name, code) in soak.unexpected else ""
        print(f"{name:32} {code:20} {number:8}{mark}")
    print(f"{soak.calls} calls, {soak.unexpected.total()} with a code that they should not get")
    names = ("memory, MiB", "threads", "open files")
    for name, values in zip(names, zip(*soak.held, strict=True), strict=True):
        print(f"{name:12}" + "".join(f"{value:7.0f}" for value in values))


def _kind(name: str, weight: int, send: Send, *codes: str) -> Kind:
    return Kind(name=name, weight=weight, send=send, codes=codes)


def _code(call: Any, request: Any, timeout_s: float = _TIMEOUT_S) -> Iterator[str]:
    try:
        answer = call(request, timeout=timeout_s)
        if isinstance(answer, grpc.RpcContext):
            for _ in answer:
                pass
    except grpc.RpcError as error:
        yield error.code().name
    else:
        yield "OK"


if __name__ == "__main__":
    sys.exit(main())
