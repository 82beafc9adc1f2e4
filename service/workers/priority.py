"""Threads that work only when nobody else needs the processor."""

from __future__ import annotations

import os
import sys
import threading

_LOW_PRIORITY = 10


def lower_priority() -> None:
    """Lets all others go before the calling thread, and before the threads that it starts.

    Linux schedules each thread by its own nice value. Elsewhere the whole process would be slowed, so nothing happens.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOW_PRIORITY)
