"""Whose turn it is to have a keystroke answered: a few threads for all streams, fast answers before refined ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

Result = TypeVar("Result")
Turn = asyncio.Future[bool]
"""Done with True once it has come, with False if it was given up."""


class Turns:
    """Threads for keystrokes and the turns of those who wait for one; its methods belong to the event loop.

    Refined answers wait until nobody waits for a fast one, but no longer than `patience_s`: then there is no time to
    compute one, and saying so takes next to no time.

    Args:
        pool: makes the answers.
        threads: how many it makes at the same time.
        patience_s: time that an answer may take.
        clock: monotonic, in seconds.
    """

    def __init__(self, pool: Executor, threads: int, patience_s: float, clock: Callable[[], float]) -> None:
        self._free = threads
        self._patience_s = patience_s
        self._clock = clock
        self._pool = pool
        self._fast: dict[Turn, float] = {}
        self._refined: dict[Turn, float] = {}

    def __len__(self) -> int:
        """Streams that wait."""
        return len(self._fast) + len(self._refined)

    def ask(self, *, refined: bool = False) -> Turn:
        """A turn, which has come once it is done; whoever asks must `give_back` it or give it up."""
        turn: Turn = asyncio.get_running_loop().create_future()
        (self._refined if refined else self._fast)[turn] = self._clock()
        self._hand_out()
        return turn

    def give_up(self, turn: Turn) -> None:
        """Takes back a request for a turn; one that has come is given back."""
        self._fast.pop(turn, None)
        self._refined.pop(turn, None)
        if not turn.done():
            turn.set_result(False)
        elif not turn.cancelled() and turn.result():
            self.give_back()

    def give_back(self) -> None:
        """Ends a turn."""
        self._free += 1
        self._hand_out()

    async def compute(self, work: Callable[..., Result], /, *args: object) -> Result:
        """Has a thread do the work of one whose turn has come."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)

    def close(self) -> None:
        """Lets the threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _hand_out(self) -> None:
        while self._free and (self._fast or self._refined):
            waiting = self._refined if not self._fast or self._is_overdue() else self._fast
            turn = next(iter(waiting))
            del waiting[turn]
            if not turn.done():  # its stream has not ended
                self._free -= 1
                turn.set_result(True)

    def _is_overdue(self) -> bool:
        since_s = next(iter(self._refined.values()), None)
        return since_s is not None and self._clock() - since_s > self._patience_s
