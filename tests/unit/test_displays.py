"""The text to display is the one that was submitted most often."""

from __future__ import annotations

import ibis
import pytest

from lm.text.normalize import displayed_query, normalize_query
from training.data.counting import displays


def _displays(rows: list[tuple[str, int]]) -> dict[str, str]:
    table = ibis.memtable(
        {
            "query": [normalize_query(text).rstrip() for text, _ in rows],
            "submissions": [count for _, count in rows],
            "display": [displayed_query(text) for text, _ in rows],
        },
        schema=ibis.schema({"query": "string", "submissions": "int64", "display": "string"}),
    )
    return dict(zip(*ibis.duckdb.connect().to_pyarrow(displays(table)).to_pydict().values(), strict=True))


def test_the_most_frequent_spelling_is_shown() -> None:
    rows = [("iPhone 15", 3), ("iphone 15", 2), ("IPHONE 15", 1), ("iPhone 15 ", 1), ("Rare", 1), ("rare", 5)]

    assert _displays(rows) == {"iphone 15": "iPhone 15"}


def test_of_equally_frequent_spellings_the_normalised_one_is_shown() -> None:
    assert _displays([("Ebay", 2), ("ebay", 1), ("ebay", 1), ("LEGO", 1), ("Lego", 1)]) == {"lego": "LEGO"}


@pytest.mark.parametrize(
    ("text", "display"),
    [
        ("iPhone  15 ", "iPhone 15"),
        ("São Paulo", "São Paulo"),
        ("Sa\u0303o Paulo", "Sa\u0303o Paulo"),
        ("iphone", None),
        ("don’t", "don’t"),  # noqa: RUF001 -- as users write it
        ("Straße…", "Straße…"),
        ("Levi's®  501® ½\u00a0inch", "Levi's® 501® ½\u00a0inch"),
        ("\ufeff\u202eabc\t\u3000ABC", "abc ABC"),
        ("straße", "straße"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # noqa: RUF001
        ("", None),
    ],
)
def test_what_is_displayed_is_as_it_was_written(text: str, display: str | None) -> None:
    assert displayed_query(text) == display
