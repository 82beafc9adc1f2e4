"""Long calls beside completions: `GenerateText` and `ScoreText` without a pause, completions at half of saturation."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb

from benchmarks.serving.bench import Bench, Figure, at_most, degraded, ms
from benchmarks.serving.calls import GENERATE, SCORE, channel
from benchmarks.serving.open_loop import Load
from benchmarks.serving.parts.overload import find_saturation, typing_load, uncached_server
from benchmarks.serving.servers import Started

_SHARE = 0.3
_CALLERS = 2
_TEXT_LENGTH, _TOKENS = 4000, 256
_BACK_OFF_S = 0.05
_MOVED = 1.25
"""A p99 varies that much by itself from one stretch to the next."""


def measure(bench: Bench) -> Iterator[Figure]:
    """Yields the figures."""
    text = " ".join(bench.texts())[:_TEXT_LENGTH]
    with uncached_server(bench) as server:
        rate = _SHARE * find_saturation(bench, server)
        alone, beside, done = [], [], Counter[str]()
        for _ in range(bench.effort.rounds):
            alone.append(typing_load(bench, server, rate))
            with _long_calls(server, text, done):
                beside.append(typing_load(bench, server, rate))
    usual, with_them = (_percentile(loads, 0.99) for loads in (alone, beside))
    counts = ", ".join(f"{count} {what}" for what, count in sorted(done.items()))
    said = f"{ms(usual)} to {ms(with_them)} at {rate:.0f} calls/s; {counts}"
    yield at_most("long calls beside completions: p99 / p99 alone", with_them / usual, _MOVED, said)
    p50, p50_with = (_percentile(loads, 0.5) for loads in (alone, beside))
    yield Figure(name="long calls beside completions: p50", measured=f"{ms(p50)} to {ms(p50_with)}")
    yield degraded("beside long calls", sum(load.degraded for load in beside) / len(beside))
    wrong = sum(len(load.codes) - load.outcomes["OK"] for load in beside)
    yield Figure(name="beside long calls: completions not answered", measured=f"{wrong}", target="0", met=not wrong)


def _percentile(loads: list[Load], share: float) -> float:
    """The middle one of the rounds'."""
    return sorted(load.percentile(share) for load in loads)[len(loads) // 2]


@contextmanager
def _long_calls(server: Started, text: str, done: Counter[str]) -> Iterator[None]:
    """Callers that ask again as soon as they are answered, and after a while where they are refused."""
    stopping = threading.Event()
    with ExitStack() as stack:
        stream = stack.enter_context(channel(server.address, stream=True, connection=100))(GENERATE)
        unary = stack.enter_context(channel(server.address, connection=101))(SCORE)
        generation = pb.GenerateTextRequest(prompt=text[:200], max_output_tokens=_TOKENS).SerializeToString()
        score = pb.ScoreTextRequest(text=text).SerializeToString()
        work: list[tuple[str, Callable[[], Any]]] = [
            (GENERATE, lambda: list(stream(generation))),
            (SCORE, lambda: unary(score)),
        ]
        threads = [threading.Thread(target=_ask, args=(*each, stopping, done)) for each in work * _CALLERS]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stopping.set()
            for thread in threads:
                thread.join()


def _ask(name: str, call: Callable[[], Any], stopping: threading.Event, done: Counter[str]) -> None:
    while not stopping.is_set():
        try:
            call()
            done[name] += 1
        except grpc.RpcError as error:
            done[f"{name} {error.code().name}"] += 1
            stopping.wait(_BACK_OFF_S)
