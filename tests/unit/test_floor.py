"""The floor for guesses: the highest that costs little."""

import pytest

from training.fit.floor import _highest


@pytest.mark.parametrize(
    ("guessed", "allowed", "floor"),
    [
        ([], 1.0, 1.0),
        ([(0.004, 0.5), (0.0123, 1.0), (0.5, 1.0)], 0.6, 0.012),  # the first may go, the second may not
        ([(0.0, 1.0), (0.5, 1.0)], 0.5, 0.0),
        ([(0.2, 1.0)], 1.0, 1.0),
    ],
)
def test_the_floor_leaves_what_may_not_be_lost(
    guessed: list[tuple[float, float]], allowed: float, floor: float
) -> None:
    assert _highest(guessed, allowed) == floor
