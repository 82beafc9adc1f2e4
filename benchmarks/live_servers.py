"""What servers promise of take-downs, measured on real ones: replicas of two workers each, on one machine.

Run from the checkout: `python -m benchmarks.live_servers PART [REGISTRY]`, after `autocomplete demo`. The parts:

- `kills`: ends workers, whole servers and the store with SIGKILL at random moments while two clients take down, and
  counts the acknowledged take-downs that are not there afterwards.
- `spread`: how long after its acknowledgement a take-down, a pin or an entry holds in every worker of three replicas,
  under even traffic.
- `cut`: what one replica still shows after it was cut off from the store for a while.
- `hidden`: whether what is taken down is shown by any method, and whether anything else is missing.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

import grpc
import typer
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import curation_service_pb2 as curation_pb
from autocomplete.v1 import curation_service_pb2_grpc as curation_grpc
from autocomplete.v1 import deny_list_service_pb2 as deny_pb
from autocomplete.v1 import deny_list_service_pb2_grpc as deny_grpc

from benchmarks.command import ROOT, run
from benchmarks.live import everything
from benchmarks.severed import Severed
from demo.server import serves
from lm.text.normalize import normalize_query
from tests.redis_process import RedisProcess, free_port

_DEMO = ROOT / "var" / "demo"
WORKERS, _CHANNELS = 2, 4
_START_S, _TIMEOUT_S = 120.0, 5.0
_WEIGHT = 1_000.0
_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 200))


class Store(StrEnum):
    """Where take-downs are kept."""

    SQLITE = "sqlite"
    REDIS = "redis"


class Caller:
    """A connection of its own to one worker of a server."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address, options=_OWN_CONNECTION)
        self.answers = pb_grpc.AutocompleteServiceStub(self._channel)
        self._entries = deny_grpc.DenyListServiceStub(self._channel)
        self._curated = curation_grpc.CurationServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def shown(self, query: str, count: int = 10) -> list[str]:
        """The suggestions for a query."""
        request = pb.CompleteQueryRequest(query=query, max_suggestions=count)
        return [each.text for each in self.answers.CompleteQuery(request, timeout=_TIMEOUT_S).suggestions]

    def take_down(self, phrase: str, *, contains: bool = False) -> str:
        """The key of the entry."""
        kind = deny_pb.DenyListEntry
        match = kind.MATCH_OPERATOR_CONTAINS if contains else kind.MATCH_OPERATOR_EXACT
        entry = kind(phrase=phrase, match_operator=match, creator="benchmark")
        request = deny_pb.CreateDenyListEntryRequest(deny_list_entry=entry)
        name: str = self._entries.CreateDenyListEntry(request, timeout=_TIMEOUT_S).name
        return name.removeprefix("denyListEntries/")

    def pin(self, query: str, text: str) -> None:
        """Puts a text at the first place for a query."""
        pin = curation_pb.Pin(query=query, match=curation_pb.Pin.MATCH_TYPED, text=text, place=1)
        self._curated.CreatePin(curation_pb.CreatePinRequest(pin=pin), timeout=_TIMEOUT_S)

    def add(self, text: str) -> None:
        """Adds an entry to the catalogue."""
        entry = curation_pb.CatalogueEntry(text=text, weight=_WEIGHT)
        request = curation_pb.CreateCatalogueEntryRequest(catalogue_entry=entry)
        self._curated.CreateCatalogueEntry(request, timeout=_TIMEOUT_S)


