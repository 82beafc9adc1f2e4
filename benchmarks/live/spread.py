"""How soon changes hold in every worker of three replicas, under even traffic."""

from __future__ import annotations

import itertools
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import grpc

from benchmarks.live.servers import WORKERS, Caller, Store, popular, replicas, spread_of, store_of

_OBEY_S = 20.0


class Wanted(NamedTuple):
    """What is looked for: whether a query shows a text, or no longer does."""

    number: int
    typed: str
    text: str
    shown: bool


class _Watcher(threading.Thread):
    """Asks one worker at an even pace: for what is wanted, until it is so; else for anything."""

    def __init__(self, caller: Caller, traffic: Sequence[str], every_s: float, number: int) -> None:
        super().__init__(daemon=True)
        self._caller, self._traffic, self._every_s = caller, traffic, every_s
        self._chance = random.Random(number)
        self.wanted = Wanted(0, "", "", False)
        self.met, self.met_s = 0, 0.0
        self.calls = self.refused = 0
        self.error = ""
        self.stop = threading.Event()

    def run(self) -> None:
        """Until it is told to stop."""
        next_s = time.monotonic() + self._chance.random() * self._every_s
        while not self.stop.wait(max(next_s - time.monotonic(), 0)):
            next_s = max(next_s + self._every_s, time.monotonic() - 1)
            wanted = self.wanted
            looks = wanted.number != self.met
            self.calls += 1
            try:
                shown = self._caller.shown(wanted.typed if looks else self._chance.choice(self._traffic))
            except grpc.RpcError as error:
                self.refused += 1
                self.error = str(error)
                continue
            if looks and (wanted.text in shown) == wanted.shown:
                self.met_s, self.met = time.monotonic(), wanted.number


def _wait_for_all(watchers: Sequence[_Watcher], wanted: Wanted, when: str) -> None:
    """Waits until all see what is wanted.

    Raises:
        RuntimeError: they do not before long.
    """
    for each in watchers:
        each.wanted = wanted
    deadline = time.monotonic() + _OBEY_S
    while any(each.met != wanted.number for each in watchers):
        if time.monotonic() > deadline:
            for each in watchers:
                each.stop.set()
            errors = {each.error for each in watchers if each.met != wanted.number}
            raise RuntimeError(f"{when}: not all have seen {wanted}. Their last errors: {errors}")
        time.sleep(0.005)


class Change(NamedTuple):
    """Something to do, after which a query shows a text, or shows it no longer."""

    kind: str
    typed: str
    text: str
    hides: bool
    act: Callable[[], object]


def changes_by(writer: Caller, texts: Sequence[str]) -> Iterator[Change]:
    """A take-down, a pin and an entry in turn, each about a text of its own."""
    for number, text in enumerate(texts):
        typed = text[:-1]
        match number % 3:
            case 0:
                yield Change("take-down", typed, text, True, partial(writer.take_down, text))
            case 1:
                pinned = f"{text} pinned{number}x"
                yield Change("pin", typed, pinned, False, partial(writer.pin, typed, pinned))
            case _:
                added = f"{text} entry{number}x"  # no word that a model could make up
                yield Change("entry", added[:-1], added, False, partial(writer.add, added))


def measure_spread(registry: Path, sample: Path, store: Store, count: int, calls_per_s: int, most_s: float) -> None:
    """Prints how long after its acknowledgement a change holds in every worker of three replicas."""
    waited_s: dict[str, list[float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        location, _ = stack.enter_context(store_of(store, folder))
        servers = stack.enter_context(replicas(registry, folder, *[location] * 3))
        callers = [caller for server in servers for caller in server.callers(stack)]
        texts = popular(sample, callers[0], count)
        traffic = [text[:length] for text in texts for length in range(len(text))]
        every_s = len(callers) / calls_per_s
        watchers = [_Watcher(caller, traffic, every_s, number) for number, caller in enumerate(callers)]
        for watcher in watchers:
            watcher.start()
        writer, begun_s = stack.enter_context(Caller(servers[0].address)), time.monotonic()
        done: list[Change] = []
        for change in changes_by(writer, texts):
            if time.monotonic() > begun_s + most_s:
                break
            waited_s.setdefault(change.kind, []).append(_waited_s(watchers, change, 2 * len(done)))
            done.append(change)
        took_s = time.monotonic() - begun_s
        for watcher in watchers:
            watcher.stop.set()
            watcher.join()
        # each once, in turn by another worker
        asked = zip(done, itertools.cycle(callers), strict=False)
        undone = sum((change.text in caller.shown(change.typed)) == change.hides for change, caller in asked)
    calls, refused = sum(each.calls for each in watchers), sum(each.refused for each in watchers)
    print(
        f"{store}: {len(callers)} connections to 3 replicas of {WORKERS} workers, each asks every "
        f"{1000 * every_s:.0f} ms: {calls / took_s:.0f} calls/s, {refused} of {calls:,} refused"
    )
    for kind, each_s in waited_s.items():
        print(f"{len(each_s):>5} x {kind:9}: {spread_of(each_s)}")
    print(f"of {len(done)}, no longer so in the end: {undone}")


def _waited_s(watchers: Sequence[_Watcher], change: Change, number: int) -> float:
    """Makes a change; how long after its acknowledgement all watchers have seen it.

    Raises:
        RuntimeError: they do not, or it was so before.
    """
    _wait_for_all(watchers, Wanted(number + 1, change.typed, change.text, change.hides), f"before the {change.kind}")
    change.act()
    acknowledged_s = time.monotonic()
    _wait_for_all(watchers, Wanted(number + 2, change.typed, change.text, not change.hides), f"after the {change.kind}")
    return max(0.0, *(watcher.met_s - acknowledged_s for watcher in watchers))
