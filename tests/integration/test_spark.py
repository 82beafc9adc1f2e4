"""The same rows out of Spark, on this machine's cores, as out of DuckDB."""

from __future__ import annotations

import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from pyarrow.parquet import read_table

from lm.errors import MissingToolError
from tests.unit.test_log_counting import write
from training.config import Screening
from training.config_log import Counting
from training.data.engines import EngineName, check_spark
from training.data.query_log import QueryCounts

WORDS = ["new", "york", "times", "face", "facebook", "faceb", "hotel", "école", "한국", "한국어", "今天"]


def made_up_log() -> list[str]:
    draw = random.Random(0)
    rows = ["query\ttime\tuser\tsession\thits", "\t1600000000\t\t\t"]
    for number in range(1500):
        query = " ".join(draw.choices(WORDS, k=draw.choice([1, 1, 2])))
        user = draw.choice(["", "robot", *"abcdef"])
        time_s = 1_600_000_000 + draw.randrange(1000) * (1000 if number % 3 else 4)
        rows.append(f"{query}\t{time_s}\t{user}\t{draw.choice('12')}\t{draw.choice(['', '1', '1', '0'])}")
    return rows + [f"kitchen {number % 2}\t1600000000\trobot\t1\t" for number in range(300)]


def counted(folder: Path, engine: EngineName) -> QueryCounts:
    """What an engine makes of the log."""
    return write(
        folder,
        "log.tsv",
        made_up_log(),
        Screening(min_users=2, model_min_users=1),
        Counting(robot_submissions=200, half_life_days=1),
        engine,
        time_column="time",
        user_column="user",
        session_column="session",
        hits_column="hits",
    )[0]


# starting Spark takes 10 s, its first plans the rest; more where the machine has other work
@pytest.mark.timeout(600)
def test_spark_counts_as_duckdb_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        check_spark()
    except MissingToolError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    # Spark forks to start its Java; a process where other tests have left threads of gRPC may end in that
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        duckdb, spark = (process.submit(counted, tmp_path, engine).result() for engine in ("duckdb", "spark"))
    assert spark == duckdb
    assert spark.robots == 1
    assert spark.repeated_rows > 0
    assert spark.half_typed_rows > 0
    assert spark.finds_nothing_rows > 0
    for name in ("train.parquet", "withheld.parquet"):
        expected, found = (read_table(tmp_path / engine / name).to_pydict() for engine in ("duckdb", "spark"))
        assert found == expected, name
    for name in ("train_lm.txt", "validation.txt", "test.txt"):
        assert (tmp_path / "spark" / name).read_bytes() == (tmp_path / "duckdb" / name).read_bytes(), name
