"""Which submissions of a query log are held out, to tune and to measure on.

They are drawn query by query, so that what is typed often is held out as often. Of a query that was submitted `c` times
the k-th submission is held out if `(k - u) / c` is among the least of all queries, where `u`, from 0 to 1, comes of a
hash of the query (systematic sampling with one random start a query). So neither files nor the order of rows change
what is drawn, a log that grows changes little, and no row is written out as often as it counts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from hashlib import md5
from pathlib import Path
from typing import TYPE_CHECKING

from lm.errors import ConfigError
from training.config import TrainingConfig
from training.data.counting import DAY_S, KEPT, total
from training.data.engines import Engine
from training.data.log_rows import RowTally

if TYPE_CHECKING:
    import ibis.expr.types as ir

MIN_ROWS = 3
_LATE_HALF_LIVES = 2
_LEAST_LATE = 1000
_LATE_SHARE = 0.1
"""Each part takes at most this share of the late submissions, for the counts lack what is held out."""
_SHARE_OF_ONE, _LEAST_OF_ONE = 20, 10
"""No query has more than one line in 20 of the largest part, or 10 lines if these are more."""
_ROUNDS = 20
_ROUNDING = 1e-9
_PRIME = 2**31 - 1  # a product of two numbers below it fits into an int64


def among(place: ir.Value, ranges: Sequence[tuple[int, int]]) -> ir.Value:
    """Whether a place is in one of the half-open ranges."""
    import ibis

    return ibis.or_(*((place >= low) & (place < high) for low, high in ranges))


def hold_out(
    engine: Engine, rows: ir.Table, folder: Path, config: TrainingConfig, tally: RowTally
) -> tuple[ir.Table, dict[str, int]]:
    """Writes `validation.txt` and `test.txt` of judged rows, one line a submission.

    Where the log has times, only late submissions are drawn, if there are enough: they are most like what will be
    typed, and only they show what it means that a query was submitted lately. Of a query the latest ones are taken.
    One submission of a query always stays, unless there is no other.

    Returns:
        The rows with `held`, how many of their submissions are held out; and the number of lines in each part.

    Raises:
        ConfigError: the logs to draw from have too few submissions.
    """
    held_out = config.held_out
    drawn = rows.fate == KEPT
    if held_out.query_log is not None:
        drawn &= among(rows.place, tally.places[held_out.query_log])
    late = drawn & _is_late(rows, config.counting.recent_half_life_days, tally.last_time_s)
    sums = rows.agg(drawn=total(rows.submissions.sum(where=drawn)), late=total(rows.submissions.sum(where=late)))
    (numbers,) = engine.fetch(sums).to_pylist()
    there, of_late = numbers["drawn"] or 0, numbers["late"] or 0
    if there < MIN_ROWS:
        raise ConfigError(
            f"held_out.query_log: the logs named {held_out.query_log!r} have {there} submissions that can be held out.",
            remedy="Name a larger one, or leave the field out.",
        )
    rates = {"validation": held_out.validation_fraction, "test": held_out.test_fraction}
    if _LEAST_LATE <= of_late < there:
        drawn = late
        rates = {name: min(rate * there / of_late, _LATE_SHARE) for name, rate in rates.items()}
    queries, times = _capped(engine, _queries(rows, drawn, config.seed), max(rates.values()), held_out.max_queries)
    sizes, held = dict[str, int](), Counter[int]()
    for name, rate in rates.items():
        size = max(1, min(held_out.max_queries, int(times * rate + _ROUNDING)))
        start = queries.start if name == "validation" else 1 - queries.start
        lines = engine.fetch(_draw(queries.mutate(start=start), _as_table(engine, held, folder), size, times))
        text = "".join(query + "\n" for query in lines["query"].to_pylist())
        (folder / f"{name}.txt").write_text(text, encoding="utf-8", newline="\n")
        sizes[name] = len(lines)
        held.update(lines["hash"].to_pylist())
    return _with_held(engine, rows, drawn, _as_table(engine, held, folder)), sizes


def _is_late(rows: ir.Table, half_life_days: float | None, latest_s: float | None) -> ir.Value:
    """Whether a row is from the last days of the log; a row without a time may be."""
    import ibis

    if half_life_days is None or latest_s is None:
        return ibis.literal(True)
    return rows.time_s.fill_null(latest_s) > latest_s - _LATE_HALF_LIVES * half_life_days * DAY_S


def _queries(rows: ir.Table, drawn: ir.Value, seed: int) -> ir.Table:
    """Each query with `times`, submissions to draw from; `most`, how many may be held out; and its random `start`."""
    import ibis

    judged = rows.mutate(drawn=drawn)
    kept = judged.filter(judged.fate == KEPT).group_by("query", "hash")
    queries = kept.agg(
        all=total(judged.submissions.sum()), times=total(judged.submissions.sum(where=judged.drawn)).fill_null(0)
    )
    digest = md5(f"held out:{seed}".encode(), usedforsecurity=False).digest()
    factor, offset = (1 + int.from_bytes(part, "big") % (_PRIME - 1) for part in (digest[:8], digest[8:]))
    mixed = ((queries.hash & _PRIME) % _PRIME * factor + offset) % _PRIME
    return queries.filter(queries.times > 0).select(
        "query",
        "hash",
        "times",
        most=ibis.least(queries.times, ibis.greatest(queries["all"] - 1, 1)),
        start=(mixed.cast("float64") + 0.5) / _PRIME,
    )


def _capped(engine: Engine, queries: ir.Table, rate: float, lines: int) -> tuple[ir.Table, int]:
    """The queries with `times` so limited that none fills a part of that many lines; and the sum of these times.

    One row may say that a query was submitted more often than all others together. A part of that query alone would
    tune and measure nothing.
    """
    import ibis

    queries = engine.keep(queries)
    most_of_one = max(_LEAST_OF_ONE, lines // _SHARE_OF_ONE)
    (found,) = engine.fetch(queries.agg(most=queries.times.max(), times=total(queries.times.sum()))).to_pylist()
    cap, times = found["most"], found["times"]
    for _ in range(_ROUNDS):  # with each the others count for more, and the limit falls
        lower = math.ceil(most_of_one / min(rate, lines / times))
        if lower >= cap:
            break
        cap = lower
        (found,) = engine.fetch(queries.agg(times=total(ibis.least(queries.times, cap).sum()))).to_pylist()
        times = found["times"]
    return queries.mutate(times=ibis.least(queries.times, cap), most=ibis.least(queries.most, cap)), times


def _draw(queries: ir.Table, held: ir.Table, size: int, base: int) -> ir.Table:
    """The `query` and `hash` of `size` submissions, each query as often as it is drawn.

    Args:
        held: `hash`, and how often it is `held` already.
        base: submissions to draw from.
    """
    import ibis

    # a share that is sure to bring enough, for what is drawn at a share scatters around it
    share = min(1.0, (size + 6 * math.sqrt(size) + 20) / base)
    joined = queries.left_join(held, "hash")
    room = joined.most - joined.held.fill_null(0)
    number = ibis.least(room, (joined.times * share + joined.start).floor().cast("int64"))
    some = joined.select("query", "hash", "times", "start", number=number)
    some = some.filter(some.number > 0)
    each = some.mutate(place=ibis.range(1, some.number + 1)).unnest("place")
    return each.mutate(lot=(each.place - each.start) / each.times).order_by("lot", "query").limit(size)


def _as_table(engine: Engine, held: Counter[int], folder: Path) -> ir.Table:
    """How often queries are held out, as a table of `hash` and `held`."""
    import pyarrow
    from pyarrow.parquet import write_table

    path = folder / f"held-{held.total()}.parquet"
    columns = {"hash": pyarrow.array(held, pyarrow.int64()), "held": pyarrow.array(held.values(), pyarrow.int64())}
    write_table(pyarrow.table(columns), path)
    return engine.read(path)


def _with_held(engine: Engine, rows: ir.Table, drawn: ir.Value, queries: ir.Table) -> ir.Table:
    """The rows with `held`: of each query the latest submissions; who typed it decides between those of one time."""
    import ibis

    some = rows.filter(drawn).inner_join(queries, "hash")
    others = (ibis.asc(some[name], nulls_first=True) for name in ("user", "session", "display", "place"))
    order = [ibis.desc(some.time_s, nulls_first=False), *others]
    later = ibis.cumulative_window(group_by=some.hash, order_by=order)
    until = total(some.submissions.sum().over(later))
    held = ibis.least(some.submissions, some.held - (until - some.submissions))
    taken = some.select("place", held=held)
    taken = engine.keep(taken.filter(taken.held > 0))
    joined = rows.left_join(taken, "place")
    return joined.select(*rows.columns, held=joined.held.fill_null(0))
