"""Where a stream's messages wait between the thread that reads them and the one that answers."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from lm.errors import RequestError

_MAX_REFUSALS = 16
"""Refusals that may wait; a caller who sends nonsense faster than it reads gets no answer to some of it."""


@dataclass(frozen=True, slots=True)
class Keystroke:
    """The input box after one edit."""

    sequence_number: int
    query: str
    received_s: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """A keystroke that cannot be answered."""

    sequence_number: int
    error: RequestError


class Inbox:
    """Holds the newest keystroke alone: an older one that nobody took is superseded."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._newest: Keystroke | None = None
        self._refusals: deque[Refusal] = deque(maxlen=_MAX_REFUSALS)
        self._closed = False
        self._error: Exception | None = None

    def put(self, keystroke: Keystroke) -> bool:
        """Puts the newest keystroke in; False if an older one was still waiting, and is lost."""
        with self._condition:
            superseded = self._newest is not None
            self._newest = keystroke
            self._condition.notify()
        return not superseded

    def refuse(self, refusal: Refusal) -> None:
        """Puts in what is to be refused."""
        with self._condition:
            self._refusals.append(refusal)
            self._condition.notify()

    def close(self, error: Exception | None = None) -> None:
        """Nothing more will come; what waits is still handed out, then `error` is raised."""
        with self._condition:
            self._closed = True
            self._error = self._error or error
            self._condition.notify()

    def has_newer(self) -> bool:
        """Whether a keystroke waits."""
        return self._newest is not None

    def take(self) -> Keystroke | Refusal | None:
        """The next one to deal with; waits for it. None at the end.

        Raises:
            Exception: what the inbox was closed with.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._refusals or self._newest is not None or self._closed)
            if self._refusals:
                return self._refusals.popleft()
            newest, self._newest = self._newest, None
            if newest is None and self._error is not None:
                raise self._error
            return newest
