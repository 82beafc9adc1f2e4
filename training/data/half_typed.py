"""Queries that were sent before they were whole, as Ibis expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir


def goes_on(query: ir.StringValue, longer: ir.StringValue) -> ir.BooleanValue:
    """Whether the second one begins with the first and goes on without a space: it may finish its last word."""
    # none follows where both are equal
    following = longer.substr(query.length(), 1)
    return longer.startswith(query) & (following != "") & (following != " ")


def half_typed_queries(queries: ir.Table, ratio: float) -> ir.Table:
    """The column `query` of those that look like the beginning of one that is far more frequent.

    Such is `faceb` beside `facebook`. `face` is not one where queries such as `face wash` are no less frequent than
    itself: they say that it is whole. Users, where a log names them, say better what they did not finish, so queries
    that any such user typed are left alone.

    Args:
        queries: distinct, with `submissions`, `users` and `open_end`.
        ratio: how many times as frequent the longer one is at least.
    """
    # a query that was submitted once is the rarest that a longer one may be compared with
    longer = _beginnings(queries.filter(queries.submissions >= ratio))
    longer = longer.filter(longer.following != " ")
    longer = longer.group_by("beginning").agg(most=longer.submissions.max())
    short = queries.filter(queries.open_end & (queries.users == 0)).select("query", "submissions")
    short = short.inner_join(longer, short.query == longer.beginning)
    short = short.filter(short.most >= short.submissions * ratio).select("query", "submissions")
    return _without_whole_ones(short, queries)


def _without_whole_ones(short: ir.Table, queries: ir.Table) -> ir.Table:
    """Those of `short` after which a space comes less often than they stand alone."""
    first_words = short.select(first=short.query.split(" ")[0]).distinct()
    of_words = queries.filter(queries.query.contains(" "))
    of_words = of_words.mutate(first=of_words.query.split(" ")[0]).semi_join(first_words, "first")
    whole = _beginnings(of_words)
    whole = whole.filter(whole.following == " ").group_by("beginning").agg(times=whole.submissions.sum())
    joined = short.left_join(whole, short.query == whole.beginning)
    return joined.filter(joined.times.fill_null(0) < joined.submissions).select("query")


def _beginnings(queries: ir.Table) -> ir.Table:
    """Each query's proper prefixes as `beginning`, with the character that follows and its submissions."""
    import ibis

    long = queries.filter(queries.query.length() > 1)
    cut = long.select("query", "submissions", length=ibis.range(1, long.query.length())).unnest("length")
    return cut.select(
        "submissions", beginning=cut.query.substr(0, cut.length), following=cut.query.substr(cut.length, 1)
    )
