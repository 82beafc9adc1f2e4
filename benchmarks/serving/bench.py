"""What every part of the suite is given."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from benchmarks.bundles import held_out_lines, registry_of
from benchmarks.command import ROOT
from benchmarks.serving.calls import Call, channel, completion_request
from benchmarks.serving.servers import SERVER_CORES, Started, empty_server, real_server
from benchmarks.serving.typing_traffic import prefixes
from lm.errors import InputError
from training.evaluation.evaluate import QUERIES_FILE, TEXT_FILE

THIS_ONE, OTHER, EMPTY = "this checkout", "other checkout", "empty handler"
_WARM_UP = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured.

    Attributes:
        calls: to each server, where servers take turns.
        rounds: of load on each server.
        load_s: seconds of load in a round.
        streams: open at the same time.
    """

    calls: int
    rounds: int
    load_s: float
    streams: int


FULL = Effort(calls=4000, rounds=5, load_s=10, streams=500)
QUICK = Effort(calls=60, rounds=1, load_s=0.5, streams=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A run of the suite.

    Attributes:
        folder: for files that go with the run.
        checkout: the one to measure.
        against: the one to compare with, in parts whose servers take turns.
    """

    bundle: Path
    effort: Effort
    folder: Path
    checkout: Path = ROOT
    against: Path | None = None

    def queries(self) -> list[str]:
        """Held-out queries of the bundle.

        Raises:
            InputError: it holds none out.
        """
        queries = held_out_lines(self.bundle, QUERIES_FILE)
        if not queries:
            raise InputError(self.bundle, "no held-out queries.", remedy="Train it with a query log.")
        return queries

    def typed(self) -> list[bytes]:
        """Completions to be measured: of the first prefixes of held-out queries."""
        return list(map(completion_request, islice(prefixes(self.queries()), self.effort.calls)))

    def warm_up(self, request: Callable[[str], bytes] = completion_request) -> list[bytes]:
        """Asked before: prefixes of the last held-out queries, which are not among those measured."""
        return list(map(request, islice(prefixes(self.queries()[::-1]), _WARM_UP)))

    def texts(self) -> list[str]:
        """Held-out sentences; held-out queries where the bundle has none."""
        return held_out_lines(self.bundle, TEXT_FILE) or self.queries()

    def registry(self, bundle: Path | None = None) -> Path:
        """A registry with this bundle alone."""
        return registry_of(bundle or self.bundle, self.new_folder())

    def server(
        self,
        flags: Mapping[str, object],
        *,
        registry: Path | None = None,
        checkout: Path | None = None,
        cores: Collection[int] = SERVER_CORES,
    ) -> AbstractContextManager[Started]:
        """A server of the checkout and of the bundle under measurement, or of others."""
        return real_server(registry or self.registry(), flags, cores=cores, checkout=checkout or self.checkout)

    def servers(self, flags: Mapping[str, object]) -> dict[str, AbstractContextManager[Started]]:
        """A server of the checkout under measurement, and one of the checkout to compare with."""
        checkouts = {THIS_ONE: self.checkout} | ({OTHER: self.against} if self.against else {})
        return {name: self.server(flags, checkout=checkout) for name, checkout in checkouts.items()}

    @contextmanager
    def beside_empty(
        self, method: str, servers: Mapping[str, AbstractContextManager[Started]], first: Sequence[bytes]
    ) -> Iterator[tuple[dict[str, Started], dict[str, Call]]]:
        """Runs servers and the empty handler, and opens a channel to each.

        Args:
            first: requests that every server gets once. The empty handler answers with the last server's median.
        """
        with ExitStack() as stack:
            started = {name: stack.enter_context(server) for name, server in servers.items()}
            calls = {name: stack.enter_context(channel(each.address))(method) for name, each in started.items()}
            answers = [[call(request) for request in first] for call in calls.values()]
            median = sorted(answers[-1], key=len)[len(first) // 2]
            started[EMPTY] = stack.enter_context(empty_server({method: median}))
            calls[EMPTY] = stack.enter_context(channel(started[EMPTY].address))(method)
            yield started, calls

    def new_folder(self) -> Path:
        """A folder of this run."""
        return Path(tempfile.mkdtemp(dir=self.folder))
