"""Which version is better: what users did with each, how sure that is, and a verdict.

Users are independent of each other and searches of one user are not, so intervals come from users that are drawn with
replacement. The verdict is about one measure, chosen before. It is fair for one look at the end; who looks every day
and stops at the first difference will see one in the end where there is none.
"""

from __future__ import annotations

import enum
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from service.live.events.searches import Outcome, Search
from suggest.measures import RESAMPLES, Floats, interval, resampled_ratios

MIN_USERS = 100
"""With fewer users the interval of a version holds the truth less often than it says."""
LEVEL = 0.95
_POWER_Z = 2.8
"""Standard errors that a difference must have to be told four times out of five: 1.96 + 0.84."""
_HOPELESS = 100.0
"""Times as many users: then a difference matters to nobody."""
_SAME_TIME = 0.5
_COLUMNS = ("listed", "ended", "accepted", "reciprocal_rank", "letters", "saved", "empty", "abandoned")
_COLUMN = {name: place for place, name in enumerate(_COLUMNS)}


class Measure(NamedTuple):
    """A ratio of two sums over the searches of a version.

    Attributes:
        title: of a column.
        noun: of which a version can have more or less; empty if no verdict is about it.
    """

    name: str
    title: str
    numerator: str
    denominator: str
    share: bool = True
    noun: str = ""

    def shown(self, value: float, sign: str = "") -> str:
        """A figure as people read it; `sign` is that of a format specification."""
        return f"{100 * value:{sign}.1f}" if self.share else f"{value:{sign}.3f}"


MRR = Measure("mrr", "MRR", "reciprocal_rank", "ended", share=False, noun="MRR")
MEASURES = (
    Measure("accepted", "accepted, %", "accepted", "ended", noun="share of accepted searches, %,"),
    MRR,
    Measure("keystrokes_saved", "keystrokes saved, %", "saved", "letters", noun="share of saved keystrokes, %,"),
    Measure("empty", "empty, %", "empty", "listed"),
    Measure("abandoned", "abandoned, %", "abandoned", "listed"),
)
"""Of searches that ended with a query: those with an accepted suggestion, the mean of 1 / its place, and the letters
saved of all letters. Of searches that showed a list: those whose last list was empty, and those without a query."""


class Figure(NamedTuple):
    """A measure and the interval that holds the true one in 95 cases of 100; None: too few users to say."""

    value: float
    low: float | None = None
    high: float | None = None


class Place(NamedTuple):
    """Suggestions of one source at one place in the last lists: how many were shown, and accepted."""

    source: str
    position: int
    shown: int
    accepted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFigures:
    """What users did with a version.

    Attributes:
        users: of whom any search is known.
        listed: searches that showed a list.
        ended: searches that ended with a query.
        figures: by the measure's name; those that nothing tells of are left out.
        places: the suggestions that were shown and accepted.
    """

    version: str
    users: int
    listed: int
    ended: int
    figures: dict[str, Figure]
    places: tuple[Place, ...]


class Decision(enum.Enum):
    """What can be said of a version."""

    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "undecided"
    TOO_FEW_USERS = "too_few_users"
    OTHER_TIME = "other_time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A version against the one that has most users.

    Attributes:
        measure: the name of the one that it is about.
        difference: of that measure; None if there are too few users.
        more_users: who would be needed to tell, about, of both versions together; None if that is no question of users.
        text: in plain words.
    """

    version: str
    against: str
    measure: str
    decision: Decision
    difference: Figure | None = None
    more_users: int | None = None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The versions of a model, those with most users first, and a verdict on each after the first."""

    model: str
    versions: tuple[VersionFigures, ...]
    verdicts: tuple[Verdict, ...]


class _Tally:
    """Sums of one version, by user."""

    def __init__(self) -> None:
        self.sums: dict[str, list[float]] = {}
        self.shown: Counter[tuple[str, int]] = Counter()
        self.accepted: Counter[tuple[str, int]] = Counter()
        self.first_s, self.last_s = math.inf, -math.inf

    def add(self, search: Search) -> None:
        listed = search.sources is not None
        ended = search.outcome is not Outcome.ABANDONED
        accepted = search.outcome is Outcome.ACCEPTED
        added = (
            listed,
            ended,
            accepted,
            search.reciprocal_rank,
            len(search.query) if ended else 0,
            search.letters_saved if ended else 0,
            search.is_empty,
            listed and not ended,
        )
        sums = self.sums.setdefault(search.who, [0.0] * len(_COLUMNS))
        for place, value in enumerate(added):
            sums[place] += value
        self.shown.update((source, place) for place, source in enumerate(search.sources or (), 1))
        if accepted:
            self.accepted[search.source, search.rank] += 1
        self.first_s, self.last_s = min(self.first_s, search.ended_s), max(self.last_s, search.ended_s)

    def figures(self, version: str, samples: Mapping[str, Floats]) -> VersionFigures:
        places = sorted({*self.shown, *self.accepted}, key=lambda place: (place[1], place[0]))
        found = {measure.name: self.value(measure) for measure in MEASURES if self.users_of(measure)}
        return VersionFigures(
            version=version,
            users=len(self.sums),
            listed=int(self._column("listed").sum()),
            ended=int(self._column("ended").sum()),
            figures={
                name: Figure(value, *(interval(samples[name]) if name in samples else ()))
                for name, value in found.items()
            },
            places=tuple(Place(*place, self.shown[place], self.accepted[place]) for place in places),
        )

    def users_of(self, measure: Measure) -> int:
        """Users who count for a measure."""
        return int(np.count_nonzero(self._column(measure.denominator)))

    def value(self, measure: Measure) -> float:
        """A measure that some user counts for."""
        return float(self._column(measure.numerator).sum() / self._column(measure.denominator).sum())

    def samples(self, rng: np.random.Generator, resamples: int) -> dict[str, Floats]:
        """Each measure of users drawn anew, float64 (resamples,); without those that too few users count for."""
        measures = [measure for measure in MEASURES if self.users_of(measure) >= MIN_USERS]
        if not measures:
            return {}
        above_BM, below_BM = (
            np.stack([self._column(name) for name in names], axis=1)
            for names in ([each.numerator for each in measures], [each.denominator for each in measures])
        )
        ratios_RM = resampled_ratios(above_BM, below_BM, resamples=resamples, rng=rng)
        return {measure.name: ratios_RM[:, place] for place, measure in enumerate(measures)}

    def _column(self, name: str) -> Floats:
        return np.array([sums[_COLUMN[name]] for sums in self.sums.values()], np.float64)


