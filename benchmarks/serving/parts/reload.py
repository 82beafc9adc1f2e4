"""Another version takes over while calls come in: what they wait around the swap, and that none fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import grpc
import numpy as np
from autocomplete.v1 import model_service_pb2 as model_pb
from autocomplete.v1 import model_service_pb2_grpc as model_grpc

from benchmarks.bundles import in_versions
from benchmarks.serving.bench import Bench
from benchmarks.serving.figures import Figure, at_most, degraded, ms, none
from benchmarks.serving.parts.overload import find_saturation, typing_load
from lm.bundle.registry import Registry

_VERSIONS = ("20260102-000000", "20260101-000000")
_SHARE = 0.3
_RELOAD_S, _LEAST_S = 0.5, 6.0
_AFTER_S = 1.0
_POLL_S = 0.05


def measure(bench: Bench) -> Iterator[Figure]:
    """Yields the figures."""
    registry = in_versions(bench.bundle, bench.new_folder(), _VERSIONS)
    flags = {"--cache": "none", "--reload-s": _RELOAD_S}
    with bench.server(flags, registry=registry.root) as server:
        rate = _SHARE * find_saturation(bench, server)
        seconds = max(2 * bench.effort.load_s, _LEAST_S)
        longer = replace(bench, effort=replace(bench.effort, load_s=seconds))
        with ThreadPoolExecutor(1) as pool:
            swap = pool.submit(_swap, registry, server.address, seconds / 2)
            load = typing_load(longer, server, rate)
        begun_s, done_s = swap.result()
    due_s = load.due_s[load.answered] + load.began_s
    around = (due_s >= begun_s) & (due_s <= done_s + _AFTER_S)
    latencies_s = load.latencies_s
    if not around.any() or around.all():
        yield Figure(name="hot reload", measured="no call fell around the swap, or all did", met=False)
        return
    usual, near = (float(np.quantile(latencies_s[chosen], 0.99)) for chosen in (~around, around))
    said = f"{ms(usual)} to {ms(near)}, {around.sum()} calls in the {done_s - begun_s:.1f} s of opening"
    yield at_most("hot reload: p99 around the swap / usual p99", near / usual, 3, f"{said} and 1 s after")
    longest = float(latencies_s[around].max())
    yield at_most("hot reload: longest wait / usual p99", longest / usual, 3, ms(longest))
    yield none("hot reload: failed calls", load.failed, f"of {len(load.codes)}")
    yield degraded("hot reload", load.degraded)


def _swap(registry: Registry, address: str, after_s: float) -> tuple[float, float]:
    """Activates the other version after a while; when, and when it answers, of `time.perf_counter`."""
    time.sleep(after_s)
    model = registry.models()[0]
    registry.activate(model, _VERSIONS[0])
    begun_s = time.perf_counter()
    with grpc.insecure_channel(address) as channel:
        stub = model_grpc.ModelServiceStub(channel)
        while stub.GetModel(model_pb.GetModelRequest(name=f"models/{model}")).version != _VERSIONS[0]:
            time.sleep(_POLL_S)
    return begun_s, time.perf_counter()
