"""The files that a first configuration is for: what each is, those that are alike together, and what they hold."""

from __future__ import annotations

import glob
import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lm.text.normalize import is_unspaced, normalize_query
from training.data.log_reader import parse_count, parse_time
from training.data.numbers import parse_number
from training.data.sources import RowError
from training.data.tables import decimal_comma
from training.starter.languages import languages
from training.starter.roles import Finding, recognise
from training.starter.samples import read_sample

_NAMES = {"query_log": "query log", "catalogue": "catalogue", "text": "running text"}
_ENOUGH_BY_USERS = {3: 1000, 2: 100}
_ENOUGH_BY_COUNT = {2: 1000}
"""A threshold stays if about this many queries of the whole file pass it, or a third of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What some files hold, as far as they were read.

    Attributes:
        queries: queries or titles, each once, the heaviest first; `submissions` is the sum of the counts.
        users, sessions: how many; 0 where there is no such column.
        times_s: the earliest and the latest time, seconds since 1970; empty where there are none.
        passing: for each threshold how many queries have so many users, or submissions if there are no users.
        bad: rows that cannot be used.
    """

    queries: tuple[str, ...]
    submissions: float
    users: int
    sessions: int
    times_s: tuple[float, ...]
    passing: dict[int, int]
    bad: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Files that are alike: one section of the configuration reads them, or one for each.

    Attributes:
        finding: of the first one.
        rows: about how many there are in all; `seen` were looked at.
        unspaced: whether most of the text is of a script without spaces between words.
    """

    finding: Finding
    paths: tuple[Path, ...]
    rows: int
    seen: int
    facts: Facts
    languages: tuple[str, ...]
    unspaced: bool

    @property
    def whole(self) -> bool:
        """Whether all rows were looked at."""
        return self.rows == self.seen

    def threshold(self) -> int:
        """The highest number of users, or of submissions where there are no users, that leaves enough queries."""
        enough = _ENOUGH_BY_USERS if self.finding.user else _ENOUGH_BY_COUNT
        for wanted, least in enough.items():
            passing = self.facts.passing[wanted]
            if passing * self.rows >= least * self.seen or 3 * passing >= len(self.facts.queries):
                return wanted
        return 1

    def found(self) -> str:
        """What was found, in a line for a person."""
        facts, kind = self.facts, self.finding.kind
        about, first = ("", "") if self.whole else ("about ", " in the first rows")
        said = [about + _counted(self.rows, "paragraph" if kind == "text" else "row")]
        if kind != "text":
            one, many = ("query", "queries") if kind == "query_log" else ("title", "titles")
            said.append(_counted(len(facts.queries), f"different {one}", f"different {many}") + first)
        if self.finding.count:
            said.append(_counted(round(facts.submissions), "submission"))
        said += [_counted(facts.users, "user")] * bool(self.finding.user)
        said += [_counted(facts.sessions, "session")] * bool(self.finding.session)
        if facts.times_s:
            said.append(" to ".join(sorted({_day(time_s) for time_s in facts.times_s})))
        if self.languages:
            said.append(f"language {', '.join(self.languages)}")
        return f"{_NAMES[kind]} ({self.finding.why}): {', '.join(said)}"

    def patterns(self) -> list[str]:
        """The files as a configuration names them: by a pattern where that matches them and no others."""
        folder, suffixes = self.paths[0].parent, {"".join(path.suffixes) for path in self.paths}
        if len(self.paths) > 1 and len(suffixes) == 1 and {path.parent for path in self.paths} == {folder}:
            pattern = str(Path(glob.escape(str(folder))) / f"*{suffixes.pop()}")
            if set(map(Path, glob.glob(pattern))) == set(self.paths):  # noqa: PTH207 -- as the configuration reads it
                return [pattern]
        return [str(path) for path in self.paths]


def find_parts(paths: Sequence[Path]) -> list[Part]:
    """Looks at files and puts those together that are alike, in the order in which they are given.

    Raises:
        InputError: one cannot be used.
    """
    alike: dict[tuple[object, ...], list[Finding]] = defaultdict(list)
    for path in dict.fromkeys(paths):
        finding = recognise(read_sample(path))
        if finding.sample.fault and finding.kind != "query_log":  # a log can do without a row
            raise finding.sample.fault
        alike[finding.shape()].append(finding)
    return [_part(findings) for findings in alike.values()]


def _part(findings: list[Finding]) -> Part:
    texts = list(itertools.chain.from_iterable(finding.texts for finding in findings))
    return Part(
        finding=findings[0],
        paths=tuple(finding.sample.path for finding in findings),
        rows=sum(finding.sample.total for finding in findings),
        seen=sum(finding.sample.rows for finding in findings),
        facts=_facts(findings),
        languages=tuple(languages(texts)),
        unspaced=sum(map(is_unspaced, texts)) > len(texts) / 2,
    )


def _facts(findings: list[Finding]) -> Facts:
    submissions: dict[str, float] = defaultdict(float)
    query_users: dict[str, set[str]] = defaultdict(set)
    users, sessions, times = set[str](), set[str](), list[float]()
    bad = sum(finding.sample.bad for finding in findings)
    for text, count, time_s, user, session in itertools.chain.from_iterable(map(_rows, findings)):
        if count is None:
            bad += 1
            continue
        query = normalize_query(text).rstrip(" ")
        if not query or not count:
            continue
        submissions[query] += count
        times += [time_s] * (time_s is not None)
        if user:
            users.add(user)
            query_users[query].add(user)
        if session:
            sessions.add(session)
    reached = list(map(len, query_users.values()) if findings[0].user else submissions.values())
    return Facts(
        queries=tuple(sorted(submissions, key=submissions.__getitem__, reverse=True)),
        submissions=sum(submissions.values()),
        users=len(users),
        sessions=len(sessions),
        times_s=(min(times), max(times)) if times else (),
        passing={wanted: sum(height >= wanted for height in reached) for wanted in _ENOUGH_BY_USERS},
        bad=bad,
    )


def _rows(finding: Finding) -> Iterator[tuple[str, float | None, Any, str, str]]:
    """Query or title, count or weight (None: the row is bad), time, user and session of each row."""
    nothing = [None] * finding.sample.rows
    columns = finding.sample.columns
    comma = decimal_comma(finding.sample.path)
    names = (finding.count, finding.weight, finding.time, finding.user, finding.session)
    others = (nothing if name is None else columns[name] for name in names)
    for text, count, weight, time, user, session in zip(finding.texts, *others, strict=True):
        try:
            number = 1.0 if finding.count is None else parse_count(count, comma)
            if finding.weight is not None:
                number = parse_number(weight, decimal_comma=comma)
            time_s = None if finding.time is None else parse_time(time)
        except RowError:
            number, time_s = None, None
        yield text, number, time_s, str(user or ""), str(session or "")


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _day(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d")
