"""What a long step tells the person who waits: what is being done, how far, how long it will take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
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


class Task(Protocol):
    """One piece of work under way."""

    def update(self, completed: float, *, total: float | None = None, note: str = "") -> None:
        """Says how much of the total is done; `note` stands behind the bar (a loss, a rate)."""


class Reporter(Protocol):
    """Where steps report."""

    def task(self, description: str, total: float | None = None) -> AbstractContextManager[Task]:
        """Opens a piece of work; without `total` it shows that it goes on, not how far."""

    def say(self, text: str) -> None:
        """One line that stays on the screen."""


class SilentReporter:
    """Reports nothing: for tests and for library use."""

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Task]:  # noqa: ARG002
        """See `Reporter.task`."""
        yield _SilentTask()

    def say(self, text: str) -> None:
        """See `Reporter.say`."""


class _SilentTask:
    def update(self, completed: float, *, total: float | None = None, note: str = "") -> None:
        """See `Task.update`."""


class TerminalReporter:
    """Bars on a terminal; plain lines, one a finished task, where there is none."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Task]:
        """See `Reporter.task`."""
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
            yield _TerminalTask(progress, task_id)
            finished = progress.tasks[0].total or 1.0
            progress.update(task_id, completed=finished, total=finished)

    def say(self, text: str) -> None:
        """See `Reporter.say`."""
        self._console.print(text)


class _TerminalTask:
    def __init__(self, progress: Progress, task_id: TaskID) -> None:
        self._progress = progress
        self._task_id = task_id

    def update(self, completed: float, *, total: float | None = None, note: str = "") -> None:
        """See `Task.update`."""
        self._progress.update(self._task_id, completed=completed, total=total, note=note)