class Replica:
    """A server of two workers, in a process group of its own."""

    def __init__(self, registry: Path, live: str, log: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self._log = log
        self._command = [sys.executable, "-m", "cli.main", "serve", "--registry", str(registry), "--live", live]
        self._command += ["--address", self.address, "--metrics-address", "off", "--workers", str(WORKERS)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, and waits until it answers.

        Raises:
            RuntimeError: it does not.
        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + _START_S
        while not serves(self.address):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """Ends all its processes with SIGKILL."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def kill_worker(self, chance: random.Random) -> None:
        """Ends one worker with SIGKILL."""
        os.kill(chance.choice(self.workers()), signal.SIGKILL)

    def workers(self) -> list[int]:
        """Their process ids."""
        assert self._process is not None
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        children = [int(child) for each in tasks for child in each.read_text().split()]
        return [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]

    def callers(self, stack: ExitStack) -> list[Caller]:
        """Several callers, of which each worker has one or more."""
        while True:
            callers = [Caller(self.address) for _ in range(_CHANNELS)]
            for each in callers:
                each.shown("")
            if all(_connections(worker, self.address) for worker in self.workers()):
                return [stack.enter_context(each) for each in callers]
            for each in callers:
                each.__exit__()


def _connections(pid: int, address: str) -> int:
    """How many connections to an address a process has taken."""
    port = f":{int(address.rpartition(':')[2]):04X}"
    rows = [row.split() for kind in ("tcp", "tcp6") for row in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()]
    taken = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(port) and row[3] == "01"}
    found = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += str(each.readlink()) in taken
        except FileNotFoundError:
            continue
    return found


@contextmanager
def store_of(kind: Store, folder: Path) -> Iterator[tuple[str, RedisProcess | None]]:
    """Where an empty store is, and its process, if it is one."""
    if kind is Store.SQLITE:
        yield str(folder / "live.sqlite"), None
        return
    redis = RedisProcess(folder, "--appendonly", "yes", "--appendfsync", "always")
    redis.start()
    try:
        yield redis.url, redis
    finally:
        redis.stop()


@contextmanager
def replicas(registry: Path, folder: Path, *live: str) -> Iterator[list[Replica]]:
    """Servers, each with the location of its store."""
    made = [Replica(registry, location, folder / f"server{number}.log") for number, location in enumerate(live)]
    try:
        for each in made:
            each.start()
        yield made
    finally:
        for each in made:
            each.kill()


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


def popular(sample: Path, caller: Caller, count: int) -> list[str]:
    """The most frequent queries that are shown when their last letter is not typed yet, no two of them of one form."""
    counts = Counter(normalize_query(line).strip() for line in sample.read_text("utf-8").splitlines())
    found: dict[str, str] = {}
    for text, _ in counts.most_common():
        if len(found) == count:
            break
        if len(text) > 2 and letters_of(text) not in found and text in caller.shown(text[:-1]):
            found[letters_of(text)] = text
    return list(found.values())


def measure_cut(registry: Path, sample: Path, away_s: float, changes: int) -> None:
    """Prints what a replica still shows 2 s after its connection to Redis came back."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        location, redis = stack.enter_context(store_of(Store.REDIS, folder))
        assert redis is not None
        wire = stack.enter_context(Severed(redis.port))
        servers = stack.enter_context(replicas(registry, folder, location, wire.url))
        here, away = (server.callers(stack) for server in servers)
        texts = popular(sample, here[0], changes)
        before = {caller: {text: caller.shown(text[:-1]) for text in texts} for caller in away}
        wire.cut()
        cut_s = time.monotonic()
        for text in texts:
            here[0].take_down(text)
        still = [caller.answers.CompleteQuery(pb.CompleteQueryRequest(query=texts[0][:-1])) for caller in away]
        time.sleep(max(0.0, cut_s + away_s - time.monotonic()))
        wire.heal()
        healed_s = time.monotonic()
        while any(texts[-1] in caller.shown(texts[-1][:-1]) for caller in away):
            time.sleep(0.02)
        back_s = time.monotonic() - healed_s
        time.sleep(max(0.0, healed_s + 2 - time.monotonic()))
        lists = [{text: caller.shown(text[:-1]) for text in texts} for caller in (*here, *away)]
    differ = sum(lists[0][text] != each[text] for text in texts for each in lists)
    print(
        f"cut off for {away_s:.0f} s, {len(texts)} take-downs meanwhile: it answered on "
        f"({sum(texts[0] in [s.text for s in each.suggestions] for each in still)} of {len(still)} with the first of "
        f"them), the last one held {back_s:.3f} s after it was back; "
        f"after 2 s {differ} lists of {len(texts)} differ, of {len(before)} connections"
    )


def letters_of(text: str) -> str:
    """The letters and digits of a text, by a rule of its own, not by that of the server."""
    return "".join(each for each in normalize_query(text) if each.isalnum())


def is_form(text: str, phrase: str) -> bool:
    """Whether a text has a phrase in it as words of its own, however they are joined."""
    words, letters = [letters_of(word) for word in normalize_query(text).replace("-", " ").split()], letters_of(phrase)
    ends = [0, *itertools.accumulate(map(len, words))]
    whole = "".join(words)
    return any(whole[begin : begin + len(letters)] == letters for begin in ends if begin + len(letters) in ends)


def main(
    part: Annotated[str, typer.Argument(help="kills, spread, cut or hidden")],
    registry: Annotated[Path, typer.Argument()] = _DEMO / "registry",
    *,
    sample: Path = _DEMO / "sample" / "queries.txt",
    store: Store = Store.REDIS,
    times: Annotated[int, typer.Option(help="rounds of `kills`, take-downs of `spread` and `cut`")] = 200,
    calls_per_s: int = 300,
    away_s: float = 60,
    most_s: Annotated[float, typer.Option(help="`spread` ends after so many seconds")] = 480,
    seed: Annotated[int, typer.Option(help="of the moments of `kills`")] = 1,
) -> None:
    """Measures."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before its time"))  # the servers then end too
    if part == "kills":
        measure_kills(registry, store, times, seed)
    elif part == "spread":
        from benchmarks.live_spread import measure_spread

        measure_spread(registry, sample, store, times, calls_per_s, most_s)
    elif part == "cut":
        measure_cut(registry, sample, away_s, times)
    else:
        from benchmarks.live_hidden import measure_hidden

        measure_hidden(registry, sample)


if __name__ == "__main__":
    run(main, __doc__)
