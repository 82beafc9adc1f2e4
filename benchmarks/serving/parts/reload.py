"""Another version takes over while calls come in: what they wait around the swap, and that none fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import grpc
import numpy as np
from autocomplete.v1 import model_service_pb2 as model_pb
from autocomplete.v1 import model_service_pb2_grpc as model_grpc

from benchmarks.bundles import in_versions
from benchmarks.serving.bench import Bench, Figure, at_most, degraded, ms
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
        swap = _Swap(registry, server.address, after_s=seconds / 2)
        longer = replace(bench, effort=replace(bench.effort, load_s=seconds))
        swap.start()
        load = typing_load(longer, server, rate)
        swap.join()
    due_s = load.due_s[load.answered] + load.began_s
    around = (due_s >= swap.begun_s) & (due_s <= swap.done_s + _AFTER_S)
    latencies_s = load.latencies_s
    if not around.any() or around.all():
        yield Figure(name="hot reload", measured="no call fell around the swap, or all did", met=False)
        return
    usual, near = (float(np.quantile(latencies_s[chosen], 0.99)) for chosen in (~around, around))
    said = f"{ms(usual)} to {ms(near)}, {around.sum()} calls in the {swap.done_s - swap.begun_s:.1f} s of opening"
    yield at_most("hot reload: p99 around the swap / usual p99", near / usual, 3, f"{said} and 1 s after")
    longest = float(latencies_s[around].max())
    yield at_most("hot reload: longest wait / usual p99", longest / usual, 3, ms(longest))
    failed = len(load.codes) - load.outcomes["OK"]
    yield Figure(name="hot reload: failed calls", measured=f"{failed} of {len(load.codes)}", target="0", met=not failed)
    yield degraded("hot reload", load.degraded)


class _Swap(threading.Thread):
    """Activates the other version after a while and waits until it answers.

    Attributes:
        begun_s, done_s: of `time.perf_counter`.
    """

    def __init__(self, registry: Registry, address: str, *, after_s: float) -> None:
        super().__init__()
        self._registry, self._address, self._after_s = registry, address, after_s
        self.begun_s = self.done_s = 0.0

    def run(self) -> None:
        """See the class."""
        time.sleep(self._after_s)
        model = self._registry.models()[0]
        self._registry.activate(model, _VERSIONS[0])
        self.begun_s = time.perf_counter()
        with grpc.insecure_channel(self._address) as channel:
            stub = model_grpc.ModelServiceStub(channel)
            while stub.GetModel(model_pb.GetModelRequest(name=f"models/{model}")).version != _VERSIONS[0]:
                time.sleep(_POLL_S)
        self.done_s = time.perf_counter()
