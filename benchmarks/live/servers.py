"""Real servers for measurements of the live state: replicas of two workers each, on one machine."""

from __future__ import annotations

import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Self

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import curation_service_pb2 as curation_pb
from autocomplete.v1 import curation_service_pb2_grpc as curation_grpc
from autocomplete.v1 import deny_list_service_pb2 as deny_pb
from autocomplete.v1 import deny_list_service_pb2_grpc as deny_grpc

from benchmarks.command import ROOT
from demo.server import serves
from lm.text.normalize import normalize_query
from tests.redis_process import RedisProcess, free_port

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
            with suppress(ProcessLookupError):  # it has ended by itself
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


def letters_of(text: str) -> str:
    """The letters and digits of a text, by a rule of its own, not by that of the server."""
    return "".join(each for each in normalize_query(text) if each.isalnum())


def spread_of(waited_s: Sequence[float]) -> str:
    """Median, 99th percentile and worst of some times."""
    ordered = sorted(waited_s)
    p99_s = ordered[len(ordered) * 99 // 100]
    return f"median {statistics.median(ordered):.3f} s, p99 {p99_s:.3f} s, worst {ordered[-1]:.3f} s"
