"""What is held out, drawn by DuckDB, against the same drawing written down in plain Python."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow.parquet import write_table

from lm.index.never_generated import hash_query
from tests.data_config import data_config
from training.config import HeldOut
from training.data.engines import Engine, open_engine
from training.data.held_out import hold_out
from training.data.log_rows import RowTally

COLUMNS = {
    "query": pyarrow.string(),
    "hash": pyarrow.int64(),
    "submissions": pyarrow.int64(),
    "time_s": pyarrow.float64(),
    "user": pyarrow.int64(),
    "session": pyarrow.int64(),
    "display": pyarrow.string(),
    "place": pyarrow.int64(),
    "fate": pyarrow.string(),
}
PRIME = 2**31 - 1
Row = dict[str, Any]


@st.composite
def logs(draw: st.DrawFn) -> list[Row]:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from([f"query {letter}" for letter in "abcdefghijklmno"]),
                st.sampled_from([1, 1, 1, 2, 7, 90]),
                st.none() | st.integers(0, 5).map(float),
                st.none() | st.integers(1, 3),
                st.sampled_from(["kept", "kept", "kept", "repeat"]),
            ),
            min_size=4,
            max_size=40,
        )
    )
    return [
        {
            "query": query,
            "hash": int.from_bytes(hash_query(query).to_bytes(8, "big"), "big", signed=True),
            "submissions": submissions,
            "time_s": time_s,
            "user": user,
            "session": None,
            "display": None,
            "place": place,
            "fate": fate if place > 3 else "kept",
        }
        for place, (query, submissions, time_s, user, fate) in enumerate(rows)
    ]


def plain_parts(rows: list[Row], drawn: list[Row], limits: HeldOut, seed: int) -> list[list[str]]:
    """The lines of the validation and of the test part."""
    times, everywhere = Counter[str](), Counter[str]()
    for row in rows:
        everywhere[row["query"]] += row["submissions"] * (row["fate"] == "kept")
    for row in drawn:
        times[row["query"]] += row["submissions"]
    digest = md5(f"held out:{seed}".encode()).digest()
    factor, offset = (1 + int.from_bytes(part, "big") % (PRIME - 1) for part in (digest[:8], digest[8:]))
    held, parts = Counter[str](), []
    # no query fills more than 10 lines of a part that the largest share makes
    rate, cap = max(limits.validation_fraction, limits.test_fraction), max(times.values())
    for _ in range(20):
        lower = math.ceil(10 / min(rate, limits.max_queries / sum(min(cap, count) for count in times.values())))
        cap = min(cap, lower)
    times = Counter({query: min(cap, count) for query, count in times.items()})
    for turned, fraction in ((False, limits.validation_fraction), (True, limits.test_fraction)):
        lots = []
        for query, count in times.items():
            start = ((hash_query(query) % 2**31 % PRIME * factor + offset) % PRIME + 0.5) / PRIME
            start = 1 - start if turned else start
            room = min(count, max(everywhere[query] - 1, 1)) - held[query]
            lots += [((number - start) / count, query) for number in range(1, room + 1)]
        size = max(1, min(limits.max_queries, int(times.total() * fraction + 1e-9)))
        parts.append([query for _, query in sorted(lots)[:size]])
        held.update(parts[-1])
    return parts


def time_of(row: Row) -> float:
    return -1.0 if row["time_s"] is None else float(row["time_s"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("held-out")


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[Engine]:
    with open_engine("duckdb", folder) as opened:
        yield opened


@settings(max_examples=12, deadline=None)
@given(
    rows=logs(),
    fractions=st.sampled_from([(0.04, 0.04), (0.3, 0.1), (0.45, 0.49), (0.001, 0.001)]),
    most=st.sampled_from([10, 200]),
    seed=st.integers(0, 3),
    named=st.booleans(),
)
def test_the_same_is_drawn_as_in_plain_python(
    engine: Engine, folder: Path, rows: list[Row], fractions: tuple[float, float], most: int, seed: int, named: bool
) -> None:
    limits = HeldOut(
        validation_fraction=fractions[0],
        test_fraction=fractions[1],
        max_queries=most,
        query_log="ours" if named else None,
    )
    here = [row for row in rows if row["fate"] == "kept" and (not named or row["place"] < 4)]
    config = data_config(query_log=[{"path": "a.txt", "name": "ours"}], held_out=limits, seed=seed)
    write_table(pyarrow.Table.from_pylist(rows, schema=pyarrow.schema(COLUMNS)), folder / "rows.parquet")
    tally = RowTally(places={"ours": [(0, 4)]})
    table, sizes = hold_out(engine, engine.read(folder / "rows.parquet"), folder, config, tally)
    found = sorted(engine.fetch(table).to_pylist(), key=lambda row: row["place"])
    expected = plain_parts(rows, here, limits, seed)
    written = [(folder / f"{name}.txt").read_text(encoding="utf-8").splitlines() for name in ("validation", "test")]
    assert written == expected
    assert sizes == {"validation": len(expected[0]), "test": len(expected[1])}

    assert [{name: row[name] for name in COLUMNS} for row in found] == rows
    held = Counter[str]()
    for row in found:
        assert 0 <= row["held"] <= row["submissions"] * (row in [one | {"held": row["held"]} for one in here])
        held[row["query"]] += row["held"]
    assert +held == Counter(expected[0] + expected[1])
    for query in +held:
        mine = [row for row in found if row["query"] == query and row["fate"] == "kept"]
        drawn = [row for row in mine if not named or row["place"] < 4]
        assert sum(row["submissions"] for row in mine) == 1 or sum(row["submissions"] - row["held"] for row in mine)
        first_s = min(time_of(row) for row in drawn if row["held"])
        assert all(row["held"] == row["submissions"] for row in drawn if time_of(row) > first_s)
