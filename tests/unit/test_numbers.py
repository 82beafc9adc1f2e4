"""Numbers are read as they are written, with a decimal point or a decimal comma."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.numbers import parse_number


@pytest.mark.parametrize(
    ("text", "point", "comma"),
    [
        ("1200", 1200, 1200),
        (" 1,200 ", 1200, 1.2),
        ("1.200", 1.2, 1200),
        ("1.200,50", math.nan, 1200.5),
        ("1,200.50", 1200.5, math.nan),
        ("12,5", math.nan, 12.5),
        ("12.5", 12.5, 12.5),
        ("1.234.567", 1_234_567, 1_234_567),
        ("1\u202f234\u202f567", 1_234_567, math.nan),
        ("-3", -3, -3),
        ("1e3", 1000, 1000),
        ("12 pcs", math.nan, math.nan),
        ("", math.nan, math.nan),
    ],
)
def test_numbers_as_people_write_them(text: str, point: float, comma: float) -> None:
    assert parse_number(text, decimal_comma=False) == pytest.approx(point, nan_ok=True)
    assert parse_number(text, decimal_comma=True) == pytest.approx(comma, nan_ok=True)


@pytest.mark.parametrize("value", [None, [], {"a": 1}, 10**400])
def test_what_is_no_number(value: object) -> None:
    assert math.isnan(parse_number(value, decimal_comma=False))


@given(st.integers(-(10**15), 10**15), st.sampled_from(",' _\u00a0\u2019"))
def test_groups_of_whole_numbers_come_off(number: int, mark: str) -> None:
    assert parse_number(f"{number:,}".replace(",", mark), decimal_comma=False) == number
    assert parse_number(f"{number:,}".replace(",", "."), decimal_comma=True) == number
