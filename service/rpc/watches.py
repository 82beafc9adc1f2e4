"""Health watches: pushed to by whoever changes the status, so that an open one holds no thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Send = Callable[[Any], None]


class HealthWatches:
    """The watches that are open, so that a server that stops can end them after the last push.

    Args:
        pool: where a watch begins.
    """

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._open: set[Send] = set()

    def track(self, watch: Callable[[Any, Any, Send], Any]) -> Callable[[Any, Any, Send], Any]:
        """The behaviour of a watch, noting those that are open."""

        def tracked(request: Any, context: Any, send: Send) -> Any:
            with self._lock:
                self._open.add(send)
            context.add_callback(lambda: self._forget(send))
            return watch(request, context, send)

        # gRPC's own way to let a stream go on without a thread
        tracked.experimental_non_blocking = True  # type: ignore[attr-defined]
        tracked.experimental_thread_pool = self._pool  # type: ignore[attr-defined]
        return tracked

    def close(self) -> None:
        """Ends all watches."""
        with self._lock:
            watches = list(self._open)
        for send in watches:
            send(None)

    def _forget(self, send: Send) -> None:
        with self._lock:
            self._open.discard(send)
