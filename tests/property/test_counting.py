"""The counting expression, run by DuckDB, against one written down in plain Python."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow.parquet import write_table

from lm.index.never_generated import hash_query
from training.config import Screening
from training.config_log import Counting
from training.data.counting import WHOLE_SHARE, count_queries, judge_queries, judge_rows, withheld_hashes
from training.data.engines import Engine, open_engine
from training.data.log_rows import UNKNOWN

Row = dict[str, Any]

QUERIES = ["face", "faceb", "facebook", "face wash", "face w", "new yor", "new york", "ne", "éc", "école", "école de"]
KINDS = {"query": pyarrow.string(), "open_end": pyarrow.bool_(), "found": pyarrow.bool_(), "time_s": pyarrow.float64()}
COLUMNS = ["query", "hash", "open_end", "submissions", "time_s", "user", "session", "found", "place", "held"]
SCHEMA = pyarrow.schema([(name, KINDS.get(name, pyarrow.int64())) for name in COLUMNS])


def signed_hash(query: str) -> int:
    return int.from_bytes(hash_query(query).to_bytes(8, "big"), "big", signed=True)


@st.composite
def logs(draw: st.DrawFn) -> list[Row]:
    drawn = st.tuples(
        st.sampled_from(QUERIES),
        st.sampled_from([1, 1, 1, 2, 30]),
        st.none() | st.integers(0, 60).map(lambda steps: steps * 7000.5) | st.integers(0, 60).map(float),
        st.none() | st.integers(UNKNOWN, 3),
        st.none() | st.integers(UNKNOWN, 2),
        st.sampled_from([None, None, None, True, False]),
        st.integers(0, 2),
    )
    rows = draw(st.lists(drawn, min_size=1, max_size=40))
    return [
        {
            "query": query,
            "hash": signed_hash(query),
            "open_end": not query.endswith("w"),
            "submissions": submissions,
            "time_s": time_s,
            "user": user,
            "session": session,
            "found": found,
            "place": place,
            "held": min(held, submissions),
        }
        for place, (query, submissions, time_s, user, session, found, held) in enumerate(rows)
    ]


COUNTINGS = st.builds(
    Counting,
    robot_submissions=st.sampled_from([3, 31, 1000]),
    half_life_days=st.none() | st.sampled_from([0.5, 2.0]),
    recent_half_life_days=st.none() | st.sampled_from([0.25, 7.0]),
    half_typed_seconds=st.sampled_from([0, 5, 30]),
    half_typed_ratio=st.sampled_from([0, 1.5, 3, 10]),
)
SCREENINGS = st.builds(
    Screening,
    min_users=st.integers(1, 3),
    min_count=st.integers(1, 3),
    model_min_users=st.none() | st.integers(1, 3),
    model_min_count=st.none() | st.integers(1, 3),
)


def plain_fates(rows: list[Row], counting: Counting) -> dict[int, str]:
    """Place to fate."""
    by_day: Counter[tuple[int, int | None]] = Counter()
    for row in rows:
        if row["user"]:
            day = None if row["time_s"] is None else int(row["time_s"] // 86400)
            by_day[row["user"], day] += row["submissions"]
    robots = {user for (user, _), submissions in by_day.items() if submissions > counting.robot_submissions}
    fates = {row["place"]: "robot" if row["user"] in robots else "kept" for row in rows}
    latest = sorted(rows, key=lambda row: (math.inf if row["time_s"] is None else row["time_s"], row["place"]))
    found = {row["query"]: row["found"] for row in latest if row["found"] is not None}
    for row in rows:
        if fates[row["place"]] == "kept" and not found.get(row["query"], True):
            fates[row["place"]] = "finds_nothing"
    sequences: dict[tuple[int | None, int | None], list[Row]] = defaultdict(list)
    for row in rows:
        if fates[row["place"]] == "kept" and (row["user"] or row["session"]):
            sequences[row["user"], row["session"]].append(row)
    for sequence in sequences.values():
        sequence.sort(key=lambda row: (math.inf if row["time_s"] is None else row["time_s"], row["place"]))
        for row, following in itertools.pairwise(sequence):
            if row["query"] == following["query"]:
                fates[row["place"]] = "repeat"
            elif plain_half_typed(row, following, counting.half_typed_seconds):
                fates[row["place"]] = "half_typed"
    return fates


def plain_half_typed(row: Row, following: Row, seconds: float) -> bool:
    rest = following["query"].removeprefix(row["query"])
    if not seconds or not row["open_end"] or rest == following["query"] or not rest or rest[0] == " ":
        return False
    if row["time_s"] is None:
        return bool(row["session"])
    return following["time_s"] is not None and following["time_s"] - row["time_s"] <= seconds


def plain_counts(rows: list[Row], screening: Screening, counting: Counting) -> dict[str, dict[str, Any]]:
    times = [row["time_s"] for row in rows if row["time_s"] is not None]
    found: dict[str, dict[str, Any]] = {}
    for query in {row["query"] for row in rows}:
        mine = [row for row in rows if row["query"] == query]
        without_user = sum(row["submissions"] for row in mine if row["user"] is None)
        users = len({row["user"] for row in mine if row["user"]})
        count = recent = 0.0
        for row in mine:
            age_s = max(times) - row["time_s"] if row["time_s"] is not None else 0
            half_lives = age_s / 86400 / counting.half_life_days if counting.half_life_days else 0
            left = row["submissions"] - row["held"]
            count += left * 0.5**half_lives
            if row["time_s"] is not None and counting.recent_half_life_days:
                recent += left * 0.5 ** (age_s / 86400 / counting.recent_half_life_days)
        found[query] = {
            "open_end": mine[0]["open_end"],
            "submissions": sum(row["submissions"] for row in mine),
            "left": sum(row["submissions"] - row["held"] for row in mine),
            "count": count,
            **({"recent": recent} if times and counting.recent_half_life_days else {}),
            "users": users,
            "indexed": users >= screening.min_users or without_user >= screening.min_count,
            "learnt": users >= (screening.model_min_users or screening.min_users)
            or without_user >= (screening.model_min_count or screening.min_count),
        }
    found = {query: entry for query, entry in found.items() if entry["left"]}
    for query, entry in found.items():
        entry["half_typed"] = plain_beginning(query, found, counting.half_typed_ratio)
    for entry in found.values():
        entry["indexed"] &= not entry["half_typed"]
        entry["learnt"] &= not entry["half_typed"]
    return found


def plain_beginning(query: str, found: dict[str, dict[str, Any]], ratio: float) -> bool:
    entry = found[query]
    if not ratio or not entry["open_end"] or entry["users"]:
        return False
    longer = [other for other in found if other.startswith(query) and other != query]
    within = [found[other]["submissions"] for other in longer if other[len(query)] != " "]
    whole = sum(found[other]["submissions"] for other in longer if other[len(query)] == " ")
    return bool(within) and max(within) >= ratio * entry["submissions"] and whole < WHOLE_SHARE * entry["submissions"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("counting")


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[Engine]:
    with open_engine("duckdb", folder) as opened:
        yield opened


def table_of(engine: Engine, rows: pyarrow.Table, path: Path) -> Any:
    write_table(rows, path)
    return engine.read(path)


@settings(max_examples=20, deadline=None)
@given(rows=logs(), counting=COUNTINGS, screening=SCREENINGS)
def test_counts_are_those_of_plain_python(
    engine: Engine, folder: Path, rows: list[Row], counting: Counting, screening: Screening
) -> None:
    table = table_of(engine, pyarrow.Table.from_pylist(rows, schema=SCHEMA), folder / "rows.parquet")
    judged = engine.keep(judge_rows(table, counting))
    fates = plain_fates(rows, counting)
    assert {row["place"]: row["fate"] for row in engine.fetch(judged).to_pylist()} == fates

    kept = [row for row in rows if fates[row["place"]] == "kept"]
    latest_s = max((row["time_s"] for row in kept if row["time_s"] is not None), default=None)
    counted = count_queries(judged.filter(judged.fate == "kept"), counting, latest_s)
    queries = engine.keep(judge_queries(counted, screening, counting))
    expected = plain_counts(kept, screening, counting)
    found = {row["query"]: row for row in engine.fetch(queries).to_pylist()}
    assert set(found) == set(expected)
    for query, entry in expected.items():
        assert ("recent" in found[query]) == ("recent" in entry)
        weighted = ("count", "recent")
        exact = {name: found[query][name] for name in entry if name not in weighted}
        assert exact == {name: value for name, value in entry.items() if name not in weighted}
        for name in weighted:
            assert found[query].get(name) == pytest.approx(entry.get(name), abs=1e-4)
        assert found[query]["count"] > 0

    bad = signed_hash("bad word")
    screened = table_of(engine, pyarrow.table({"hash": [bad, bad]}), folder / "screened.parquet")
    withheld = engine.fetch(withheld_hashes(judged, screened, queries))["hash"].to_pylist()
    typed = {row["query"] for row in rows if fates[row["place"]] != "repeat" and row["held"] < row["submissions"]}
    outside = {query for query in typed if query not in expected or not expected[query]["indexed"]}
    assert sorted(withheld) == sorted(signed_hash(query) for query in outside | {"bad word"})
