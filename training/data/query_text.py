"""What language models learn of a query log: a text file, a query a line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from training.config import Screening
from training.data.counting import model_thresholds
from training.data.engines import Engine

if TYPE_CHECKING:
    import ibis.expr.types as ir


def text_file(log: str | None = None) -> str:
    """The file of what is learnt from all query logs, or from those of one name."""
    return f"train_lm.{log}.txt" if log else "train_lm.txt"


def write_text(engine: Engine, learnt: ir.Table, path: Path, screening: Screening, seed: int) -> int:
    """Writes each query as often as it counts from the threshold on, in the order of a hash; returns how many lines.

    Args:
        learnt: counted queries (`training.data.counting`).
    """
    import ibis
    from pyarrow.parquet import ParquetFile

    # From the threshold on: if every query stood there twice or more, no n-gram would stand there once, and
    # Kneser-Ney's discounts, estimated from how many do, could not be estimated.
    users, count = model_thresholds(screening)
    least = ibis.ifelse(learnt.users >= users, users, count)
    times = ibis.greatest((learnt["count"].round() - least + 1).cast("int64"), ibis.literal(1).cast("int64"))
    copies = learnt.select("query", copy=ibis.range(0, times, 1)).unnest("copy")
    salted = copies.query + ibis.literal(f"\t{seed}\t") + copies.copy.cast("string")
    shuffled = copies.select("query", place=salted.hexdigest("md5")).order_by("place").select("query")
    parquet = path.with_suffix(".parquet")
    engine.write(shuffled, parquet)
    with ParquetFile(parquet) as file, path.open("w", encoding="utf-8", newline="\n") as out:
        for batch in file.iter_batches():
            out.writelines(query + "\n" for query in batch["query"].to_pylist())
        return int(file.metadata.num_rows)
