"""Many good and bad calls, mixed: each gets the answer that it should, and the server's memory stays as it is.

Run from the checkout: `python -m benchmarks.soak BUNDLE_OR_REGISTRY`. The server runs on one core, the callers on
another. What the server holds is printed after each tenth of the calls; memory without the bundle's mapped files, whose
pages come in as they are used. The exit code is 1 if a call got a code that it should not get.
"""

from __future__ import annotations

import random
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import grpc
import typer
from autocomplete.v1 import autocomplete_service_pb2 as pb
from grpc_health.v1 import health_pb2

from benchmarks.bundles import find_bundle, held_out_lines, registry_of
from benchmarks.command import run
from benchmarks.serving.calls import COMPLETE, GENERATE, PREDICT, SCORE, SERVICE
from benchmarks.serving.servers import CLIENT_CORES, Started, pinned, real_server
from benchmarks.serving.typing_traffic import prefixes
from training.evaluation.evaluate import QUERIES_FILE

_CALLERS, _PREFIXES, _BURST, _TENTHS = 8, 2000, 64, 10
_TIMEOUT_S = 30.0
_HEALTH = "/grpc.health.v1.Health/Check"
_NOT_UTF8 = b"\x0a\x02\xff\xfe"
_TOO_LARGE = b"\x0a\x80\x89\x7a" + b"x" * 2_000_000
_BUSY = "RESOURCE_EXHAUSTED"
_GOOD, _INVALID = {"OK", _BUSY}, {"INVALID_ARGUMENT", _BUSY}

Kind = tuple[str, int, set[str], Callable[[], list[str]]]
"""A name, how often such calls come, the codes that they may get, and what makes them and returns their codes."""


def kinds(address: str, channel: grpc.Channel, typed: list[str], chance: random.Random) -> list[Kind]:
    """The mix on one channel: seven calls in ten are good."""

    def begin(message: Any, method: str = COMPLETE, timeout_s: float = _TIMEOUT_S) -> Any:
        path = method if method.startswith("/") else SERVICE + method
        content = message if isinstance(message, bytes) else message.SerializeToString()
        return channel.unary_unary(path).future(content, timeout_s)

    def code(message: Any, method: str = COMPLETE, timeout_s: float = _TIMEOUT_S) -> list[str]:
        return [begin(message, method, timeout_s).code().name]

    def query() -> pb.CompleteQueryRequest:
        return pb.CompleteQueryRequest(query=chance.choice(typed), max_suggestions=chance.randint(1, 20))

    def cancelled() -> list[str]:
        call = begin(query())
        time.sleep(chance.uniform(0.0, 0.002))
        call.cancel()
        return [call.code().name]

    def generate(tokens: int, *, leave: bool) -> list[str]:
        request = pb.GenerateTextRequest(prompt=chance.choice(typed), max_output_tokens=tokens)
        call = channel.unary_stream(SERVICE + GENERATE)(request.SerializeToString(), _TIMEOUT_S)
        with suppress(grpc.RpcError):
            list(islice(call, 1 if leave else None))
            if leave:
                call.cancel()
        return [call.code().name]

    def hurried() -> list[str]:
        return code(query(), timeout_s=chance.uniform(0.0, 0.002))

    def burst() -> list[str]:
        return [call.code().name for call in [begin(query()) for _ in range(_BURST)]]

    def noise() -> list[str]:
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(chance.randbytes(chance.randint(0, 200)))
        return ["CLOSED"]

    text, out_of_range = pb.ScoreTextRequest(text="the united states"), pb.GenerateTextRequest(temperature=9.0)
    too_long, no_model = pb.CompleteQueryRequest(query="x" * 257), pb.CompleteQueryRequest(model="models/none")
    return [
        ("CompleteQuery", 500, _GOOD, lambda: code(query())),
        ("PredictNextWord", 80, _GOOD, lambda: code(pb.PredictNextWordRequest(text=chance.choice(typed)), PREDICT)),
        ("ScoreText", 20, _GOOD, lambda: code(text, SCORE)),
        ("GenerateText", 10, _GOOD, lambda: generate(8, leave=False)),
        ("health", 20, {"OK"}, lambda: code(health_pb2.HealthCheckRequest(), _HEALTH)),
        ("text too long", 50, _INVALID, lambda: code(too_long)),
        ("not UTF-8", 50, _INVALID, lambda: code(_NOT_UTF8)),
        ("value out of range", 20, _INVALID, lambda: code(out_of_range, GENERATE)),
        ("no such model", 30, {"NOT_FOUND", _BUSY}, lambda: code(no_model)),
        ("no such method", 30, {"UNIMPLEMENTED"}, lambda: code(b"", "DropTables")),
        ("message too large", 3, {_BUSY}, lambda: code(_TOO_LARGE)),
        ("deadline of 0 to 2 ms", 60, {"DEADLINE_EXCEEDED", *_GOOD}, hurried),
        ("cancelled", 60, {"CANCELLED", *_GOOD}, cancelled),
        ("generation left", 10, {"CANCELLED", *_GOOD}, lambda: generate(256, leave=True)),
        (f"burst of {_BURST}", 5, _GOOD, burst),
        ("noise, or silence, then closed", 10, {"CLOSED"}, noise),
    ]


def call(server: Started, typed: list[str], seed: int, number: int) -> Counter[tuple[str, str, bool]]:
    """Makes so many calls one after the other; how many of each kind got which code, and whether they may."""
    chance, outcomes = random.Random(seed), Counter[tuple[str, str, bool]]()
    with grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        mix = kinds(server.address, channel, typed, chance)
        while outcomes.total() < number:
            name, _, codes, send = chance.choices(mix, [kind[1] for kind in mix])[0]
            outcomes.update((name, code, code in codes) for code in send())
    return outcomes


def main(bundle: Path, calls: int = 200_000) -> None:
    """Soaks a server and prints what came of it."""
    found = find_bundle(bundle.resolve())
    typed = list(islice(prefixes(held_out_lines(found, QUERIES_FILE)), _PREFIXES))
    outcomes, holds = Counter[tuple[str, str, bool]](), []
    # few answers are kept, so that the cache is full before memory is first measured
    flags = {"--cache-entries": 500, "--metrics-address": "off"}
    with (
        tempfile.TemporaryDirectory() as folder,
        pinned(CLIENT_CORES),
        real_server(registry_of(found, Path(folder)), flags) as server,
        ThreadPoolExecutor(_CALLERS) as pool,
    ):
        share = calls // (_TENTHS * _CALLERS)
        for tenth in range(_TENTHS):
            seeds = range(tenth * _CALLERS, (tenth + 1) * _CALLERS)
            for made in pool.map(lambda seed: call(server, typed, seed, share), seeds):
                outcomes.update(made)
            memory = server.process.memory_info()
            held = ((memory.rss - memory.shared) / 2**20, server.process.num_threads(), server.process.num_fds())
            holds.append(held)
    print(f"{'calls':32} {'code':20} {'number':>8}")
    for (name, code, expected), number in sorted(outcomes.items()):
        print(f"{name:32} {code:20} {number:8}{'' if expected else '  unexpected'}")
    wrong = sum(number for (_, _, expected), number in outcomes.items() if not expected)
    print(f"{outcomes.total()} calls, {wrong} with a code that they should not get")
    for title, values in zip(("memory, MiB", "threads", "open files"), zip(*holds, strict=True), strict=True):
        print(f"{title:12}" + "".join(f"{value:7.0f}" for value in values))
    raise typer.Exit(1 if wrong else 0)


if __name__ == "__main__":
    run(main, __doc__)
