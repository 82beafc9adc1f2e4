"""Threads of the server: completions, long calls, streams and health checks have their own: none starves another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from service.rpc.admission import Load
from service.workers.priority import lower_priority


class WorkerPool(ThreadPoolExecutor):
    """A thread pool that keeps account of its load.

    Args:
        background: its threads get the processor when those of others do not want it.
    """

    def __init__(self, threads: int, name: str, load: Load, *, background: bool = False) -> None:
        initializer = lower_priority if background else None
        super().__init__(max_workers=threads, thread_name_prefix=name, initializer=initializer)
        self._load = load

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """See `Executor.submit`."""
        self._load.arrive()
        return super().submit(self._run, fn, args, kwargs)

    def _run(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return fn(*args, **kwargs)
        finally:
            self._load.end()


class InlinePool(ThreadPoolExecutor):
    """Does work where it is handed in, on gRPC's own thread: for what takes less time than to wake another."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """See `Executor.submit`."""
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


class StreamSlots:
    """Bounds how many streams are open."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._open = 0

    def take(self) -> bool:
        """Takes a slot, if one is free."""
        with self._lock:
            if self._open >= self.limit:
                return False
            self._open += 1
            return True

    def give_back(self) -> None:
        """Gives a slot back."""
        with self._lock:
            self._open -= 1
