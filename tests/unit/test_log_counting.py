"""From a raw log to counted queries: who counts, how much, and what is withheld."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from pyarrow.parquet import read_table

from lm.errors import InputError, MissingToolError
from lm.index.never_generated import hash_query
from tests.data_config import KEEP_ALL, count_log, data_config
from training.config import HeldOut, Screening
from training.config_log import Counting, QueryLogSource
from training.data.engines import EngineName, check_spark
from training.data.log_rows import RowJudge
from training.data.query_log import QueryCounts
from training.data.screening import Screen

# One row for each held-out part, so that these tests can name all the others.
LITTLE = HeldOut(validation_fraction=0.001, test_fraction=0.001)
FILLER = [f"filler {number:03d} words" for number in range(300)]


def write(
    base: Path,
    name: str,
    rows: list[str],
    screening: Screening = KEEP_ALL,
    counting: Counting | None = None,
    engine: EngineName = "duckdb",
    **source: str,
) -> tuple[QueryCounts, dict[str, float]]:
    """Counts a log; also its queries with their counts."""
    (base / name).write_text("".join(row + "\n" for row in rows), encoding="utf-8")
    out, log = base / engine, QueryLogSource.model_validate({"path": name, **source})
    sections = {"screening": screening, "counting": counting or Counting(), "held_out": LITTLE}
    counts = count_log(base, out, log, engine=engine, **sections)
    table = read_table(out / "train.parquet").to_pydict()
    return counts, dict(zip(table["query"], table["count"], strict=True))


def withheld(base: Path) -> set[int]:
    return set(read_table(base / "duckdb" / "withheld.parquet")["hash"].to_pylist())


def test_what_the_index_does_not_hold_is_withheld_as_hashes_alone(tmp_path: Path) -> None:
    rows = FILLER + ["popular one"] * 9 + ["secret plan alpha", "free porn", "jane@example.com", "4111 1111 1111 1111"]
    counts, queries = write(tmp_path, "log.txt", rows, Screening(min_count=5))
    assert set(queries) == {"popular one"}
    hashes = withheld(tmp_path)
    assert {hash_query("secret plan alpha"), hash_query("free porn")} <= hashes
    assert hash_query("popular one") not in hashes
    # what its looks give away could be found from its hash by trying all of its kind
    assert not {hash_query("jane@example.com"), hash_query("4111 1111 1111 1111")} & hashes
    assert counts.withheld_queries == len(hashes) == 298 + 2
    assert not any(b"secret plan" in path.read_bytes() for path in (tmp_path / "duckdb").iterdir())


def test_what_is_too_short_or_long_is_withheld_unless_it_looks_private(tmp_path: Path) -> None:
    rows = FILLER + ["popular one"] * 9 + ["abcdefg", "415 555 2671", "a longer query than twenty", "x" * 60_000]
    write(tmp_path, "log.txt", rows, Screening(min_count=5, min_length=8, max_length=20))
    hashes = withheld(tmp_path)
    assert {hash_query("abcdefg"), hash_query("a longer query than twenty"), hash_query("x" * 60_000)} <= hashes
    assert hash_query("415 555 2671") not in hashes


def test_long_texts_are_not_remembered() -> None:
    judge = RowJudge(KEEP_ALL, Screen(), seed=0)
    tracemalloc.start()
    try:
        for number in range(40):
            text = f"{number} " + "word " * 10_000
            assert judge.judge(text).reason == "too_long"
            assert judge.hash_name(text) == judge.hash_name(text)
        assert judge.judge("new york") is judge.judge("new york")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1_000_000


def test_too_few_users_stay_too_few_however_often_they_type(tmp_path: Path) -> None:
    rows = [
        "query\tuser",
        *(f"{filler}\tother" for filler in FILLER),
        *(f"many typed it\tv{user}" for user in range(9)),
    ]
    rows += [f"{query}\tu{user}" for user in range(2) for _ in range(900) for query in ("their secret", "other words")]
    counts, queries = write(tmp_path, "log.tsv", rows, Screening(min_users=3), user_column="user")
    assert counts.robots == 2
    assert "their secret" not in queries
    assert hash_query("their secret") in withheld(tmp_path)
    patient = Counting(robot_submissions=10**6)
    counts, queries = write(tmp_path, "log.tsv", rows, Screening(min_users=3), patient, user_column="user")
    assert counts.robots == 0
    assert "their secret" not in queries
    assert hash_query("their secret") in withheld(tmp_path)


def test_rows_without_a_user_in_a_log_with_users_are_no_user(tmp_path: Path) -> None:
    rows = ["user\tquery", *["\tsecret plan"] * 5, *(f"u{number}\topen plan" for number in range(9))]
    rows += [f"{user}\t{query} plan" for user in ("one", "two") for _ in range(5) for query in ("secret", "open")]
    _, queries = write(tmp_path, "log.tsv", rows, Screening(min_users=3), user_column="user")
    assert set(queries) == {"open plan"}
    assert hash_query("secret plan") in withheld(tmp_path)


def test_a_query_that_found_nothing_at_last_is_neither_suggested_nor_learnt(tmp_path: Path) -> None:
    rows = ["query\ttime\tresults", *(f"{filler}\t1600000000\t" for filler in FILLER)]
    rows += [f"sold out\t160000000{number}\t{hits}" for number, hits in enumerate(("7", "1,200", "0", ""))]
    rows += [f"back again\t160000000{number}\t{hits}" for number, hits in ((5, "3"), (4, "0"))]
    counts, queries = write(tmp_path, "log.tsv", rows, time_column="time", hits_column="results")
    assert counts.finds_nothing_rows == 4
    assert queries["back again"] == 2
    assert "sold out" not in queries
    assert "sold out" not in (tmp_path / "duckdb" / "train_lm.txt").read_text().split("\n")
    assert hash_query("sold out") in withheld(tmp_path)


def test_models_have_thresholds_of_their_own(tmp_path: Path) -> None:
    rows = FILLER + ["twice typed"] * 2 + ["often typed"] * 9
    screening = Screening(min_count=5, model_min_count=2)
    counts, queries = write(tmp_path, "log.txt", rows, screening)
    lines = (tmp_path / "duckdb" / "train_lm.txt").read_text().split("\n")
    assert set(queries) == {"often typed"}
    assert lines.count("twice typed") + lines.count("often typed") == counts.model_submissions == len(lines) - 1
    assert (counts.train_queries, counts.model_queries) == (1, 2)
    assert hash_query("twice typed") in withheld(tmp_path)


def test_a_submission_counts_half_after_each_half_life(tmp_path: Path) -> None:
    rows = ["query\ttime", *(f"{filler}\t2026-01-09" for filler in FILLER)]
    rows += ["new thing\t2026-01-09"] * 8 + ["old thing\t2026-01-05"] * 8 + ["ancient thing\t1999-01-01"]
    _, queries = write(tmp_path, "log.tsv", rows, counting=Counting(half_life_days=2), time_column="time")
    assert queries["new thing"] == pytest.approx(8, abs=2)  # a row may be held out
    assert queries["old thing"] == pytest.approx(queries["new thing"] / 4, abs=0.5)
    assert 0 < queries["ancient thing"] < 1e-5
    assert (tmp_path / "duckdb" / "train_lm.txt").read_text().split("\n").count("ancient thing") == 1


def test_robots_repeats_and_half_typed_rows_are_counted(tmp_path: Path) -> None:
    rows = [
        "query\ttime\tuser",
        *(f"{filler}\t{1e9 + number * 9000:.0f}\thuman" for number, filler in enumerate(FILLER)),
    ]
    rows += [f"robot words {number % 3}\t1100000000\trobot" for number in range(1001)]
    rows += [f"reloaded page\t{1_200_000_000 + number}\tu1" for number in range(20)]
    rows += ["kitchen tab\t1300000000\tu2", "kitchen table\t1300000004\tu2", "kitchen table round\t1300000008\tu2"]
    counts, queries = write(tmp_path, "log.tsv", rows, time_column="time", user_column="user")
    assert (counts.robots, counts.robot_rows, counts.repeated_rows, counts.half_typed_rows) == (1, 1001, 19, 1)
    assert queries["reloaded page"] == 1
    assert {"kitchen table", "kitchen table round"} & set(queries)  # one may be held out
    assert not {"kitchen tab", "robot words 0"} & set(queries)


def test_sessions_take_the_place_of_times(tmp_path: Path) -> None:
    rows = ["query\tsession", *(f"{filler}\t" for filler in FILLER)]
    rows += [
        "garden cha\ts1",
        "garden chair\ts1",
        "garden ben\ts2",
        "garden bench\ts3",
        "same\ts4",
        "same\ts4",
        "same\ts5",
    ]
    counts, queries = write(tmp_path, "log.tsv", rows, session_column="session")
    assert (counts.half_typed_rows, counts.repeated_rows) == (1, 1)
    assert "garden ben" in queries
    assert "garden cha" not in queries


def test_without_users_a_far_more_frequent_query_tells_its_beginnings(tmp_path: Path) -> None:
    rows = FILLER + ["facebook"] * 400 + ["faceb"] * 3 + ["face"] * 4 + ["face wash"] * 5 + ["facebook login"] * 3
    counts, queries = write(tmp_path, "log.txt", rows)
    assert counts.half_typed_queries == 1
    assert "faceb" not in queries
    assert {"face", "facebook", "face wash", "facebook login"} <= set(queries)
    _, queries = write(tmp_path, "log.txt", rows, counting=Counting(half_typed_ratio=0))
    assert "faceb" in queries


def test_a_word_that_others_go_on_from_is_whole(tmp_path: Path) -> None:
    rows = ["query\ttimes", *(f"{filler}\t1" for filler in FILLER)]
    rows += ["perl\t90", "perlite\t4000", "perl regex\t9", "perl book\t8"]
    rows += ["yout\t90", "youtube\t4000", "yout video\t3", "youtube video\t900"]
    counts, queries = write(tmp_path, "log.tsv", rows, count_column="times")
    assert counts.half_typed_queries == 1
    assert "perl" in queries
    assert "yout" not in queries
    assert hash_query("perl") not in withheld(tmp_path)


BAD_TSV = {
    "not_utf8": (b"caf\xe9 bar\t1\t2020-01-01", "line 3, byte 52: not UTF-8"),
    "line_too_long": (b"x" * 1_000_000 + b"\t1\t2020-01-01", "line 3: the line is longer than 65,536 bytes"),
    "wrong_fields": (b"two fields\t1", "line 3: 2 fields, but the header has 3"),
    "bad_count": (b"a count\tmany\t2020-01-01", "line 3: the count 'many' is no whole number"),
    "bad_time": (b"a time\t1\tyesterday", "line 3: the time 'yesterday' cannot be read"),
    "future_time": (b"a time\t1\t2026-01-12", "line 3: the time is in the future"),
}


@pytest.mark.parametrize("kind", BAD_TSV)
def test_a_bad_row_stops_or_is_dropped_and_counted(tmp_path: Path, kind: str) -> None:
    bad, problem = BAD_TSV[kind]
    good = b"".join(f"{filler}\t1\t2026-01-10 12:00:00\n".encode() for filler in FILLER)
    (tmp_path / "log.tsv").write_bytes(b"query\tn\tt\n" + good[:39] + bad + b"\n" + good[39:])
    source = {"path": "log.tsv", "count_column": "n", "time_column": "t"}

    def read(on_bad_row: str) -> QueryCounts:
        log = QueryLogSource.model_validate({**source, "on_bad_row": on_bad_row})
        return count_log(tmp_path, tmp_path / "out", log, screening=KEEP_ALL, held_out=LITTLE)

    with pytest.raises(InputError, match=problem) as caught:
        read("stop")
    assert 'on_bad_row = "drop"' in caught.value.remedy
    counts = read("drop")
    assert counts.bad_rows == {kind: 1}
    assert (counts.rows, counts.train_queries) == (301, 298)


@pytest.mark.parametrize("hits", ["many", "-1"])
def test_hits_that_are_no_count_are_a_bad_row(tmp_path: Path, hits: str) -> None:
    rows = ["query,n", *(f"{filler},1" for filler in FILLER), f"one,{hits}"]
    with pytest.raises(InputError, match=f"line 302: the hits '{hits}' are no count") as caught:
        write(tmp_path, "log.csv", rows, hits_column="n")
    assert 'on_bad_row = "drop"' in caught.value.remedy
    counts, _ = write(tmp_path, "log.csv", rows, hits_column="n", on_bad_row="drop")
    assert counts.bad_rows == {"bad_hits": 1}


def test_csv_goes_on_after_a_row_that_is_none(tmp_path: Path) -> None:
    rows = [
        "query,n",
        *(f"{filler},1" for filler in FILLER),
        '"quoted" twice,1',
        '"two\nlines",1',
        "three,x",
        "last one,1",
    ]
    counts, queries = write(tmp_path, "log.csv", rows, count_column="n", on_bad_row="drop")
    assert counts.bad_rows == {"bad_count": 1, "not_csv": 1}
    assert counts.summary(data_config(query_log=[{"path": "log.csv"}])).startswith(
        "Query log: 304 rows (dropped: 1 bad count, 1 not csv); 300 queries in the index"
    )
    assert {"two lines", "last one"} <= set(queries)


@pytest.mark.parametrize(
    ("popular", "shares"), [(250, "(55% of the distinct queries;"), (400, "(43% of the distinct queries;")]
)
def test_what_is_too_rare_is_said_with_share_setting_and_remedy(tmp_path: Path, popular: int, shares: str) -> None:
    rows = ["query\tuser", *(f"{filler}\tu1" for filler in FILLER)]
    rows += [f"popular query {number}\tu{user}" for number in range(popular) for user in range(3)]
    patient = Counting(robot_submissions=10**6)
    counts, queries = write(tmp_path, "log.tsv", rows, Screening(), patient, user_column="user")
    config = data_config(query_log=[{"path": "log.tsv", "user_column": "user"}])
    said = counts.summary(config)
    assert f"too rare: {counts.rare_queries:,} {shares} [screening] min_users = 3)." in said
    assert "set min_users lower" in said
    assert ("Most queries are too rare" in said) == (popular == 250)
    assert len(queries) == popular


def test_spark_without_java_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(MissingToolError, match="pyspark is not installed") as caught:
        check_spark()
    assert "pip install" in caught.value.remedy
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: object())
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MissingToolError, match="no program `java` in JAVA_HOME") as caught:
        check_spark()
    assert "openjdk-17" in caught.value.remedy
