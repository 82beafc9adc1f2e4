"""Rows of a log that cannot be used: the first ends the run, or all are dropped and counted."""

from __future__ import annotations

from collections import Counter

from lm.errors import InputError


class BadRows:
    """What becomes of the bad rows of one log; `counts` has those that were dropped, by kind."""

    def __init__(self, *, stop: bool = True) -> None:
        self._stop = stop
        self.counts: Counter[str] = Counter()

    def report(self, kind: str, error: InputError) -> None:
        """Notes a bad row.

        Args:
            kind: what is wrong with it, such as `bad_time`.
            error: the same with its place.

        Raises:
            InputError: the run is to stop at it.
        """
        if self._stop:
            error.remedy = f'{error.remedy} `on_bad_row = "drop"` counts such rows and goes on.'.strip()
            raise error
        self.counts[kind] += 1
