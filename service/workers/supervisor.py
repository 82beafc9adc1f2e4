"""Several server processes on one port, and the supervisor that starts, watches, replaces and stops them.

The kernel shares connections out among them (SO_REUSEPORT). They are spawned, not forked, because gRPC and the server
of the metrics have threads. Tables and indexes of bundles are mapped, so all processes share their pages.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker
from multiprocessing.context import SpawnProcess
from typing import Any

import structlog

from lm.errors import UnavailableError
from service.config import ServerSettings
from service.listen import port_taken, reserve_port, serve_metrics
from service.models.bundles import chosen_models, open_bundles
from service.telemetry.shared_metrics import SharedMetrics
from service.workers.process import FAILED, SERVES, run_worker

_STABLE_S = 30.0
"""A worker that has lived for so long is replaced at once."""
_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 30.0
_GRACE_S = 10.0
"""Added to the drain: a process may first have to finish opening a bundle."""
_LOOK_S = 1.0
_SILENT_LOOKS = 7
"""Looks in a row at which a worker has said nothing since the last one: then it hangs."""
_STARTUP_LOOKS = 120
"""More of them for a worker that has only just been started."""
_log = structlog.get_logger("service.supervisor")


@dataclass(slots=True, kw_only=True)
class _Worker:
    """A slot and the process that fills it now, if any.

    Attributes:
        pipe: becomes readable when the worker serves, fails or ends.
        early_deaths: deaths in a row of processes that had not lived long.
        due_s: when the next process is to be started, where there is none.
    """

    slot: int
    process: SpawnProcess | None = None
    pipe: connection.Connection | None = None
    serves: bool = False
    failure: str = ""
    started_s: float = 0.0
    early_deaths: int = 0
    due_s: float = 0.0


class Pulses:
    """Tells which workers hang.

    Silence is counted in looks rather than seconds: while the supervisor itself is stopped, nobody is silent.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due_s = clock() + _LOOK_S
        self._missed: dict[int, int] = {}

    @property
    def due_in_s(self) -> float:
        """Time until the next look."""
        return max(self._due_s - self._clock(), 0.0)

    def begin(self, slot: int) -> None:
        """A worker was started."""
        self._missed[slot] = -_STARTUP_LOOKS

    def beat(self, slot: int) -> None:
        """A worker lives."""
        self._missed[slot] = 0

    def end(self, slot: int) -> None:
        """A worker has ended."""
        self._missed.pop(slot, None)

    def hanging(self) -> list[int]:
        """Looks, if it is time to; returns the workers that have been silent for too long."""
        if self.due_in_s > 0:
            return []
        self._due_s = self._clock() + _LOOK_S
        self._missed = {slot: missed + 1 for slot, missed in self._missed.items()}
        return [slot for slot, missed in self._missed.items() if missed > _SILENT_LOOKS]


