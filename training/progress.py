"""What a long step tells the person who waits: what is being done, how far it is, how long it will take."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LINE_EVERY_S = 30.0


class Task:
    """One piece of work under way. This one is shown nowhere."""

    def update(self, completed: float, *, total: float | None = None, note: str = "") -> None:
        """Says how much of the total is done; `note` is shown beside it (a loss, a rate)."""


class Reporter(Protocol):
    """Where steps report."""

    def task(self, description: str, total: float | None = None) -> AbstractContextManager[Task]:
        """Opens a piece of work. Without a `total` it shows that the work goes on, but not how far it is."""

    def say(self, text: str) -> None:
        """One line that stays on the screen."""


class SilentReporter:
    """Reports nothing: for tests and for library use."""

    def task(self, description: str, total: float | None = None) -> AbstractContextManager[Task]:  # noqa: ARG002
        """See `Reporter.task`."""
        return nullcontext(Task())

    def say(self, text: str) -> None:
        """See `Reporter.say`."""


class TerminalReporter:
    """Bars on a terminal. Elsewhere, as in a log file, plain lines: one every 30 s and one for each finished task."""

    def __init__(
        self,
        console: Console,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        """`clock` counts seconds. `wait` waits for an event, or for some seconds; it returns whether the event came."""
        self._console, self._clock, self._wait = console, clock, wait

    def task(self, description: str, total: float | None = None) -> AbstractContextManager[Task]:
        """See `Reporter.task`."""
        return self._bar(description, total) if self._console.is_terminal else self._lines(description, total)

    def say(self, text: str) -> None:
        """See `Reporter.say`."""
        self._console.print(text)

    @contextmanager
    def _bar(self, description: str, total: float | None) -> Iterator[Task]:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[note]}"),
        )
        with Progress(*columns, console=self._console) as progress:
            task_id = progress.add_task(description, total=total, note="")
            yield _BarTask(progress, task_id)
            finished = progress.tasks[0].total or 1.0
            progress.update(task_id, completed=finished, total=finished)

    @contextmanager
    def _lines(self, description: str, total: float | None) -> Iterator[Task]:
        begun_s, ended = self._clock(), threading.Event()
        task = _PlainTask(total, self._clock)

        def tell() -> None:
            while not self._wait(ended, LINE_EVERY_S):
                self._print(f"{description}: {task.status()}")

        # on a thread, because many steps are one call that reports nothing until it returns
        thread = threading.Thread(target=tell, name="progress", daemon=True)
        thread.start()
        try:
            yield task
        finally:
            ended.set()
            thread.join()
        self._print(f"{description}: done in {_duration(self._clock() - begun_s)}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class _BarTask(Task):
    def __init__(self, progress: Progress, task_id: TaskID) -> None:
        self._progress = progress
        self._task_id = task_id

    def update(self, completed: float, *, total: float | None = None, note: str = "") -> None:
        self._progress.update(self._task_id, completed=completed, total=total, note=note)


class _PlainTask(Task):
    """Remembers its first and its newest update, from which it tells the time left."""

    def __init__(self, total: float | None, clock: Callable[[], float]) -> None:
        self._total, self._clock, self._begun_s = total, clock, clock()
        self._note = ""
        self._first: tuple[float, float] | None = None  # when, and how much was completed
        self._newest: tuple[float, float] | None = None

    def update(self, completed: float, *, total: float | None = None, note: str = "") -> None:
        if total is not None:
            self._total = total
        self._newest, self._note = (self._clock(), completed), note
        self._first = self._first or self._newest

    def status(self) -> str:
        """How far the task is, as words."""
        first, newest, total, now_s = self._first, self._newest, self._total, self._clock()
        words = []
        if newest and total:
            words.append(f"{newest[1] / total:.0%} done")
        if self._note:
            words.append(self._note)
        words.append(f"{_duration(now_s - self._begun_s)} so far")
        if first and newest and total and newest[1] > first[1]:  # a resumed task does not begin at 0
            left_s = (total - newest[1]) * (newest[0] - first[0]) / (newest[1] - first[1])
            words.append(f"about {_duration(max(0.0, left_s - (now_s - newest[0])))} left")
        return ", ".join(words)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
