"""Where the microseconds of an uncached `CompleteQuery` go: the call itself, its messages, the stages, the rest.

Times are means of the middle 80% of the calls, so that they add up and single stalls of the machine do not count.
Stages are those of other calls than are timed as a whole, for a server remembers what it worked out.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from autocomplete.v1 import autocomplete_service_pb2 as pb
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from benchmarks.serving.bench import EMPTY, THIS_ONE, Bench, Figure
from benchmarks.serving.calls import COMPLETE, completion_request, take_turns
from service.rpc.completer import completion_response
from service.rpc.requests import read_query
from service.telemetry.metrics import Metrics
from suggest.model import open_model

_SAMPLE = 300
T = TypeVar("T")


def measure(bench: Bench) -> Iterator[Figure]:
    """Yields a row a place."""
    typed, warm_up = bench.typed(), [completion_request(prefix) for prefix in bench.warm_up()]
    half = len(typed) // 2
    requests = [completion_request(prefix) for prefix in typed[:half]]
    explaining = [pb.CompleteQueryRequest(query=prefix, explain=True).SerializeToString() for prefix in typed[half:]]
    servers = {THIS_ONE: bench.server({"--cache": "none"})}
    with bench.beside_empty(COMPLETE, servers, warm_up) as (_, calls):
        times = take_turns(calls, requests)
        stages = _stages([calls[THIS_ONE](request) for request in explaining])
    whole, floor = (_typical(times[name].taken_s) for name in (THIS_ONE, EMPTY))
    rows = {"gRPC: the empty handler": floor, **_messages(bench, requests[:_SAMPLE])}
    rows |= {f"stage {name}": seconds for name, seconds in stages.items()}
    rows["rest: pools, interceptor, waiting, queueing"] = whole - sum(rows.values())
    for name, seconds in rows.items():
        yield Figure(name=name, measured=f"{seconds * 1e6:.0f} us ({seconds / whole:.0%})")
    yield Figure(name="whole call as the client sees it", measured=f"{whole * 1e6:.0f} us")


def _stages(answers: Sequence[bytes]) -> dict[str, float]:
    """Seconds of each stage in the server, 0 where a call had none; to explain is none that others pay for."""
    seen: dict[str, list[float]] = defaultdict(list)
    for answer in answers:
        for timing in pb.CompleteQueryResponse.FromString(answer).timings:
            if timing.stage != "explain":
                seen[timing.stage].append(timing.duration.ToNanoseconds() / 1e9)
    return {name: _typical(np.array(taken)) * len(taken) / len(answers) for name, taken in seen.items()}


def _messages(bench: Bench, requests: Sequence[bytes]) -> dict[str, float]:
    """What surrounds the stages, in this process."""
    model, metrics = open_model(bench.bundle, verify=False), Metrics(CollectorRegistry())
    messages = [pb.CompleteQueryRequest.FromString(request) for request in requests]
    found = [model.complete_query(message.query) for message in messages]
    responses = [completion_response(each, model, explain=False) for each in found]
    return {
        "parse the request": _each(pb.CompleteQueryRequest.FromString, requests),
        "check it": _each(lambda message: read_query(message, message.query), messages),
        "convert the answer": _each(lambda each: completion_response(each, model, explain=False), found),
        "serialise it": _each(lambda response: response.SerializeToString(), responses),
        "metrics of stages and suggestions": _each(lambda each: metrics.observe(each, COMPLETE), found),
    }


def _each(run: Callable[[T], object], given: Sequence[T]) -> float:
    taken = []
    for each in given:
        begun = time.perf_counter()
        run(each)
        taken.append(time.perf_counter() - begun)
    return _typical(np.array(taken))


def _typical(seconds: NDArray[np.float64]) -> float:
    tenth = len(seconds) // 10
    return float(np.sort(seconds)[tenth : len(seconds) - tenth].mean())
