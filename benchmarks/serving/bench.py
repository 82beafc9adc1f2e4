"""What every part of the suite is given: the bundle, how much to measure, and where."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bundles import held_out_lines, registry_of
from benchmarks.serving.servers import THIS, Checkout
from benchmarks.serving.typing_traffic import prefixes
from lm.errors import InputError
from training.evaluation.evaluate import QUERIES_FILE, TEXT_FILE

_WARM_UP = 200
OTHER = "other checkout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured.

    Attributes:
        calls: to each server where they take turns.
        rounds: of saturation, and of load on each server.
        saturating_calls: of one round.
        load_s: seconds of load a round.
        streams: open at the same time.
        judged: held-out queries by which quality is measured.
        repeats: of each primitive.
    """

    calls: int
    rounds: int
    saturating_calls: int
    load_s: float
    streams: int
    judged: int
    repeats: int


FULL = Effort(calls=4000, rounds=5, saturating_calls=6000, load_s=10, streams=500, judged=2000, repeats=2000)
QUICK = Effort(calls=60, rounds=1, saturating_calls=200, load_s=0.5, streams=5, judged=20, repeats=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A run of the suite.

    Attributes:
        folder: for files that go with the run.
        checkout: its server is measured.
        against: its server is measured by turns with the other one, in parts that can.
    """

    bundle: Path
    effort: Effort
    folder: Path
    checkout: Checkout = THIS
    against: Checkout | None = None

    def queries(self, bundle: Path | None = None) -> list[str]:
        """Held-out queries of the bundle, or of another.

        Raises:
            InputError: it holds none out.
        """
        queries = held_out_lines(bundle or self.bundle, QUERIES_FILE)
        if not queries:
            raise InputError(bundle or self.bundle, "no held-out queries.", remedy="Train it with a query log.")
        return queries

    def typed(self, bundle: Path | None = None) -> list[str]:
        """What is typed to be measured: the first prefixes of held-out queries."""
        return list(itertools.islice(prefixes(self.queries(bundle)), self.effort.calls))

    def warm_up(self, bundle: Path | None = None) -> list[str]:
        """What is typed before: prefixes of the last held-out queries, which are not among those measured."""
        return list(itertools.islice(prefixes(self.queries(bundle)[::-1]), _WARM_UP))

    def texts(self) -> list[str]:
        """Held-out sentences; held-out queries where the bundle has none."""
        return held_out_lines(self.bundle, TEXT_FILE) or self.queries()

    def registry(self, bundle: Path | None = None) -> Path:
        """A registry with this bundle alone."""
        return registry_of(bundle or self.bundle, self.new_folder())

    def checkouts(self) -> dict[str, Checkout]:
        """This checkout, and the one to compare with, by what their figures are called."""
        return {"": self.checkout} if self.against is None else {"": self.checkout, OTHER: self.against}

    def new_folder(self) -> Path:
        """A folder of this run."""
        for number in itertools.count():
            folder = self.folder / str(number)
            if not folder.exists():
                folder.mkdir()
                return folder
        raise AssertionError
