"""Prepares the answers to the beginnings that people type most, in the background, before anybody asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from service.telemetry.logs import trace_of
from service.telemetry.metrics import Metrics
from service.workers.priority import lower_priority

if TYPE_CHECKING:
    from suggest.model import Model

_REST = 4.0
"""A pause after each answer, in multiples of the time that it took: a fifth of a core at most."""
_BUSY_S = 0.05
_log = structlog.get_logger("service.warm_set")


class WarmSets:
    """Fills the caches in the background, a thread for each model, most typed first.

    Args:
        prepare: puts the answer to a query into the caches; True if it was not there.
        limit: answers for one model at most, whatever the number of its versions.
        busy: whether calls wait; they go first.
    """

    def __init__(
        self,
        prepare: Callable[[Model, str], bool],
        metrics: Metrics,
        *,
        limit: int,
        busy: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prepare = prepare
        self._metrics = metrics
        self._limit = limit
        self._busy = busy
        self._clock = clock
        self._lock = threading.Lock()
        self._stops: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def begin(self, *versions: Model) -> None:
        """Starts on the versions of a model that answer, one after the other, and stops work on former ones."""
        stop = threading.Event()
        thread = threading.Thread(target=self._run_all, args=(versions, stop), name="warm-set", daemon=True)
        with self._lock:
            former = self._stops.get(versions[0].name)
            self._stops[versions[0].name] = stop
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
            if former is not None:
                former.set()
            thread.start()

    def close(self) -> None:
        """Stops once the answers under way are finished."""
        with self._lock:
            for stop in self._stops.values():
                stop.set()
            threads = self._threads
        for thread in threads:
            thread.join()

    def _run_all(self, versions: Sequence[Model], stop: threading.Event) -> None:
        lower_priority()
        for model in versions:
            self._run(model, stop, self._limit // len(versions))

    def _run(self, model: Model, stop: threading.Event, limit: int) -> None:
        try:
            texts = model.warm_queries[:limit]
            for text in texts:
                while self._busy() and not stop.is_set():
                    stop.wait(_BUSY_S)
                if stop.is_set():
                    return
                start_s = self._clock()
                outcome = "computed" if self._prepare(model, text) else "found"
                self._metrics.warmed_answers.labels(model.name, outcome).inc()
                stop.wait(_REST * (self._clock() - start_s))
        except Exception as error:  # whoever asks this query gets the error; other queries are answered as usual
            _log.warning("warm_set_left", model=model.name, version=model.version, trace=trace_of(error))
            return
        _log.info("warm_set_ready", model=model.name, version=model.version, answers=len(texts))
