"""Threads whose work is in nobody's way."""

from __future__ import annotations

import os
import sys
import threading

_LOW_PRIORITY = 10


def lower_priority() -> None:
    """Has the calling thread get the processor when others do not want it, and those that it starts likewise.

    Linux schedules each thread by its own nice value; elsewhere that of the process would change, so nothing happens.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOW_PRIORITY)
