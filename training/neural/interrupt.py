"""Ctrl-C that waits for the end of a step, so that what is then saved is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Holds SIGINT back; the function that it gives says whether one has come.

    Outside the main thread, where Python delivers no signals, none does.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came = False

    def remember(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        nonlocal came
        came = True

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGINT, before)
