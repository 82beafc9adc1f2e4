"""Processes that write to a store of the live state until they are killed, and what is there afterwards."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from service.live.changes import Change
from service.live.stores.store import open_store

_ROOT = Path(__file__).resolve().parent.parent
_LONGEST_WRITING_S = 0.2
# the writer says what was acknowledged; `limit` is the size that its files may have, in bytes
WRITER = """
import resource, signal, sys
from service.live.changes import Change
from service.live.stores.store import open_store
from lm.errors import AutocompleteError
location, writer, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
store = open_store(location)
for number in range(1_000_000):
    key = f"{writer} {number}"
    change = Change(kind="deny", key=key, value={"n": number}, by=writer, at_s=1.0)
    try:
        taken = store.put(change, expected=0)
        print("taken", key, flush=True)
    except AutocompleteError as error:
        print("failed", error, flush=True)
"""


class Writer:
    """A process that writes to a store as fast as it can, until it is killed."""

    def __init__(self, location: str, name: str, limit_bytes: int = 0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITER, location, name, str(limit_bytes)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )
        self._lines: list[str] = []

    def wait_for(self, word: str) -> None:
        """Reads on until a line begins with a word.

        Raises:
            RuntimeError: the process ended before.
        """
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)
            if line.startswith(word):
                return
        raise RuntimeError("the writer has ended")

    def kill(self) -> set[str]:
        """Ends it; returns the keys whose writes were acknowledged."""
        self._process.send_signal(signal.SIGKILL)
        said, _ = self._process.communicate()
        lines = self._lines + said.splitlines(keepends=True)
        return {line[6:-1] for line in lines if line.startswith("taken ") and line.endswith("\n")}


def everything(location: str) -> list[Change]:
    """All changes of a store; its state and its numbers must agree with them."""
    store = open_store(location)
    changes = store.log(after=0, count=10_000_000)
    state = store.snapshot().state
    store.close()
    assert [change.number for change in changes] == list(range(1, len(changes) + 1))
    assert {change.key for change in changes} == {change.key for change in state}
    return changes


def kill_rounds(location: str, rounds: int, disturb: Callable[[int], None] | None = None) -> tuple[int, int]:
    """Kills two writers in each round; returns how many writes were acknowledged, and how many of them are lost.

    Args:
        disturb: called in each round before, such as to kill the store and start it again.
    """
    chance, taken = random.Random(7), set[str]()
    for number in range(rounds):
        writers = [Writer(location, f"{number}{letter}") for letter in "ab"]
        for writer in writers:
            writer.wait_for("taken")
        time.sleep(chance.random() * _LONGEST_WRITING_S)
        if disturb is not None:
            disturb(number)
        for writer in writers:
            taken |= writer.kill()
    return len(taken), len(taken - {change.key for change in everything(location)})
