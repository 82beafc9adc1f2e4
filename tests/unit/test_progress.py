"""What a person who waits is told, with and without a terminal."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from training.progress import LINE_EVERY_S, TerminalReporter


class Time:
    """A clock that stands until a test moves it on."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._moved, self._waiting = threading.Semaphore(0), threading.Semaphore(0)

    def clock(self) -> float:
        return self.now_s

    def wait(self, ended: threading.Event, seconds: float) -> bool:
        assert seconds == LINE_EVERY_S
        self._waiting.release()  # what was due before is printed
        while not ended.is_set():
            if self._moved.acquire(timeout=0.01):
                return ended.is_set()
        return True

    def pass_30_s(self) -> None:
        """Returns when what is then due is printed."""
        self._waiting.acquire()
        self.now_s += 30
        self._moved.release()
        self._waiting.acquire()
        self._waiting.release()


class Log:
    """A reporter that writes to a file as narrow as a terminal, and what it wrote."""

    def __init__(self) -> None:
        self.time, self._file = Time(), io.StringIO()
        console = Console(file=self._file, width=40, highlight=False)
        self.reporter = TerminalReporter(console, clock=self.time.clock, wait=self.time.wait)

    @property
    def lines(self) -> list[str]:
        return self._file.getvalue().splitlines()


def test_without_a_terminal_a_long_task_says_every_30_s_how_far_it_is() -> None:
    log = Log()
    with log.reporter.task("Training the neural model", total=1.0) as task:
        task.update(0.0, note="loss 9.000, step 1")
        log.time.now_s = 10.0
        task.update(0.1, note="loss 5.000, step 50")
        assert log.lines == []
        log.time.pass_30_s()
        log.time.now_s = 60.0
        task.update(0.5, note="loss 4.512, perplexity 91, 7,200 tokens/s, step 1,200")
        log.time.pass_30_s()
    assert log.lines == [
        "Training the neural model: 10% done, loss 5.000, step 50, 40 s so far, about 1 min 0 s left",
        "Training the neural model: 50% done, loss 4.512, perplexity 91, 7,200 tokens/s, step 1,200, "
        "1 min 30 s so far, about 30 s left",
        "Training the neural model: done in 1 min 30 s",
    ]


def test_a_step_that_reports_nothing_still_shows_that_it_goes_on() -> None:
    log = Log()
    with log.reporter.task("text: n-gram counts [1/2]"):
        log.time.pass_30_s()
        log.time.pass_30_s()
    assert log.lines == [
        "text: n-gram counts [1/2]: 30 s so far",
        "text: n-gram counts [1/2]: 1 min 0 s so far",
        "text: n-gram counts [1/2]: done in 1 min 0 s",
    ]


def test_the_time_left_of_a_resumed_task_counts_from_where_it_went_on() -> None:
    log = Log()
    with log.reporter.task("Training", total=1.0) as task:
        task.update(0.8)
        log.time.now_s = 5000.0
        task.update(0.9)
        log.time.pass_30_s()
    assert log.lines[0] == "Training: 90% done, 1 h 23 min so far, about 1 h 22 min left"


def test_a_task_that_fails_is_not_done() -> None:
    log = Log()

    def fail() -> None:
        with log.reporter.task("Training"):
            log.time.pass_30_s()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert log.lines == ["Training: 30 s so far"]
    assert "progress" not in [thread.name for thread in threading.enumerate()]


def test_a_terminal_shows_a_bar() -> None:
    file = io.StringIO()
    reporter = TerminalReporter(Console(file=file, width=160, force_terminal=True, color_system=None))
    with reporter.task("Training", total=4) as task:
        task.update(1, note="loss 4.512")
    shown = file.getvalue()
    assert "100%" in shown
    assert "loss 4.512" in shown
    assert "done in" not in shown
