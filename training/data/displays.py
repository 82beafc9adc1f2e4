"""How users mostly write a query: an Ibis expression that any backend runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir


def displays(rows: ir.Table) -> ir.Table:
    """`query` and `display` of the queries that are mostly written otherwise than normalised.

    Of spellings submitted equally often the normalised one comes first, then the first in the order of their text.

    Args:
        rows: `query`, `submissions` and `display`, null where a row has the normalised spelling.
    """
    import ibis

    otherwise = rows.filter(rows.display.notnull()).select("query").distinct()
    some = rows.semi_join(otherwise, "query")  # most queries have one spelling: these need no ranking
    written = some.group_by("query", "display").agg(submissions=some.submissions.sum())
    order = [ibis.desc(written.submissions), ibis.asc(written.display, nulls_first=True)]
    place = ibis.row_number().over(ibis.window(group_by=written.query, order_by=order))
    ranked = written.mutate(spelling=place)
    return ranked.filter((ranked.spelling == 0) & ranked.display.notnull()).select("query", "display")
