"""Measures that need no model: against loops that do as the definitions say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.models.parts import Part
from training.evaluation.next_words import Keystrokes
from training.evaluation.statistics import reliability
from training.progress import SilentReporter
from training.report.measure import training_s
from training.steps import Workshop, seconds

_OUTCOMES = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)
_WORDS = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=8), max_size=20)


@given(_OUTCOMES)
def test_calibration_is_as_counted_one_by_one(outcomes: list[tuple[float, bool]]) -> None:
    measured = reliability([p for p, _ in outcomes], [right for _, right in outcomes])
    bins: dict[int, list[tuple[float, bool]]] = {}
    for p, right in outcomes:
        bins.setdefault(min(int(p * 10), 9), []).append((p, right))
    error = 0.0
    for expected, (place, inside) in zip(measured["bins"], sorted(bins.items()), strict=True):
        mean, share = sum(p for p, _ in inside) / len(inside), sum(right for _, right in inside) / len(inside)
        assert (expected["low"], expected["shown"]) == (place / 10, len(inside))
        assert (expected["mean_probability"], expected["right"]) == pytest.approx((mean, share))
        error += abs(mean - share) * len(inside) / len(outcomes)
    assert measured["expected_calibration_error"] == pytest.approx(error)
    assert measured["shown"] == len(outcomes)


@given(_WORDS)
def test_keystrokes_are_as_typed_one_by_one(words: list[list[int]]) -> None:
    meter = Keystrokes()
    for ranks in words:
        meter.add(len(ranks), iter(ranks))
    if not words:
        assert meter.summary() == {}
        return
    expected: dict[str, float] = {"words": len(words)}
    for top in (1, 3):
        expected[f"top{top}"] = sum(ranks[0] < top for ranks in words) / len(words)
    for size in (3, 5):
        strokes = 0
        for ranks in words:
            for rank in ranks:
                strokes += 1  # takes the word, which types the space too, or types a letter
                if rank < size:
                    break
            else:
                strokes += 1  # the space
        expected[f"keystrokes_saved_at_{size}"] = 1 - strokes / sum(len(ranks) + 1 for ranks in words)
    assert meter.summary() == pytest.approx(expected)


def test_ranks_are_asked_for_no_further_than_needed() -> None:
    asked: list[int] = []

    def ranks() -> Iterator[int]:
        for rank in (7, 4, 2, 0):
            asked.append(rank)
            yield rank

    meter = Keystrokes()
    meter.add(4, ranks())
    assert asked == [7, 4, 2]
    assert meter.strokes == {3: 3, 5: 2}


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({"ngram_s": 2.0, "neural": {"seconds": 5.0}}, (2.0, 5.0, 7.0)),
        ({"ngram_s": 2.0}, (2.0, None, 2.0)),
        ({"ngram_s": None, "neural": {"seconds": 5.0}}, (None, 5.0, None)),
        ({}, (None, None, None)),
    ],
)
def test_training_time_is_that_of_the_parts(training: dict[str, object], expected: tuple[float | None, ...]) -> None:
    parts = (Part.NGRAM, Part.NEURAL, Part.ENSEMBLE)
    assert tuple(training_s(training, part) for part in parts) == expected


def test_a_finished_step_knows_its_seconds_ever_after(tmp_path: Path) -> None:
    ticks = iter([10.0, 13.5])
    step = Workshop(tmp_path, SilentReporter(), clock=lambda: next(ticks)).step(
        "a", 1, lambda folder: (folder / "x").touch()
    )
    again = Workshop(tmp_path, SilentReporter(), clock=lambda: next(ticks)).step(
        "a", 1, lambda _: pytest.fail("made again")
    )

    assert again == step
    assert seconds(step) == 3.5
