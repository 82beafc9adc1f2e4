"""The metrics of all workers, added up; counts of a worker that died stay."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from service.telemetry.describe import Description, MetricMaker


class SharedMetrics:
    """What Prometheus sees of a server of several workers.

    Args:
        folder: where the workers' metrics lie; see `service.workers.process.share_metrics`.
        worker_pids: process ids of the workers that run now.
    """

    def __init__(self, folder: str, worker_pids: Callable[[], Iterable[int]]) -> None:
        self._folder = folder
        self.registry = CollectorRegistry()
        self.registry.register(_Processes(worker_pids))
        self.registry.register(_Files(Path(folder)))
        self._make = MetricMaker(self.registry)
        self.workers = self._make.gauge("workers", "Worker processes that answer.")
        self.restarts = self._make.counter("worker_restarts", "Workers that were started in place of one that died.")

    def described(self) -> list[Description]:
        """The metrics that only a server of several workers has, in order."""
        return list(self._make.described)

    def worker_died(self, slot: int) -> None:
        """Forgets what was true only while a worker lived, such as its open streams."""
        mark_process_dead(slot, self._folder)  # type: ignore[no-untyped-call]


class _Files(Collector):
    """The metrics that workers keep in files. A file that a worker has only just made is empty."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """See `Collector`."""
        files = [str(path) for path in self._folder.glob("*.db") if _size(path) > 0]
        merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return merged


class _Processes(Collector):
    """Memory, CPU time and open files of supervisor and workers; dead workers' CPU time counts as well."""

    _SUMMED = ("resident_memory_bytes", "virtual_memory_bytes", "cpu_seconds", "open_fds")

    def __init__(self, worker_pids: Callable[[], Iterable[int]]) -> None:
        self._worker_pids = worker_pids

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        totals: dict[str, Metric] = {}
        for pid in (os.getpid(), *self._worker_pids()):
            for metric in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
                if metric.name.removeprefix("process_") in self._SUMMED:
                    total = totals.setdefault(metric.name, metric)
                    if total is not metric:
                        total.samples = [_plus(total.samples[0], metric.samples[0].value)]
        dead = resource.getrusage(resource.RUSAGE_CHILDREN)
        for metric in totals.values():
            if metric.name == "process_cpu_seconds":
                metric.samples = [_plus(metric.samples[0], dead.ru_utime + dead.ru_stime)]
            yield metric


def _plus(sample: Sample, value: float) -> Sample:
    return sample._replace(value=sample.value + value)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # of a worker that died meanwhile
        return 0
