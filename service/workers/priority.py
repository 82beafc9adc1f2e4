"""Threads that work only when nobody else needs the processor."""

from __future__ import annotations

import os
import sys
import threading

EVENTS, BACKGROUND, _LOWEST = 5, 10, 19
"""Nice values: of what users' events lead to, which is to be soon but after answers; of work that nobody waits for; and
the system's last."""


def lower_priority(by: int = BACKGROUND) -> None:
    """Lets others go before the calling thread, and before the threads that it starts.

    Linux schedules each thread by its own nice value. Elsewhere the whole process would be slowed, so nothing happens.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(os.getpriority(os.PRIO_PROCESS, thread) + by, _LOWEST))
