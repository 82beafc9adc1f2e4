"""Threads of the server: calls, streams and health checks have their own, so that none starves another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class WorkerPool(ThreadPoolExecutor):
    """A thread pool that knows how much work waits for a thread."""

    def __init__(self, threads: int, name: str) -> None:
        super().__init__(max_workers=threads, thread_name_prefix=name)
        self._count_lock = threading.Lock()
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """Pieces of work that have no thread yet."""
        return self._waiting

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """See `Executor.submit`."""
        with self._count_lock:
            self._waiting += 1
        return super().submit(self._run, fn, args, kwargs)

    def _run(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with self._count_lock:
            self._waiting -= 1
        return fn(*args, **kwargs)


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
