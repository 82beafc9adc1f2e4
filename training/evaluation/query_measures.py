"""The measures of query completion, each a ratio of two sums over the queries of a group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suggest.measures import Floats, letters_saved, reciprocal
from training.evaluation.query_outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure.

    Attributes:
        title: for people.
        term: what a query adds to numerator and denominator.
        digits: decimals that people read; of a percentage if it is a `share`.
        typed: needs queries that were typed letter by letter, and does not depend on the drawn prefix.
    """

    name: str
    title: str
    term: Callable[[Outcome], tuple[float, float]]
    digits: int = 1
    share: bool = False
    typed: bool = False

    def shown(self, value: float, sign: str = "") -> str:
        """A figure as people read it; `sign` is that of a format specification."""
        rounded = round(100 * value if self.share else value, self.digits)
        return f"{rounded + 0.0:{sign}.{self.digits}f}"  # + 0.0: no "-0.0"


def _saved(keystrokes: str) -> Callable[[Outcome], tuple[float, float]]:
    """Letters that a query did not need, by the name of the keystrokes, and its letters."""

    def term(outcome: Outcome) -> tuple[float, float]:
        letters, pressed = len(outcome.query), getattr(outcome, keystrokes)
        return letters_saved(letters, letters if pressed is None else pressed), letters

    return term


MEASURES = (
    Measure("mrr_at_10", "MRR@10", lambda outcome: (reciprocal(outcome.rank), 1), digits=3),
    Measure("success_at_10", "success@10, %", lambda outcome: (outcome.rank > 0, 1), share=True),
    Measure("pmrr_at_10", "PMRR@10", lambda outcome: (reciprocal(outcome.partial_rank), 1), digits=3),
    Measure("coverage", "coverage, %", lambda outcome: (bool(outcome.top), 1), share=True),
    Measure("keystrokes_saved_at_3", "keystrokes saved, %", _saved("keystrokes"), share=True, typed=True),
    Measure(
        "keystrokes_saved_in_parts_at_3", "saved in parts, %", _saved("keystrokes_in_parts"), share=True, typed=True
    ),
    Measure(
        "mean_recoverable_length", "recoverable length", lambda found: (found.recoverable_length or 0, 1), 2, typed=True
    ),
)
_PREFIX_LENGTHS = ((2, 3), (4, 6), (7, 10), (11, 15), (16, None))
_WORDS = ((1, 1), (2, 2), (3, 3), (4, 4), (5, None))


@dataclass(frozen=True, slots=True)
class Group:
    """Queries that are measured together.

    Attributes:
        by: `seen`, `prefix_length` or `words`.
        rows: their places, int64.
    """

    by: str
    name: str
    rows: NDArray[np.int64]

    def measured(self, measure: Measure, outcomes: Sequence[Outcome]) -> NDArray[np.int64]:
        """Places of the queries that the measure applies to."""
        if not measure.typed:
            return self.rows
        if self.by == "prefix_length":
            return self.rows[:0]
        return np.array([row for row in self.rows if outcomes[row].keystrokes is not None], np.int64)


def groups(outcomes: Sequence[Outcome], seen: Sequence[bool]) -> list[Group]:
    """All, seen and unseen queries, then by length of the drawn prefix and by number of words; none is empty."""
    seen_B = np.array(seen, bool)
    lengths_B = np.array([len(outcome.prefix) for outcome in outcomes], np.int64)
    words_B = np.array([len(outcome.query.split()) for outcome in outcomes], np.int64)
    masks = [("seen", "all", np.ones(len(seen_B), bool)), ("seen", "seen", seen_B), ("seen", "unseen", ~seen_B)]
    for by, values_B, bounds in (("prefix_length", lengths_B, _PREFIX_LENGTHS), ("words", words_B, _WORDS)):
        for low, high in bounds:
            name = f"{low}+" if high is None else str(low) if low == high else f"{low}-{high}"
            masks.append((by, name, (values_B >= low) & (values_B <= (high or np.inf))))
    return [Group(by, name, np.flatnonzero(mask_B)) for by, name, mask_B in masks if mask_B.any()]


def terms(measure: Measure, outcomes: Sequence[Outcome], rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Numerators and denominators of a measure, float64 (rows,) each."""
    pairs_B2 = np.array([measure.term(outcomes[row]) for row in rows], np.float64).reshape(-1, 2)
    return pairs_B2[:, 0], pairs_B2[:, 1]


def value(measure: Measure, outcomes: Sequence[Outcome], rows: NDArray[np.int64]) -> float:
    """A measure of at least one query."""
    numerators_B, denominators_B = terms(measure, outcomes, rows)
    return float(numerators_B.sum() / denominators_B.sum())
