"""From screened rows to counted queries, as Ibis expressions: DuckDB and Spark run the same ones.

Rows have these columns:
    query: normalised text.
    hash: int64, see `lm.index.never_generated`.
    open_end: whether the last word may go on.
    submissions: how often the row says that the query was submitted.
    time_s: seconds since 1970, or null.
    user, session: hashes; null in logs without them, `UNKNOWN` where only the row has none.
    found: whether the query had results, or null.
    display: the query as it was written; null where that is the normalised text.
    place: the order of reading.
    held: how many of the submissions are held out; `training.data.held_out` adds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.config import Screening
from training.config_log import Counting
from training.data.log_rows import UNKNOWN

if TYPE_CHECKING:
    import ibis.expr.types as ir

KEPT, ROBOT, REPEAT, HALF_TYPED, FINDS_NOTHING = "kept", "robot", "repeat", "half_typed", "finds_nothing"
"""The fates of a row."""

WHOLE_SHARE = 0.1
"""A query is no beginning of a word if others go on from it after a space this often, as a share of it."""

DAY_S = 86_400
_MICRO = 1_000_000  # weights are summed as whole millionths, so that no order of summing changes a count


def judge_rows(rows: ir.Table, counting: Counting) -> ir.Table:
    """The rows with their `fate`: typed by a robot, repeated by the same user, half-typed, finding nothing, or kept.

    A query finds nothing if the latest of its rows that say so had no results, in the order below.
    If a user submits one query several times in a row, the last one is kept. Rows are ordered by time, or as they were
    read where there is none, within a session where there are sessions. Rows without user and session stand alone.
    """
    import ibis

    robots = _robots(rows, counting.robot_submissions)
    people = rows.anti_join(robots, "user")
    empty = _finding_nothing(rows)
    others = people.anti_join(empty, "hash")
    alone = (others.user.fill_null(UNKNOWN) == UNKNOWN) & (others.session.fill_null(UNKNOWN) == UNKNOWN)
    return ibis.union(
        rows.semi_join(robots, "user").mutate(fate=ibis.literal(ROBOT)),
        people.semi_join(empty, "hash").mutate(fate=ibis.literal(FINDS_NOTHING)),
        others.filter(alone).mutate(fate=ibis.literal(KEPT)),
        _in_sequence(others.filter(~alone), counting.half_typed_seconds),
    )


def _robots(rows: ir.Table, most: int) -> ir.Table:
    """Users with more than `most` submissions on one day; rows without a time are one day."""
    known = rows.filter(rows.user != UNKNOWN)
    days = known.select("user", "submissions", day=(known.time_s / DAY_S).floor().cast("int64"))
    by_day = days.group_by("user", "day").agg(submissions=days.submissions.sum())
    return by_day.filter(by_day.submissions > most).select("user").distinct()


def _finding_nothing(rows: ir.Table) -> ir.Table:
    """The `hash` of queries that had no results at last."""
    import ibis

    known = rows.filter(rows.found.notnull())
    latest = [ibis.desc(known.time_s, nulls_first=True), ibis.desc(known.place)]
    ranked = known.mutate(age=ibis.row_number().over(ibis.window(group_by=known.hash, order_by=latest)))
    return ranked.filter((ranked.age == 0) & ~ranked.found).select("hash")


def _in_sequence(rows: ir.Table, seconds: float) -> ir.Table:
    """Rows of users and sessions; the row that follows decides about each."""
    import ibis

    order = [ibis.asc(rows.time_s, nulls_first=False), ibis.asc(rows.place)]
    following = ibis.window(group_by=[rows.user, rows.session], order_by=order)
    pairs = rows.mutate(
        next_hash=rows.hash.lead().over(following),
        next_query=rows.query.lead().over(following),
        gap_s=rows.time_s.lead().over(following) - rows.time_s,
    )
    # without times, only a shared session says that the next row came soon
    in_session = pairs.time_s.isnull() & (pairs.session.fill_null(UNKNOWN) != UNKNOWN)
    soon = (pairs.gap_s <= seconds) | in_session
    # the next query finishes the last word; nothing goes on where both are equal
    going_on = pairs.next_query.substr(pairs.query.length(), 1)
    longer = pairs.next_query.startswith(pairs.query) & (going_on != "") & (going_on != " ")
    half_typed = pairs.open_end & longer & soon & (seconds > 0)
    fate = ibis.cases((pairs.next_hash == pairs.hash, REPEAT), (half_typed, HALF_TYPED), else_=KEPT)
    return pairs.select(*rows.columns, fate=fate)


def count_queries(rows: ir.Table, counting: Counting, latest_s: float | None) -> ir.Table:
    """Distinct queries with `submissions`, `left`, `count`, `users`, and `without_user` (submissions).

    `left` are the submissions that are not held out, and `count` is the same weighted by age. Everything else counts
    held-out submissions too, so that they move no query below a threshold. A query of which none is left is left out.

    Where the log has times, also with `recent`: like `count`, but with the shorter half-life and without rows that
    have no time. `users` counts distinct users; `UNKNOWN` counts as none, for it may be any of them.

    Ages are counted from the log's latest time, `latest_s`, None if it has no times.
    """
    import ibis

    sums = {"weight": _weight(rows, counting.half_life_days, latest_s)}
    if has_recent(counting, latest_s):
        recent = _weight(rows, counting.recent_half_life_days, latest_s)
        sums["recent"] = ibis.ifelse(rows.time_s.isnull(), 0, recent)
    weighted = rows.mutate(**sums, left=rows.submissions - rows.held)
    # users first: distinct users of all queries at once would not fit into memory on a large log
    by_user = weighted.group_by("query", "hash", "open_end", "user").agg(
        **{name: weighted[name].sum() for name in ("submissions", "left", *sums)}
    )
    by_query = by_user.group_by("query", "hash", "open_end").agg(
        submissions=total(by_user.submissions.sum()),
        left=total(by_user.left.sum()),
        **{name: by_user[name].sum().cast("float64") / _MICRO for name in sums},
        users=by_user.user.count(where=by_user.user != UNKNOWN),
        without_user=total(by_user.submissions.sum(where=by_user.user.isnull())).fill_null(0),
    )
    return by_query.filter(by_query.left > 0).rename(count="weight")


def has_recent(counting: Counting, latest_s: float | None) -> bool:
    """Whether queries get a count of what was submitted lately."""
    return counting.recent_half_life_days is not None and latest_s is not None


def _weight(rows: ir.Table, half_life_days: float | None, latest_s: float | None) -> ir.Value:
    """How much each row counts, in millionths: what is left of its submissions, halved with each half-life of its age.

    It is 0 only where none is left.
    """
    import ibis

    left = rows.submissions - rows.held
    submissions = left * _MICRO
    if half_life_days is None or latest_s is None:
        return submissions
    age_days = (ibis.literal(latest_s) - rows.time_s.fill_null(latest_s)) / DAY_S
    halved = (submissions * ibis.literal(0.5) ** (age_days / half_life_days)).round().cast("int64")
    return ibis.greatest(halved, ibis.ifelse(left > 0, 1, 0).cast("int64"))


def total(summed: ir.Value) -> ir.Value:
    """A sum of whole numbers as int64."""
    # DuckDB's sum is a 128-bit integer, which Ibis takes for one of 64 bits and would not cast at once
    return summed.cast("decimal(18, 0)").cast("int64")


def judge_queries(queries: ir.Table, screening: Screening, counting: Counting) -> ir.Table:
    """Counted queries with three flags: `half_typed`, `indexed`, and `learnt` by the language models."""
    import ibis

    def enough(min_users: int, min_count: int) -> ir.Value:
        return (queries.users >= min_users) | (queries.without_user >= min_count)

    judged = queries.mutate(
        indexed=enough(screening.min_users, screening.min_count),
        learnt=enough(*model_thresholds(screening)),
    )
    if not counting.half_typed_ratio:
        return judged.mutate(half_typed=ibis.literal(False))
    half_typed = half_typed_queries(queries, counting.half_typed_ratio).mutate(half_typed=ibis.literal(True))
    joined = judged.left_join(half_typed, "query")
    cut = joined.half_typed.fill_null(False)
    return joined.select(*queries.columns, half_typed=cut, indexed=joined.indexed & ~cut, learnt=joined.learnt & ~cut)


def model_thresholds(screening: Screening) -> tuple[int, int]:
    """How many users, or submissions where there are no users, a query needs for the language models to learn it."""
    return screening.model_min_users or screening.min_users, screening.model_min_count or screening.min_count


def withheld_hashes(rows: ir.Table, screened: ir.Table, queries: ir.Table) -> ir.Table:
    """The distinct `hash` of all queries that the log holds and the index does not.

    Args:
        rows: judged rows, with those that are `held` out: queries of which no other submission is left may be
            suggested.
        screened: `hash` of the queries that were screened out.
        queries: judged queries.
    """
    import ibis

    found = rows.filter((rows.fate != REPEAT) & (rows.submissions > rows.held)).select("hash")
    indexed = queries.filter(queries.indexed).select("hash")
    return ibis.union(found, screened.select("hash")).distinct().anti_join(indexed, "hash")


def half_typed_queries(queries: ir.Table, ratio: float) -> ir.Table:
    """The column `query` of queries that look like the beginning of a far more frequent one.

    `faceb` beside `facebook` is an example. `java` beside `javascript` is not, if there are queries such as `java
    tutorial`, a tenth as many as `java`: they show that it is a whole word. Where a log names users, their next
    queries say better what they did not finish, so queries of named users are left alone.

    Args:
        queries: distinct, with `submissions`, `users` and `open_end`.
        ratio: the longer query is at least this many times as frequent.
    """
    # the short query was submitted at least once
    longer = _beginnings(queries.filter(queries.submissions >= ratio))
    longer = longer.filter(longer.following != " ")
    longer = longer.group_by("beginning").agg(most=longer.submissions.max())
    short = queries.filter(queries.open_end & (queries.users == 0)).select("query", "submissions")
    short = short.inner_join(longer, short.query == longer.beginning)
    short = short.filter(short.most >= short.submissions * ratio).select("query", "submissions")
    return _without_whole_ones(short, queries)


def _without_whole_ones(short: ir.Table, queries: ir.Table) -> ir.Table:
    """The queries of `short` that a space follows seldom, in proportion to how often they stand alone."""
    first_words = short.select(first=short.query.split(" ")[0]).distinct()
    of_words = queries.filter(queries.query.contains(" "))
    of_words = of_words.mutate(first=of_words.query.split(" ")[0]).semi_join(first_words, "first")
    whole = _beginnings(of_words)
    whole = whole.filter(whole.following == " ").group_by("beginning").agg(times=whole.submissions.sum())
    joined = short.left_join(whole, short.query == whole.beginning)
    return joined.filter(joined.times.fill_null(0) < joined.submissions * WHOLE_SHARE).select("query")


def _beginnings(queries: ir.Table) -> ir.Table:
    """The proper prefixes of each query as `beginning`, with the character that follows and the submissions."""
    import ibis

    long = queries.filter(queries.query.length() > 1)
    cut = long.select("query", "submissions", length=ibis.range(1, long.query.length())).unnest("length")
    return cut.select(
        "submissions", beginning=cut.query.substr(0, cut.length), following=cut.query.substr(cut.length, 1)
    )


def displays(rows: ir.Table) -> ir.Table:
    """`query` and `display` of the queries that users mostly write differently from the normalised text.

    Where two spellings were submitted equally often, the normalised one wins, then the first in the order of text.
    """
    import ibis

    otherwise = rows.filter(rows.display.notnull()).select("query").distinct()
    some = rows.semi_join(otherwise, "query")  # most queries have one spelling: these need no ranking
    written = some.group_by("query", "display").agg(submissions=some.submissions.sum())
    order = [ibis.desc(written.submissions), ibis.asc(written.display, nulls_first=True)]
    place = ibis.row_number().over(ibis.window(group_by=written.query, order_by=order))
    ranked = written.mutate(spelling=place)
    return ranked.filter((ranked.spelling == 0) & ranked.display.notnull()).select("query", "display")
