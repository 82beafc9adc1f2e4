"""The report on what users did, as tables for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from cli.output import figures_table, stdout
from service.live.events.experiment import MEASURES, Comparison, Figure, Measure, Place
from service.live.events.report import Report
from service.live.events.unanswered import Lack

_TITLES = {
    Lack.ACCEPTED: "Queries sent without an accepted suggestion",
    Lack.SUGGESTED: "Queries without any suggestion",
}
_NAMES = {Lack.ACCEPTED: "not_accepted", Lack.SUGGESTED: "nothing_suggested"}
_UNKNOWN = "-"
_PLACES = 10


def print_report(report: Report, count: int) -> None:
    """Prints a report with as many queries of each kind."""
    console = stdout()
    console.print(
        f"{_time(report.from_s)} to {_time(report.to_s)}: {report.events:,} events, {report.searches:,} searches, "
        f"{report.without_version:,} of them of no known version."
    )
    for comparison in report.comparisons:
        console.print(_versions(comparison))
        for verdict in comparison.verdicts:
            console.print(f"  {verdict.text}", markup=False, soft_wrap=True)
        console.print(_places(comparison))
    for lack, title in _TITLES.items():
        found = report.unanswered[lack]
        full = f"{title}, of at least {report.min_users} users"
        if not found:
            console.print(f"{full}: none.")
            continue
        table = figures_table(full, "query", "model", "searches", "users")
        for each in found[:count]:
            table.add_row(escape(each.query), each.model, f"{each.searches:,}", f"{each.users:,}")
        if len(found) > count:
            table.caption = f"{len(found) - count:,} more: see --count"
            table.caption_justify = "left"
        console.print(table)


def report_document(report: Report, count: int) -> dict[str, Any]:
    """A report as JSON has it."""
    return {
        "from": _time(report.from_s),
        "to": _time(report.to_s),
        "min_users": report.min_users,
        "events": report.events,
        "searches": report.searches,
        "searches_without_version": report.without_version,
        "models": [_comparison(each) for each in report.comparisons],
        "unanswered": {_NAMES[lack]: [each._asdict() for each in report.unanswered[lack][:count]] for lack in Lack},
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "model": comparison.model,
        "versions": [
            {
                "version": each.version,
                "users": each.users,
                "searches_with_a_list": each.listed,
                "searches_with_a_query": each.ended,
                "measures": {name: figure._asdict() for name, figure in each.figures.items()},
                "places": [place._asdict() for place in each.places],
            }
            for each in comparison.versions
        ],
        "verdicts": [
            {
                "version": each.version,
                "against": each.against,
                "decision": each.decision.value,
                "measure": each.measure,
                "difference": None if each.difference is None else each.difference._asdict(),
                "more_users": each.more_users,
                "text": each.text,
            }
            for each in comparison.verdicts
        ],
    }


def _versions(comparison: Comparison) -> Table:
    versions = comparison.versions
    table = figures_table(comparison.model, "", *(each.version for each in versions))
    table.add_row("users", *(f"{each.users:,}" for each in versions))
    table.add_row("lists shown", *(f"{each.listed:,}" for each in versions))
    table.add_row("queries", *(f"{each.ended:,}" for each in versions))
    for measure in MEASURES:
        table.add_row(measure.title, *(_cell(measure, each.figures.get(measure.name)) for each in versions))
    table.caption = "95% intervals: bootstrap over users."
    table.caption_justify = "left"
    return table


def _cell(measure: Measure, figure: Figure | None) -> Text:
    if figure is None:
        return Text(_UNKNOWN)
    text = Text(measure.shown(figure.value))
    if figure.low is not None and figure.high is not None:
        text.append(f"\n{measure.shown(figure.low)} to {measure.shown(figure.high)}", style="dim")
    return text


def _places(comparison: Comparison) -> Table:
    """How often what was shown was accepted, by source and by place."""
    versions = [each.version for each in comparison.versions]
    table = figures_table(f"{comparison.model}: accepted of shown suggestions, %", "", *versions)
    sources = sorted({place.source for each in comparison.versions for place in each.places})
    for source in sources:
        shares = (_share(p for p in each.places if p.source == source) for each in comparison.versions)
        table.add_row(source or "source not told", *shares)
    for position in range(1, _PLACES + 1):
        shares = (_share(p for p in each.places if p.position == position) for each in comparison.versions)
        cells = list(shares)
        if any(cell != _UNKNOWN for cell in cells):
            table.add_row(f"place {position}", *cells)
    return table


def _share(places: Iterable[Place]) -> str:
    known = [place for place in places if place.shown]
    shown = sum(place.shown for place in known)
    return f"{100 * sum(place.accepted for place in known) / shown:.1f} of {shown:,}" if shown else _UNKNOWN


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")
