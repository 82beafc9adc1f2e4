"""Whether a call that arrives is taken, and when one that is not should come again.

The wait is estimated as calls that are there times the time that each occupies the server. That time is measured as
busy time a call that ended in it (the utilisation law, S = B / C; Denning and Buzen, 1978, section 3), and so says what
threads, cores and Python's lock between them really get done, whatever their numbers.

A queue that was empty a moment ago is a burst and soon will be empty again; one that has stood for longer is an
overload (Nichols and Jacobson, Controlling Queue Delay, 2012). So calls of a burst may wait for longer, as in Maurer's
Fail at Scale (2015). But a queue that refuses runs empty now and then as well: in an overload, which the share of
refused calls shows, there are no bursts. Both are counted in calls: when the process itself has paused, time says
nothing of the load.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

_FIRST_SERVICE_S = 0.001
_KEEP = 0.98
"""Of the mean service time: it follows the last 50 calls, so that one slow call is no overload."""
_LONGEST_RETRY_S = 10.0
_MOST_OF_MEAN = 5.0
"""More than this times the mean is no call's own cost but a pause, as when a model is opened."""
_BURST_CALLS = 32
"""A queue that was empty within so many answers is a burst. Where others kept the machine busy, 6 to 20% of the calls
were refused at half the load that saturates, without this."""
_BURST_WAITS = 6.0
"""So long that the calls of a pause, such as the opening of a model, are taken."""
_REMEMBER = 0.99
"""Of the share of refused calls: it follows the last 100, so that a pause with a few refusals is no overload."""
_OVERLOAD_SHARE = 0.05
"""Of refused calls: above it there are no bursts. At twice the saturating load, where a quarter is refused, the p99 was
45 ms with bursts, and 28 without; 23 with two threads instead of three."""


class Load:
    """Calls that were taken and have not ended, and how long each occupies the server.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._calls = 0
        self._since_empty = 0
        self._busy_since_s = 0.0
        self._service_s = _FIRST_SERVICE_S

    @property
    def calls(self) -> int:
        """Calls that are there, at work or waiting."""
        return self._calls

    @property
    def service_s(self) -> float:
        """Mean time that a call occupies the server."""
        return self._service_s

    @property
    def since_empty(self) -> int:
        """Calls answered since there last was none."""
        return self._since_empty

    def arrive(self) -> None:
        """A call was taken."""
        now_s = self._clock()
        with self._lock:
            if not self._calls:
                self._busy_since_s = now_s
                self._since_empty = 0
            self._calls += 1

    def end(self) -> None:
        """A call was answered."""
        now_s = self._clock()
        with self._lock:
            self._calls -= 1
            self._since_empty += 1
            took_s = min(now_s - self._busy_since_s, _MOST_OF_MEAN * self._service_s)
            self._service_s = _KEEP * self._service_s + (1 - _KEEP) * took_s
            self._busy_since_s = now_s


class Admission:
    """Takes calls while those that are there let them wait no longer than a bound.

    Args:
        threads: calls worked on at the same time; one that finds a thread free is taken.
        max_wait_s: the longest estimated wait of a call that is taken; in a burst, unless calls have been refused
            lately, six times that.
        max_calls: calls that may be there at the same time.
        clock: monotonic, in seconds.
        chance: a random number from 0 to 1, so that those who are refused together do not come again together.
    """

    def __init__(
        self,
        load: Load,
        *,
        threads: int,
        max_wait_s: float = math.inf,
        max_calls: float = math.inf,
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        self._load = load
        self._threads = threads
        self._max_wait_s = max_wait_s
        self._max_calls = max_calls
        self._clock = clock
        self._chance = chance
        self._promised_s = -math.inf
        self._refused_share = 0.0

    def retry_after_s(self, unread: int = 0) -> float | None:
        """None if a call that arrives now is taken, else when it should come again, in whole hundredths of a second.

        Each refused call is told to come one service time after the one refused before it: if all came at once, they
        would be refused again.

        Args:
            unread: calls that were taken but are no load yet, because their message is still under way.
        """
        calls, service_s = self._load.calls + unread, self._load.service_s
        wait_s = calls * service_s
        burst = self._load.since_empty < _BURST_CALLS and self._refused_share < _OVERLOAD_SHARE
        max_wait_s = self._max_wait_s * (_BURST_WAITS if burst else 1.0)
        taken = calls < self._threads or (calls < self._max_calls and wait_s <= max_wait_s)
        self._refused_share = _REMEMBER * self._refused_share + (1 - _REMEMBER) * (not taken)
        if taken:
            return None
        now_s = self._clock()
        turn_s = max(self._promised_s, now_s + wait_s) + service_s
        self._promised_s = min(turn_s, now_s + _LONGEST_RETRY_S)
        return math.ceil((self._promised_s - now_s) * (1 + self._chance()) * 100) / 100