class Experiment:
    """Adds up searches by version. It keeps a few numbers for each user of each version."""

    def __init__(self) -> None:
        self._tallies: dict[str, dict[str, _Tally]] = {}

    def add(self, search: Search) -> None:
        """Counts a search; one that names no version compares nothing."""
        if search.version:
            self._tallies.setdefault(search.model, {}).setdefault(search.version, _Tally()).add(search)

    def compare(self, rng: np.random.Generator, *, by: Measure = MRR, resamples: int = RESAMPLES) -> list[Comparison]:
        """What each version of each model did.

        Args:
            rng: draws the users of the intervals, `resamples` times.
            by: what the verdicts are about.
        """
        return [_compared(model, tallies, by, rng, resamples) for model, tallies in sorted(self._tallies.items())]


def _compared(
    model: str, tallies: dict[str, _Tally], by: Measure, rng: np.random.Generator, resamples: int
) -> Comparison:
    names = sorted(tallies, key=lambda version: (-len(tallies[version].sums), version))
    samples = {name: tallies[name].samples(rng, resamples) for name in names}
    first, *others = names
    # each of several comparisons must be surer, so that one in twenty experiments errs, not one in twenty versions
    level = 1 - (1 - LEVEL) / max(len(others), 1)
    return Comparison(
        model=model,
        versions=tuple(tallies[name].figures(name, samples[name]) for name in names),
        verdicts=tuple(_verdict(first, other, by, tallies, samples, level) for other in others),
    )


def _verdict(
    against: str,
    version: str,
    by: Measure,
    tallies: Mapping[str, _Tally],
    samples: Mapping[str, dict[str, Floats]],
    level: float,
) -> Verdict:
    base, other = tallies[against], tallies[version]
    verdict = partial(Verdict, version=version, against=against, measure=by.name)
    shared_s = min(base.last_s, other.last_s) - max(base.first_s, other.first_s)
    if shared_s < _SAME_TIME * min(base.last_s - base.first_s, other.last_s - other.first_s):
        text = f"{version} and {against} did not answer at the same time, so they cannot be compared."
        return verdict(decision=Decision.OTHER_TIME, text=text)
    if by.name not in samples[against] or by.name not in samples[version]:
        missing = sum(max(MIN_USERS - each.users_of(by), 0) for each in (base, other))
        text = (
            f"Not enough data to compare {version} with {against}: it takes {MIN_USERS} users with a finished search "
            f"of each, so about {missing} more."
        )
        return verdict(decision=Decision.TOO_FEW_USERS, more_users=missing, text=text)
    differences_R = samples[version][by.name] - samples[against][by.name]
    difference = Figure(other.value(by) - base.value(by), *interval(differences_R, level))
    users = base.users_of(by) + other.users_of(by)
    return _decided(verdict, (version, against), by, difference, error=float(np.std(differences_R)), users=users)


def _decided(
    verdict: Callable[..., Verdict],
    versions: tuple[str, str],
    measure: Measure,
    difference: Figure,
    *,
    error: float,
    users: int,
) -> Verdict:
    version, against = versions
    value, low, high = difference
    assert low is not None
    assert high is not None
    higher = "higher" if value > 0 else "lower"
    bounds = f"({measure.shown(low, '+')} to {measure.shown(high, '+')})"
    by = f"its {measure.noun} is {measure.shown(abs(value))} {higher} {bounds}"
    if low > 0 or high < 0:
        decision = Decision.BETTER if low > 0 else Decision.WORSE
        text = f"{version} is {decision.value} than {against}: {by}."
        return verdict(decision=decision, difference=difference, text=text)
    times = (_POWER_Z * error / abs(value)) ** 2 if value else math.inf
    text = f"No difference between {version} and {against} can be told: {by}."
    if times > _HOPELESS:
        text += " It is so small that it would take more than 100 times as many users to tell."
        return verdict(decision=Decision.UNDECIDED, difference=difference, text=text)
    more = _rounded(users * max(times - 1, 0.1))
    text += f" If it stays so, it takes about {more:,} more users to tell."
    return verdict(decision=Decision.UNDECIDED, difference=difference, more_users=more, text=text)


def _rounded(number: float) -> int:
    """A number with two digits that count, for it is a guess."""
    digits = max(len(str(int(number))) - 2, 0)
    return max(int(round(number, -digits)), 1)
