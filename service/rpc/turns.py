"""Whose turn it is to have a keystroke answered: a few threads for all streams, fast answers before refined ones."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol


class Player(Protocol):
    """A session, to its turns."""

    def play(self) -> None:
        """Does one piece of work; never raises."""


class TurnQueue:
    """Sessions that wait for a thread, each at most once, in the order in which they came.

    Refined answers wait until nobody waits for a fast one, but no longer than `patience_s`: then the session only has
    to be told that there is no time for one, which takes next to none.

    Args:
        patience_s: time that an answer may take.
        clock: monotonic, in seconds.
    """

    def __init__(self, patience_s: float, clock: Callable[[], float]) -> None:
        self._patience_s = patience_s
        self._clock = clock
        self._condition = threading.Condition()
        self._fast: OrderedDict[Player, None] = OrderedDict()
        self._refined: OrderedDict[Player, float] = OrderedDict()
        self._closed = False

    def __len__(self) -> int:
        return len(self._fast) + len(self._refined)

    def ask_fast(self, player: Player) -> None:
        """Queues a session for a fast answer."""
        with self._condition:
            self._fast[player] = None
            self._condition.notify()

    def ask_refined(self, player: Player) -> None:
        """Queues a session for a refined answer."""
        with self._condition:
            self._refined[player] = self._clock()
            self._condition.notify()

    def promote(self, player: Player) -> None:
        """Has a session that waits for a refined answer, if it does, wait for a fast one: it was typed on."""
        with self._condition:
            if self._refined.pop(player, None) is not None:
                self._fast[player] = None

    def discard(self, player: Player) -> None:
        """Forgets a session that has ended."""
        with self._condition:
            self._fast.pop(player, None)
            self._refined.pop(player, None)

    def take(self) -> Player | None:
        """Whose turn it is; waits for one. None once the queue is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._fast or self._refined or self._closed)
            if self._closed:
                return None
            if not self._fast or self._is_overdue():
                return self._refined.popitem(last=False)[0]
            return self._fast.popitem(last=False)[0]

    def close(self) -> None:
        """Lets all threads go."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def _is_overdue(self) -> bool:
        since_s = next(iter(self._refined.values()), None)
        return since_s is not None and self._clock() - since_s > self._patience_s


def start_threads(turns: TurnQueue, count: int) -> None:
    """Starts threads that take turns until the queue is closed."""

    def work() -> None:
        while (player := turns.take()) is not None:
            player.play()

    for number in range(count):
        threading.Thread(target=work, name=f"keystrokes-{number}", daemon=True).start()
