"""What runs the counting of queries: DuckDB in this process, or Spark, on a cluster where it is set up for one.

Results are always written as Parquet and read back from there: in bounded memory, and alike with both.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lm.errors import MissingToolError, install_hint

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow

EngineName = Literal["duckdb", "spark"]

MEMORY_LIMIT = "1GB"  # of DuckDB, which works on disk beyond that
_INSTALL_SPARK = install_hint("spark") + " Or leave --engine out: DuckDB needs no Spark."
_INSTALL_JAVA = (
    "Spark 4.0 runs on Java 17 or 21: `apt install openjdk-17-jre-headless`, or set JAVA_HOME; or leave --engine out."
)


class Engine:
    """A backend of Ibis with a folder for what it writes."""

    def __init__(self, connection: Any, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._written = 0

    def read(self, path: Path) -> ir.Table:
        """A Parquet file as a table."""
        table: ir.Table = self._connection.read_parquet(str(path))
        return table

    def write(self, table: ir.Table, path: Path) -> None:
        """Writes a table, in its order, as one Parquet file."""
        self._connection.to_parquet(table, path, compression="zstd")

    def keep(self, table: ir.Table) -> ir.Table:
        """The table, computed once for all that reads it."""
        self._written += 1
        path = self._folder / f"kept-{self._written}.parquet"
        self.write(table, path)
        return self.read(path)

    def fetch(self, table: ir.Table) -> pyarrow.Table:
        """A table that fits into memory."""
        from pyarrow.parquet import read_table

        path = self._folder / "fetched.parquet"
        self.write(table, path)
        return read_table(path)


class _Spark(Engine):
    def write(self, table: ir.Table, path: Path) -> None:
        """Spark writes a folder of parts, whose names follow the order of the rows."""
        import pyarrow
        from pyarrow.parquet import ParquetFile, ParquetWriter

        parts = path.with_suffix(".parts")
        self._connection.to_parquet(table, parts)
        schema = table.schema().to_pyarrow()
        with ParquetWriter(path, schema, compression="zstd") as writer:
            for part in sorted(parts.glob("part-*.parquet")):
                with ParquetFile(part) as file:
                    for batch in file.iter_batches():
                        writer.write_table(pyarrow.Table.from_batches([batch]).cast(schema))
        shutil.rmtree(parts)


@contextmanager
def open_engine(name: EngineName, folder: Path) -> Iterator[Engine]:
    """Opens an engine that may use a folder; with Spark on several machines, all of them must see it.

    Raises:
        MissingToolError: Spark or Java is not installed.
    """
    with _duckdb(folder) if name == "duckdb" else _spark(folder) as connection:
        yield (Engine if name == "duckdb" else _Spark)(connection, folder)


@contextmanager
def _duckdb(folder: Path) -> Iterator[Any]:
    import ibis

    connection = ibis.duckdb.connect(memory_limit=MEMORY_LIMIT, temp_directory=str(folder / "spill"))
    try:
        connection.raw_sql("SET enable_progress_bar = false")
        # what order matters in is sorted; keeping that of the input costs memory
        connection.raw_sql("SET preserve_insertion_order = false")
        yield connection
    finally:
        connection.disconnect()


@contextmanager
def _spark(folder: Path) -> Iterator[Any]:
    """A session as `spark-submit` or SPARK_CONF_DIR set it up; otherwise on this machine's cores."""
    check_spark()
    import ibis
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("autocomplete").config("spark.ui.enabled", "false")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    session = builder.config("spark.sql.warehouse.dir", str(folder / "warehouse")).getOrCreate()
    try:
        session.sparkContext.setLogLevel("ERROR")
        if session.sparkContext.master.startswith("local"):  # the default of 200 partitions is for clusters
            session.conf.set("spark.sql.shuffle.partitions", str(session.sparkContext.defaultParallelism))
        yield ibis.pyspark.connect(session)
    finally:
        session.stop()


def check_spark() -> None:
    """Sees to it that Spark can start.

    Raises:
        MissingToolError: it, or a Java, is not there; says how to install it.
    """
    if importlib.util.find_spec("pyspark") is None:
        raise MissingToolError("The library pyspark is not installed.", remedy=_INSTALL_SPARK)
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if java is None:
        place = f"in JAVA_HOME ({home})" if home else "on the PATH"
        raise MissingToolError(f"There is no program `java` {place}.", remedy=_INSTALL_JAVA)
