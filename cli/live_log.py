"""The events of a live state as a query log, for training and for other programs."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.live.events.event import Event, EventLog
    from training.config import TrainingConfig

_AT_ONCE = 1000
_ROWS = 50_000
"""Of one group in the file, which lies in memory."""
COLUMNS = {"query_column": "query", "time_column": "time", "user_column": "user", "session_column": "session"}
"""What a section `[[query_log]]` must say to read it."""


def write_log(events: EventLog, path: Path, *, since_s: float, model: str = "") -> int:
    """Writes queries that were submitted or selected as a Parquet file, whole or not at all.

    Args:
        since_s: from which moment on events were taken, in seconds since 1970.
        model: the one model whose events are written; all if empty.

    Returns:
        How many there are.

    Raises:
        InputError: the file cannot be written.
        StoreUnavailableError: the store cannot be read.
    """
    import pyarrow as pa
    from pyarrow import parquet

    from lm.errors import InputError

    text = pa.string()
    shown = pa.list_(pa.struct([("text", text), ("source", text)]))
    schema = pa.schema(
        [
            *(("query", text), ("time", pa.timestamp("us", "UTC")), ("user", text), ("session", text)),
            *(("shown", shown), ("place", pa.int32()), ("typed_length", pa.int32())),
            *(("model", text), ("version", text)),
        ]
    )
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    count = 0
    try:
        with parquet.ParquetWriter(new, schema, compression="zstd") as writer:
            for rows in _groups(events, since_s, model):
                writer.write_table(pa.Table.from_pylist(rows, schema))
                count += len(rows)
        new.replace(path)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        remedy = "Name a file in a folder that can be written."
        raise InputError(path, f"cannot be written: {why}.", remedy=remedy) from None
    finally:
        new.unlink(missing_ok=True)
    return count


def with_live_logs(config: TrainingConfig, base: Path) -> TrainingConfig:
    """A configuration whose live logs are files: their events are written into its work folder.

    Args:
        base: folder of the configuration.

    Raises:
        ConfigError: there is no such live state.
        InputError: a file cannot be written.
        StoreUnavailableError: a store cannot be read.
    """
    from service.live.stores.store import open_store

    sources = []
    for place, source in enumerate(config.query_log):
        if source.live is not None:
            path = base / config.work / f"live-{place}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            location = source.live if "://" in source.live else str(base / source.live)
            store = open_store(location, create=False)
            try:
                write_log(store.events, path, since_s=0.0, model=config.name)
            finally:
                store.close()
            source = source.model_copy(update={"live": None, "path": str(path.resolve()), **COLUMNS})  # noqa: PLW2901
        sources.append(source)
    return config.model_copy(update={"query_log": tuple(sources)})


def _groups(events: EventLog, since_s: float, model: str) -> Iterator[list[dict[str, Any]]]:
    from service.live.events.event import EventKind, number_at

    number, rows = number_at(since_s) - 1, list[dict[str, Any]]()
    while some := events.after(number, _AT_ONCE):
        number = some[-1].number
        rows += [
            _row(event)
            for event in some
            if event.kind is not EventKind.IMPRESSION and (not model or event.model == model)
        ]
        if len(rows) >= _ROWS:
            yield rows
            rows = []
    yield rows


def _row(event: Event) -> dict[str, Any]:
    return {
        "query": event.query,
        "time": round(event.at_s * 1e6),
        "user": event.user or None,
        "session": event.session or None,
        "shown": [{"text": text, "source": source} for text, source in event.shown],
        "place": event.place,
        "typed_length": event.typed_length,
        "model": event.model,
        "version": event.version or None,
    }
