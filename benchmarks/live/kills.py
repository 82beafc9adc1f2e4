"""Whether an acknowledged take-down is ever lost: workers, servers and the store are killed at random moments."""

from __future__ import annotations

import itertools
import random
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import grpc

from benchmarks.live.servers import Caller, Store, replicas, store_of
from tests.store_writers import everything


class _Writer(threading.Thread):
    """A client that takes down one phrase after the other; what was acknowledged is in `taken`."""

    def __init__(self, address: str, name: str) -> None:
        super().__init__(daemon=True)
        self._address, self._name = address, name
        self.taken: list[str] = []
        self.stop = threading.Event()

    def run(self) -> None:
        """Until it is told to stop."""
        with Caller(self._address) as caller:
            for number in itertools.count():
                if self.stop.is_set():
                    return
                try:
                    self.taken.append(caller.take_down(f"{self._name} {number}"))
                except grpc.RpcError:
                    time.sleep(0.01)


def measure_kills(registry: Path, kind: Store, rounds: int, seed: int) -> None:
    """Prints how many acknowledged take-downs are lost."""
    chance, taken, kills = random.Random(seed), set[str](), Counter[str]()
    victims = ["worker"] * 3 + ["server"] + ["store"] * 3 * (kind is Store.REDIS)
    with tempfile.TemporaryDirectory() as name, store_of(kind, Path(name)) as (location, redis):
        with replicas(registry, Path(name), location) as [server]:
            for number in range(rounds):
                writers = [_Writer(server.address, f"phrase {number} {letter}") for letter in "ab"]
                for writer in writers:
                    writer.start()
                while not all(writer.taken for writer in writers):
                    time.sleep(0.005)
                time.sleep(chance.random() * 0.2)
                kills[victim := chance.choice(victims)] += 1
                if victim == "store":
                    assert redis is not None
                    redis.stop()
                    redis.start()
                elif victim == "worker":
                    server.kill_worker(chance)
                else:
                    server.kill()
                for writer in writers:
                    writer.stop.set()
                if victim == "server":
                    server.start()
                for writer in writers:
                    writer.join()
                    taken.update(writer.taken)
        lost = len(taken - {change.key for change in everything(location)})
    said = ", ".join(f"{victim} {count}" for victim, count in kills.most_common())
    print(f"{kind}: {rounds} rounds of kill -9 ({said}): {len(taken):,} take-downs acknowledged, {lost} lost")