class Supervisor:
    """Keeps `settings.workers` processes running.

    Args:
        clock: monotonic, in seconds.

    Raises:
        ConfigError: the registry is empty, or a model that was named is not in it.
        RegistryError: the registry cannot be reached, and there is no copy of its bundles.
    """

    def __init__(self, settings: ServerSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._pulses = Pulses(clock)
        _, self._default = chosen_models(open_bundles(settings), settings)
        self._workers = [_Worker(slot=slot) for slot in range(settings.workers)]
        self._served = False
        self._stopping = False
        self._woken, self._wake = os.pipe()

    def run(self) -> None:
        """Serves until SIGTERM or SIGINT; a second signal ends all processes at once.

        Raises:
            UnavailableError: a port is taken, or a worker ends before any of them has served.
        """
        settings = self._settings
        with tempfile.TemporaryDirectory(prefix="autocomplete-metrics-") as folder, self._reserved() as address:
            fields = settings.model_dump()
            fields |= {"address": address, "metrics_address": "off", "default_model": self._default}
            metrics = SharedMetrics(folder, self._pids)
            _, end_metrics = serve_metrics(settings.metrics_address, metrics.registry)
            try:
                with self._signals():
                    _log.info("supervising", address=address, workers=settings.workers)
                    try:
                        self._watch(fields, folder, metrics)
                    finally:
                        self._stop_all()
            finally:
                end_metrics()
        _log.info("stopped")

    def _watch(self, fields: dict[str, Any], folder: str, metrics: SharedMetrics) -> None:
        while not self._stopping:
            now_s = self._clock()
            for worker in self._workers:
                if worker.process is None and worker.due_s <= now_s:
                    if worker.due_s:
                        metrics.restarts.inc()
                    self._start(worker, fields, folder)
            waits_s = [worker.due_s - now_s for worker in self._workers if worker.process is None]
            pipes = [worker.pipe for worker in self._workers if worker.pipe is not None]
            timeout_s = max(min([self._pulses.due_in_s, *waits_s]), 0.0)
            readable = connection.wait([self._woken, *pipes], timeout=timeout_s)
            for worker in self._workers:
                if worker.pipe in readable and not self._hears(worker):
                    self._bury(worker, metrics)
            self._end_hanging()
            metrics.workers.set(sum(worker.serves for worker in self._workers))

    def _end_hanging(self) -> None:
        """Ends workers that hang; the end of their pipes then has them replaced as any that died."""
        for slot in self._pulses.hanging():
            process = self._workers[slot].process
            if process is not None:
                _log.error("worker_hangs", worker=slot, pid=process.pid)
                process.kill()

    def _hears(self, worker: _Worker) -> bool:
        """Takes in what a worker says; False if it has ended."""
        assert worker.pipe is not None
        try:
            what, text = worker.pipe.recv()
        except (EOFError, OSError):
            return False
        self._pulses.beat(worker.slot)
        if what == SERVES:
            worker.serves = self._served = True
        elif what == FAILED:
            worker.failure = text
        return True

    def _bury(self, worker: _Worker, metrics: SharedMetrics) -> None:
        """Notes when the next process takes a dead one's place.

        Raises:
            UnavailableError: no worker has served yet, so another one would fare no better.
        """
        assert worker.process is not None
        assert worker.pipe is not None
        worker.process.join()
        worker.pipe.close()
        self._pulses.end(worker.slot)
        lived_s = self._clock() - worker.started_s
        worker.early_deaths = 0 if lived_s >= _STABLE_S else worker.early_deaths + 1
        delay_s = restart_delay_s(worker.early_deaths)
        worker.due_s = self._clock() + delay_s
        code = worker.process.exitcode
        reason = worker.failure or f"A worker ended with exit code {code} before it served."
        worker.process, worker.pipe, worker.serves, worker.failure = None, None, False, ""
        metrics.worker_died(worker.slot)
        if not self._served:
            raise UnavailableError(reason)
        _log.error("worker_ended", worker=worker.slot, exit_code=code, restart_in_s=delay_s)

    def _start(self, worker: _Worker, fields: dict[str, Any], folder: str) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=run_worker, args=(fields, worker.slot, folder, theirs), name=f"worker-{worker.slot}", daemon=True
        )
        resource_tracker.ensure_running()  # otherwise a part of the start, which would let SIGINT through again
        # inherited: Ctrl-C reaches the whole group of processes, and the supervisor alone decides what comes of it
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        theirs.close()
        worker.process, worker.pipe, worker.started_s = process, ours, self._clock()
        self._pulses.begin(worker.slot)
        _log.info("worker_started", worker=worker.slot, pid=process.pid)

    def _stop_all(self) -> None:
        running = [worker.process for worker in self._workers if worker.process is not None]
        for process in running:
            process.terminate()
        deadline_s = time.monotonic() + self._settings.drain_s + _GRACE_S
        for process in running:
            process.join(max(deadline_s - time.monotonic(), 0.0))
            if process.is_alive():
                _log.error("worker_killed", pid=process.pid)
                process.kill()
                process.join()

    def _pids(self) -> list[int]:
        return [worker.process.pid for worker in self._workers if worker.process and worker.process.pid]

    @contextmanager
    def _reserved(self) -> Iterator[str]:
        """The address, its port held for the workers."""
        try:
            held = reserve_port(self._settings.address)
        except OSError as error:
            raise port_taken("--address", self._settings.address, error) from None
        with held:
            host = self._settings.address.rpartition(":")[0]
            yield f"{host}:{held.getsockname()[1]}"

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def on_signal(number: int, _frame: object) -> None:
            if self._stopping:
                for worker in self._workers:
                    if worker.process is not None:
                        worker.process.kill()
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)
            self._stopping = True
            _log.info("stopping", reason=signal.Signals(number).name)
            os.write(self._wake, b"\0")

        former = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


def restart_delay_s(early_deaths: int) -> float:
    """Seconds until a dead worker is replaced: none for the first early death, then doubled with each."""
    if early_deaths <= 1:
        return 0.0
    return float(min(_FIRST_DELAY_S * 2.0 ** min(early_deaths - 2, 20), _LONGEST_DELAY_S))
