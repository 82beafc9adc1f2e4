"""What a user's own earlier queries and the session are worth: replays a search engine's log that has users.

Run from the checkout: `python -m benchmarks.personal`. The log is Excite's of one day in 1997 (Apache Pig's tutorial).
A small bundle is trained on the earlier 70% of it, the later 30% is typed: of each query the beginning that
`training.evaluation.metrics` draws. A user's history is what the same user submitted before, in the later part too.
Many submissions repeat the one right before them, as the next page of results does; figures without these stand
beside. Intervals are drawn over users.
"""

from __future__ import annotations

import lzma
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.command import WORK, data_folder, run, train_bundle
from lm.text.normalize import normalize_query
from suggest.live import NOTHING, Live
from suggest.measures import interval, reciprocal, resampled_ratios
from suggest.model import Model, open_model
from suggest.own import History, OwnQuery
from suggest.personal import User
from suggest.session import SESSION_S
from suggest.types import QueryOptions, QuerySuggestion
from training.evaluation.metrics import LOOKED_AT, MIN_QUERY_LENGTH, SHOWN, typed_prefix
from training.evaluation.statistics import reliability

LOG = "excite-small.log.xz"
EARLIER = 0.7
TYPED = 2
_OPTIONS = QueryOptions(max_suggestions=SHOWN, min_acceptance_prob=0.0)
WAYS = ("without history", "with history", "with session too")


@dataclass(frozen=True, slots=True)
class Submission:
    """A query as it was logged, and what its user did before.

    Attributes:
        again: whether it is the query that its user submitted right before.
    """

    user: str
    at_s: float
    written: str
    query: str
    history: tuple[OwnQuery, ...]
    session: tuple[OwnQuery, ...]
    again: bool

    def live(self, way: str) -> Live:
        """What an answer knows of the user."""
        history = History(self.history)
        if way == WAYS[0]:
            return NOTHING
        if way == WAYS[1]:
            return Live(user=User(history, (), self.at_s))
        return Live(user=User.of(history, self.session, self.at_s))

    @property
    def is_own(self) -> bool:
        """Whether its user submitted it before."""
        return any(own.text == self.query for own in self.history)


def main() -> None:
    """Trains, types and prints."""
    rows = list(read_rows(data_folder("AUTOCOMPLETE_BENCHMARK_SESSIONS", "sessions", LOG) / LOG))
    cut = int(len(rows) * EARLIER)
    model = open_model(train_bundle("personal", _write_earlier(rows[:cut])))
    later = list(submissions(rows))[cut:]
    print(f"{len(rows)} submissions; weights: {model.bundle.manifest.personal}")
    for title, some in (("all", later), ("without next pages", [each for each in later if not each.again])):
        print(f"\n{title}: {len(some)} submissions of {len({each.user for each in some})} users")
        _print_repeats(model, some)
        _print_ranks(model, some)


def read_rows(path: Path) -> Iterator[tuple[float, str, str]]:
    """Time in seconds since 1970, user and query of all lines that have one, in the order of time."""
    rows = []
    with lzma.open(path, "rt", encoding="utf-8", errors="replace") as file:
        for line in file:
            user, time, query = line.rstrip("\n").split("\t")
            if normalize_query(query).strip():
                rows.append((datetime.strptime(time, "%y%m%d%H%M%S").replace(tzinfo=UTC).timestamp(), user, query))
    yield from sorted(rows, key=lambda row: row[0])


def submissions(rows: Iterable[tuple[float, str, str]]) -> Iterator[Submission]:
    """The rows with what their users did before."""
    known: dict[str, dict[str, OwnQuery]] = defaultdict(dict)
    for at_s, user, written in rows:
        query, own = normalize_query(written).rstrip(), known[user]
        latest = sorted(own.values(), key=lambda each: each.last_s)
        session = [each for each in latest if at_s - each.last_s < SESSION_S][-5:]
        again = bool(latest) and latest[-1].text == query
        yield Submission(user, at_s, written, query, tuple(latest), tuple(session), again)
        times = own[query].times if query in own else 0
        own[query] = OwnQuery(query, " ".join(written.split()), at_s, times + 1)


def _write_earlier(rows: Sequence[tuple[float, str, str]]) -> Path:
    folder = WORK / "personal"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{user}\t{datetime.fromtimestamp(at_s, UTC).isoformat()}\t{query}" for at_s, user, query in rows]
    (folder / "earlier.tsv").write_text("\n".join(["user\ttime\tquery", *lines]) + "\n", encoding="utf-8")
    return folder


def _print_repeats(model: Model, later: Sequence[Submission]) -> None:
    """The share of own earlier queries that are among the first three once two letters are typed."""
    own = [each for each in later if each.is_own and len(each.query) > TYPED]
    allowed = [each for each in own if not model.bundle.never_generated.screens(each.query)]
    for title, some in (("all", own), ("without blocked words and private ones", allowed)):

        def found(each: Submission) -> float:
            return float(0 < _rank(_asked(model, each, each.query[:TYPED], WAYS[2]), each) <= LOOKED_AT)

        value, low, high = _ratio(_by_user(some, found))
        print(
            f"own queries that come again, {title}: {len(some)}; "
            f"among the first three after two letters: {value:.1%} ({low:.1%} to {high:.1%})"
        )


def _print_ranks(model: Model, later: Sequence[Submission]) -> None:
    """MRR@10 each way, with the gains, and how well what is stated holds."""
    typed = [each for each in later if len(each.query) >= MIN_QUERY_LENGTH]
    by_way = {}
    for way in WAYS:
        lists = [_asked(model, each, typed_prefix(each.query), way) for each in typed]
        ranks = [_rank(listed, each) for listed, each in zip(lists, typed, strict=True)]
        by_way[way] = np.array(list(map(reciprocal, ranks)))
        stated = [each.acceptance_prob for listed in lists for each in listed]
        right = [each.text == wanted.query for listed, wanted in zip(lists, typed, strict=True) for each in listed]
        error = reliability(stated, right)["expected_calibration_error"]
        print(f"MRR@10 {way:17} {by_way[way].mean():.4f}; calibration error of what is stated {error:.4f}")
    for before, after in ((0, 1), (1, 2), (0, 2)):
        gains = dict(zip(typed, (by_way[WAYS[after]] - by_way[WAYS[before]]).tolist(), strict=True))
        value, low, high = _ratio(_by_user(typed, gains.__getitem__))
        print(f"gain of {WAYS[after]!r} over {WAYS[before]!r}: {value:+.4f} ({low:+.4f} to {high:+.4f})")


def _asked(model: Model, submission: Submission, typed: str, way: str) -> tuple[QuerySuggestion, ...]:
    return model.complete_query(typed, _OPTIONS, None, submission.live(way)).suggestions


def _rank(listed: Sequence[QuerySuggestion], submission: Submission) -> int:
    texts = [each.text for each in listed]
    return texts.index(submission.query) + 1 if submission.query in texts else 0


def _by_user(some: Sequence[Submission], measured: Callable[[Submission], float]) -> np.ndarray:
    """The sum of a measure and the number of submissions of each user, float64 (users, 2)."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for each in some:
        sums[each.user][0] += measured(each)
        sums[each.user][1] += 1
    return np.array(list(sums.values()))


def _ratio(sums_U2: np.ndarray) -> tuple[float, float, float]:
    value = float(sums_U2[:, 0].sum() / sums_U2[:, 1].sum())
    return value, *interval(resampled_ratios(sums_U2[:, :1], sums_U2[:, 1:])[:, 0])


if __name__ == "__main__":
    run(main, __doc__)
