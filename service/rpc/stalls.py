"""Ends calls whose caller reads nothing: a thread that sends waits until what it sends is taken."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any


class StallWatch:
    """Watches messages on their way out.

    Args:
        limit_s: how long one may take.
        clock: monotonic, in seconds.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float]) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._lock = threading.Lock()
        self._sending: dict[Any, float] = {}
        self._watching = False

    def sent(self, context: Any, messages: Iterator[Any]) -> Iterator[Any]:
        """Hands messages on; while one is being sent, which is until the next is asked for, it is watched."""
        for message in messages:
            with self._lock:
                self._sending[context] = self._clock()
                begins, self._watching = not self._watching, True
            if begins:
                threading.Thread(target=self._watch, name="stall-watch", daemon=True).start()
            try:
                yield message
            finally:
                with self._lock:
                    del self._sending[context]

    def end_stalled(self) -> bool:
        """Ends the calls whose message has been under way for too long; whether any is under way."""
        latest_s = self._clock() - self._limit_s
        with self._lock:
            stalled = [context for context, since_s in self._sending.items() if since_s <= latest_s]
            under_way = self._watching = bool(self._sending)
        for context in stalled:
            context.cancel()
        return under_way

    def _watch(self) -> None:
        while True:
            time.sleep(self._limit_s / 4)
            if not self.end_stalled():
                return
