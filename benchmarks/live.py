"""What the live state costs, and whether it loses anything.

`python -m benchmarks.live overlay QUERIES` judges texts of a query log against denied phrases of the same log, and
prints the time for a text and the memory of an entry. `python -m benchmarks.live kills sqlite`, or `redis`, ends
writers and Redis with SIGKILL at random moments, and counts the acknowledged writes that are not there afterwards.
`python -m benchmarks.live spread sqlite`, or `redis`, times how soon followers know of
take-downs, pins and entries.
"""

from __future__ import annotations

import argparse
import itertools
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from lm.text.normalize import normalize_query
from service.live.changes import Change
from service.live.curation import CuratedEntry, Pin, When
from service.live.curation import creation as curated
from service.live.denied import Denied
from service.live.deny_list import DenyEntry, Operator, creation
from service.live.follower import Follower
from service.live.overlay import View
from service.live.stores.store import open_store
from service.telemetry.metrics import Metrics
from tests.redis_process import RedisProcess

_ROOT = Path(__file__).resolve().parent.parent
_LIST = 16
"""Texts that are judged for one answer."""
_LONGEST_WRITING_S = 0.2
# the writer says what was acknowledged; `limit` is the size that its files may have, in bytes
WRITER = """
import resource, signal, sys
from service.live.changes import Change
from service.live.curation import CuratedEntry, Pin, When
from service.live.curation import creation as curated
from service.live.stores.store import open_store
from service.telemetry.metrics import Metrics
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


def overlay_of(phrases: Sequence[str], operator: Operator) -> Denied:
    """An overlay that denies some phrases."""
    return Denied().with_changes(
        [(DenyEntry(operator=operator, phrase=phrase, created_s=1.0), True) for phrase in phrases]
    )


def measure_overlay(queries: Path) -> None:
    """Prints what it costs to judge texts, and to keep entries."""
    texts = sorted({normalize_query(line).strip() for line in queries.read_text("utf-8").splitlines()})
    random.Random(1).shuffle(texts)
    judged, phrases = texts[:10_000], texts[10_000:]
    for size, operator in itertools.product((1_000, 100_000), (Operator.EXACT, Operator.CONTAINS)):
        overlay_of(phrases[:size], operator)  # what is remembered of words is not the overlay's
        tracemalloc.start()
        overlay = overlay_of(phrases[:size], operator)
        entry_bytes = tracemalloc.get_traced_memory()[0] / overlay.size
        tracemalloc.stop()
        new_us = statistics.median(_judging_us(overlay, judged[at : at + 500]) for at in range(0, len(judged), 500))
        known_us = _judging_us(overlay, judged[-500:])
        answer = f"an answer of {_LIST} texts {_LIST * known_us:.0f} to {_LIST * new_us:.0f} us"
        judging = f"{new_us:5.2f} us for a new text, {known_us:4.2f} us for a known one"
        print(f"{overlay.size:>7,} {operator.value:8}: {judging}; {answer}; {entry_bytes:.0f} bytes an entry")


def _judging_us(overlay: Denied, texts: Sequence[str]) -> float:
    view, begun_s = overlay.view(""), time.thread_time()
    for text in texts:
        view.blocks(text)
    return (time.thread_time() - begun_s) / len(texts) * 1e6


@contextmanager
def empty_store(kind: str) -> Iterator[tuple[str, Callable[[int], None] | None]]:
    """Where an empty store is, and what kills it in every second round of `kill_rounds`."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "sqlite":
            yield str(Path(folder) / "live.sqlite"), None
            return
        redis = RedisProcess(Path(folder), "--appendonly", "yes", "--appendfsync", "always")
        redis.start()

        def kill(number: int) -> None:
            if number % 2:
                redis.stop()
                redis.start()

        try:
            yield redis.url, kill
        finally:
            redis.stop()


def measure_kills(kind: str, rounds: int) -> None:
    """Prints how many acknowledged writes are lost."""
    with empty_store(kind) as (location, kill):
        taken, lost = kill_rounds(location, rounds, kill)
    print(f"{kind}, {rounds} rounds: {taken:,} writes acknowledged, {lost} lost")


def measure_spread(kind: str, changes: int) -> None:
    """Prints how long after its acknowledgement a take-down, a pin or an entry is known to all of three followers."""
    waited_s: dict[str, list[float]] = {}
    with empty_store(kind) as (location, _):
        stores = [open_store(location) for _ in range(4)]
        metrics = [Metrics(CollectorRegistry()) for _ in stores[1:]]
        followers = [
            Follower(store, each, clock=time.monotonic, wall_clock=time.time)
            for store, each in zip(stores[1:], metrics, strict=True)
        ]
        for follower in followers:
            follower.start()
        for number in range(changes):
            for change, is_known in _changes(number):
                stores[0].put(change, expected=0)
                begun_s = time.monotonic()
                while not all(is_known(follower.view("m")) for follower in followers):
                    time.sleep(0.001)
                waited_s.setdefault(change.kind, []).append(time.monotonic() - begun_s)
        for follower in followers:
            follower.close()
        for store in stores:
            store.close()
    for name, each in waited_s.items():
        each.sort()
        median_s, p99_s = each[len(each) // 2], each[len(each) * 99 // 100]
        print(f"{kind}, {changes} x {name}, 3 followers: {median_s:.3f} s, p99 {p99_s:.3f} s, worst {each[-1]:.3f} s")


def _changes(number: int) -> Iterator[tuple[Change, Callable[[View], bool]]]:
    """A change of each kind, and how to tell that it is known."""
    text = f"phrase {number}"
    denied = DenyEntry(operator=Operator.EXACT, phrase=text, created_s=1.0)
    yield creation(denied, at_s=1.0, by=""), lambda view: view.denied.blocks(text)
    pin = Pin(model="m", query=text, when=When.TYPED, text="x", place=1, created_s=1.0)
    yield curated(pin, at_s=1.0), lambda view: view.curated.pins is not None and bool(view.curated.pins.of(text))
    entry = CuratedEntry(model="m", text=text, weight=1.0, created_s=1.0)
    yield curated(entry, at_s=1.0), lambda view: view.entries.queries.get(text) is not None


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    overlay = parts.add_parser("overlay")
    overlay.add_argument("queries", type=Path, help="a query log, a query a line, 120,000 different ones or more")
    for name, times, default in (("kills", "--rounds", 200), ("spread", "--changes", 1000)):
        part = parts.add_parser(name)
        part.add_argument("store", choices=("sqlite", "redis"))
        part.add_argument(times, dest="times", type=int, default=default)
    arguments = parser.parse_args()
    if arguments.part == "overlay":
        measure_overlay(arguments.queries)
    elif arguments.part == "kills":
        measure_kills(arguments.store, arguments.times)
    else:
        measure_spread(arguments.store, arguments.times)


if __name__ == "__main__":
    main()
