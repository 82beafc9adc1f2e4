"""Asks this project and other engines what people type, and says how often the right entry comes first.

Run from the checkout: `python -m benchmarks.matching`. The asks are the files in `benchmarks/matching/asks/`. Small
bundles of them are trained and kept in `var/benchmarks/matching`, where other engines are installed too. A run of all
asks writes `result.md` there. `--engine ours` asks no other; `--failures` lists what the others get wrong too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, NamedTuple

import typer

from benchmarks.command import WORK, Skipped, reporter, run
from benchmarks.matching.asks import Ask, Shown, Table, fault, read_tables
from benchmarks.matching.ours import ours
from benchmarks.matching.rivals import rivals
from lm.errors import ConfigError

RESULT = WORK / "matching" / "result.md"
OURS = "ours"


class Graded(NamedTuple):
    """One ask, put to one engine; `fault` is empty if it was right."""

    table: str
    kind: str
    ask: Ask
    shown: list[Shown]
    fault: str


def main(
    engine: Annotated[list[str] | None, typer.Option(help="Engine to ask; may be repeated. Unset: all.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Kind of asks; may be repeated. Unset: all.")] = None,
    table: Annotated[list[str] | None, typer.Option(help="Table to ask from; may be repeated. Unset: all.")] = None,
    *,
    failures: Annotated[bool, typer.Option("--failures", help="List what the other engines get wrong too.")] = False,
) -> None:
    """Asks, prints, and writes the result."""
    progress = reporter()
    engines = {OURS: ours(progress)} | rivals(progress)
    tables = read_tables()
    kinds = _chosen(dict.fromkeys(kind for each in tables for kind in each.asks), kind, "kind")
    names = _chosen([each.name for each in tables], table, "table")
    tables = [each.only(kinds) for each in tables if each.name in names]
    graded, skipped = dict[str, list[Graded]](), list[str]()
    for name in _chosen(engines, engine, "engine"):
        try:
            graded[name] = grade(tables, engines[name](tables))
        except Skipped as reason:
            skipped.append(f"{name} was not asked: {reason}")
    lines = [*shares(graded), *skipped]
    for name in graded if failures else graded.keys() & {OURS}:
        lines += ["", *wrong(name, graded[name])]
    print("\n".join(lines))
    if not (engine or kind or table):
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _chosen(known: Iterable[str], wanted: Sequence[str] | None, what: str) -> list[str]:
    names = list(known)
    if unknown := [name for name in wanted or () if name not in names]:
        raise ConfigError(f"--{what} {unknown[0]}: there is none.", remedy=f"There are: {', '.join(names)}.")
    return [name for name in names if not wanted or name in wanted]


def grade(tables: Sequence[Table], lists: Sequence[Sequence[list[Shown]]]) -> list[Graded]:
    """Says of each ask whether the list for it is right."""
    return [
        Graded(table.name, kind, ask, shown, fault(ask, shown))
        for table, answers in zip(tables, lists, strict=True)
        for (kind, ask), shown in zip(table.all_asks(), answers, strict=True)
    ]


def shares(graded: Mapping[str, Sequence[Graded]]) -> list[str]:
    """A table in Markdown: for each kind of asks and each engine the share that is right, in percent."""
    first = next(iter(graded.values()), [])
    rows = [f"| kind | asks | {' | '.join(graded)} |", "| --- " * (2 + len(graded)) + "|"]
    for kind in (*dict.fromkeys(each.kind for each in first), "all"):
        cells = []
        for results in graded.values():
            right = [not each.fault for each in results if kind in {each.kind, "all"}]
            cells.append(f"{sum(right) / len(right):.0%}")
        rows.append(f"| {kind} | {len(right)} | {' | '.join(cells)} |")
    return rows if first else []


def wrong(name: str, graded: Sequence[Graded]) -> list[str]:
    """A line for each ask that an engine got wrong."""
    failed = [each for each in graded if each.fault]
    lines = [f"Wrong of {name}: {len(failed)} of {len(graded)}"]
    for each in failed:
        listed = "; ".join(item.text for item in each.shown[:3]) or "nothing"
        lines.append(f"- {each.kind}, {each.table}: `{each.ask.typed}` for {each.ask.first}: {each.fault} ({listed})")
    return lines


if __name__ == "__main__":
    run(main, __doc__)
