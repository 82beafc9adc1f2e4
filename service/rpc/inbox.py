"""What waits in a stream to be answered."""

from __future__ import annotations

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
        self._newest: Keystroke | None = None
        self._refusals: deque[Refusal] = deque(maxlen=_MAX_REFUSALS)

    def __bool__(self) -> bool:
        return self._newest is not None or bool(self._refusals)

    def put(self, keystroke: Keystroke) -> bool:
        """Puts the newest keystroke in; False if an older one was still waiting, and is lost."""
        superseded = self._newest is not None
        self._newest = keystroke
        return not superseded

    def refuse(self, refusal: Refusal) -> bool:
        """Puts in what is to be refused; False if others wait."""
        waiting = bool(self._refusals)
        self._refusals.append(refusal)
        return not waiting

    def take(self) -> Keystroke | Refusal | None:
        """The next one to deal with, refusals first; None if there is none."""
        if self._refusals:
            return self._refusals.popleft()
        newest, self._newest = self._newest, None
        return newest

    def clear(self) -> None:
        """Forgets what waits."""
        self._newest = None
        self._refusals.clear()
