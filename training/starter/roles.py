"""What a file is, by its beginning: a query log, a catalogue or running text, and what each column is for.

Names of columns come first, as they stand in exports of other systems; values must fit. Where no name is known, the
most varied column of short text is taken. Each rule is one a person would give when asked.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lm.errors import InputError
from lm.text.normalize import is_unspaced, normalize_query
from training.data.log_reader import parse_count, parse_time
from training.data.numbers import parse_number
from training.data.sources import RowError
from training.data.tables import decimal_comma
from training.starter.samples import LINE, Sample

Kind = Literal["query_log", "catalogue", "text"]

_NAMES: dict[str, list[str]] = tomllib.loads(Path(__file__).with_name("columns.toml").read_text(encoding="utf-8"))
_SEARCH_EVENT = re.compile(
    r"(?:on_?|site_?|user_?)*(?:search|query)(?:ed|es|_submit\w*|_performed|_results?|_query)?", re.I
)
_SENTENCE_END = re.compile(r"\w[.!…]+(?:\s|$)|[。\uff01]")
_SEEN_VALUES = 2000
_MOST = 0.95
_HALF = 0.5
"""Rows without a user or session are of use as they are."""
_FEW = 0.05
"""Rows without a text are left out, such as those of the other events of a log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a file is.

    Attributes:
        sample: its first rows, those that `where` keeps.
        column: the query, title or text. The others are names of columns, or None.
        why: how it was told, for the reader of the configuration.
        unused: names of the columns that nothing is read from.
    """

    sample: Sample
    kind: Kind
    column: str
    count: str | None = None
    time: str | None = None
    user: str | None = None
    session: str | None = None
    weight: str | None = None
    payload: str | None = None
    where: dict[str, tuple[str, ...]] = field(default_factory=dict)
    why: str = ""

    @property
    def texts(self) -> list[str]:
        """The queries, titles or paragraphs; empty where there is none."""
        return ["" if value is None else str(value) for value in self.sample.columns[self.column]]

    def shape(self) -> tuple[object, ...]:
        """Files with the same shape can be read alike."""
        roles = (self.column, self.count, self.time, self.user, self.session, self.weight, self.payload)
        return self.kind, *roles, *self.where.items()

    @property
    def unused(self) -> list[str]:
        """Names of columns that hold something and are not read."""
        used = {self.column, self.count, self.time, self.user, self.session, self.weight, self.payload, *self.where}
        return [name for name, values in self.sample.columns.items() if name not in used and any(_filled(values))]


def recognise(sample: Sample) -> Finding:
    """Says what a file is.

    Raises:
        InputError: no column holds text.
    """
    where = _only_searches(sample)
    for column, values in where.items():
        sample = sample.where(column, set(values))
    columns = _Columns(sample)
    if list(sample.columns) == [LINE]:
        return _lines(sample)
    column, named = columns.text()
    if named is None and list(sample.columns) == [column] and " " in column.strip():
        problem = f"the first line, `{column}`, does not look like the name of a column."
        raise InputError(sample.path, problem, line=1, remedy="Put a name there, such as `query` or `title`.")
    kind, why = next(_reasons(columns, column, named))
    if kind == "text":
        return Finding(sample=sample, kind=kind, column=column, why=why, where={})
    if kind == "catalogue":
        weight = columns.weight(column)
        payload = columns.named(_NAMES["payloads"], _is_scalar, column, weight)
        return Finding(sample=sample, kind=kind, column=column, weight=weight, payload=payload, why=why)
    time = columns.time(column)
    user = columns.people(_NAMES["users"], column, time)
    session = columns.people(_NAMES["sessions"], column, time, user)
    count = columns.count(column, time, user, session)
    return Finding(
        sample=sample,
        kind=kind,
        column=column,
        count=count,
        time=time,
        user=user,
        session=session,
        where=where,
        why=why,
    )


def _lines(sample: Sample) -> Finding:
    texts = sample.columns[LINE]
    if _is_running(texts):
        return Finding(sample=sample, kind="text", column=LINE, why="its lines are long, or sentences")
    if _repeats(texts):
        return Finding(sample=sample, kind="query_log", column=LINE, why="short lines, some of them several times")
    if _share(texts, _has_capitals) > 0.5:
        return Finding(sample=sample, kind="catalogue", column=LINE, why="short lines with capitals, all different")
    return Finding(sample=sample, kind="query_log", column=LINE, why="short lines, all different")


class _Columns:
    """Finds columns of a sample by name and by values."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample
        self._values = {name: list(_filled(values)) for name, values in sample.columns.items()}
        self._keys = {name: _key(name) for name in sample.columns}
        self._comma = decimal_comma(sample.path)

    def text(self) -> tuple[str, Kind | None]:
        """The column that holds queries, titles or text, and what its name says that it is."""
        known: dict[str, Kind] = {"queries": "query_log", "titles": "catalogue", "texts": "text"}
        for names, kind in known.items():
            name = self.named(_NAMES[names], _is_text, filled=_FEW)
            if name is not None:
                return name, kind
        texts = [name for name in self._values if self._share(name, _is_text) >= 0.8 and not self._is_code(name)]
        for name in texts:
            if not set(self._keys[name].split("_")).isdisjoint(_NAMES["query_words"]):
                return name, "query_log"
        if not texts:
            names = ", ".join(f"`{name}`" for name in self._values)
            remedy = "Name the column with the queries or titles in a configuration: `autocomplete train --help`."
            raise InputError(self._sample.path, f"no column holds text; those there are: {names}.", remedy=remedy)
        return max(texts, key=lambda name: len(set(self._values[name])) * (1 + self._share(name, _has_space))), None

    def named(
        self, names: Sequence[str], fits: Callable[[Any], bool], *taken: str | None, filled: float = _MOST
    ) -> str | None:
        """The first column of one of these names whose values fit.

        Args:
            taken: columns that are used already.
            filled: the share of rows that has to hold a value.
        """
        for wanted in names:
            for name, key in self._keys.items():
                called = key == wanted or ("_" in wanted and key.endswith("_" + wanted))
                if called and name not in taken and self._filled(name) >= filled and self._share(name, fits) >= _MOST:
                    return name
        return None

    def people(self, names: Sequence[str], *taken: str | None) -> str | None:
        """The column with the user or session; not if one has most of the rows: that is nobody, or a robot."""
        name = self.named(names, _is_scalar, *taken, filled=_HALF)
        if name is None:
            return None
        values = self._values[name]
        most = Counter(map(str, values)).most_common(1)[0][1]
        return name if most <= max(_HALF * len(values), 10) else None

    def time(self, *taken: str | None) -> str | None:
        """The column with the time of submission."""
        written = (name for name in self._values if name not in taken and self._share(name, _is_written_time) >= _MOST)
        return self.named(_NAMES["times"], _is_time, *taken) or next(
            (name for name in written if self._filled(name) >= _MOST), None
        )

    def count(self, *taken: str | None) -> str | None:
        """The column with the number of submissions; if no name says so, one by which the rows of a table fall."""
        name = self.named(_NAMES["counts"], self._is_count, *taken)
        if name is None and not any(taken[1:]):
            name = next((name for name in self._values if name not in taken and self._falls(name)), None)
        if name is None or self._share(name, self._is_positive) >= _HALF:
            return name
        # clicks, which most queries have none of: the next column says how often they were shown
        for other in list(self._values)[list(self._values).index(name) + 1 :]:
            counts = self._share(other, self._is_count) == 1 and _key(other) not in _NAMES["results"]
            if counts and self._share(other, self._is_positive) >= _HALF:
                return other
        return name

    def weight(self, *taken: str | None) -> str | None:
        """The column that says how much an entry is wanted; each row must hold a number that will do."""
        name = self.named(_NAMES["weights"], self._is_weight, *taken, filled=1)
        if name is None or not all(map(self._is_weight, self._values[name])):
            return None
        return name if any(parse_number(value, decimal_comma=self._comma) for value in self._values[name]) else None

    def _is_weight(self, value: Any) -> bool:
        return 0 <= parse_number(value, decimal_comma=self._comma) < 1e30

    def _is_count(self, value: Any) -> bool:
        return _parses(lambda: parse_count(value, self._comma))

    def _is_positive(self, value: Any) -> bool:
        return self._is_count(value) and parse_count(value, self._comma) > 0

    def _falls(self, name: str) -> bool:
        values = self._values[name]
        if len(values) < 3 or self._filled(name) < _MOST or self._share(name, self._is_count) < 1:
            return False
        numbers = [parse_count(value, self._comma) for value in values if self._is_count(value)]
        return numbers == sorted(numbers, reverse=True) and numbers[0] > numbers[-1]

    def has(self, names: Iterable[str]) -> bool:
        """Whether a column has one of these names."""
        return not {*names}.isdisjoint(self._keys.values())

    def values(self, name: str) -> list[Any]:
        """What a column holds where it holds anything."""
        return self._values[name]

    def _share(self, name: str, fits: Callable[[Any], bool]) -> float:
        return _share(self._values[name], fits)

    def _filled(self, name: str) -> float:
        return len(self._values[name]) / self._sample.rows

    def _is_code(self, name: str) -> bool:
        """Whether a column holds identifiers or addresses, not words."""
        return self._share(name, _is_code) > 0.8


def _reasons(columns: _Columns, column: str, named: Kind | None) -> Iterator[tuple[Kind, str]]:
    """What a table is, and how that is told; what comes first holds."""
    values = columns.values(column)
    typed = columns.people([*_NAMES["users"], *_NAMES["sessions"]], column) is not None
    if named == "catalogue" and typed and _repeats(values):
        yield "query_log", "its rows have users or sessions"
    if named in {"query_log", "catalogue"}:
        yield named, f"by the name of its column `{column}`"
    if _is_running(values):
        yield "text", "its texts are long, or sentences"
    if typed:
        yield "query_log", "its rows have users or sessions"
    if columns.has((*_NAMES["payloads"], *_NAMES["goods"])):
        yield "catalogue", "its rows have identifiers, addresses or prices"
    if _repeats(values):
        yield "query_log", "some of its texts come several times"
    if columns.count(column, columns.time(column)) is not None:
        yield "query_log", "its rows have counts"
    yield "catalogue", "its texts are all different"


def _only_searches(sample: Sample) -> dict[str, tuple[str, ...]]:
    """Which rows are searches, in a file with other events or of several indexes."""
    for name, values in sample.columns.items():
        key, distinct = _key(name), {str(value) for value in _filled(values)}
        if len(distinct) > 200:
            continue
        if key == "index" and name.endswith("_index"):
            chosen = {value for value in distinct if "quer" in value.casefold()}
        elif key in _NAMES["events"]:
            chosen = {value for value in distinct if _SEARCH_EVENT.fullmatch(value) or value == "view_search_results"}
        else:
            continue
        if chosen:
            return {name: tuple(sorted(chosen))}
    return {}


def _key(name: str) -> str:
    """The name of a column as the lists above have it: `_source.userQuery` is `user_query`."""
    leaf = name.rpartition(".")[2] or name
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", leaf)
    return re.sub(r"[\W_]+", "_", parted).strip("_").casefold()


def _filled(values: Iterable[Any]) -> Iterable[Any]:
    return (value for value in values if value is not None and value != "")


def _share(values: Sequence[Any], fits: Callable[[Any], bool]) -> float:
    seen = values[:_SEEN_VALUES]
    return sum(map(fits, seen)) / len(seen) if seen else 0.0


def _parses(parse: Callable[[], object]) -> bool:
    try:
        parse()
    except RowError:
        return False
    return True


def _is_time(value: Any) -> bool:
    return _parses(lambda: parse_time(value)) and (not isinstance(value, int | float) or value > 1e8)


def _is_written_time(value: Any) -> bool:
    number = isinstance(value, int | float) or (isinstance(value, str) and not re.search(r"\d[-:T/]\d", value))
    return not number and _is_time(value)


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, list | dict)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and any(map(str.isalpha, value)) and not _is_written_time(value)


def _is_code(value: str) -> bool:
    return not _has_space(value) and (
        bool(re.search(r"\d|://|@", value)) or value in {"True", "False", "true", "false"}
    )


def _has_space(value: str) -> bool:
    return " " in value.strip() or is_unspaced(value)


def _has_capitals(value: str) -> bool:
    return value != value.lower()


def _repeats(values: Sequence[Any]) -> bool:
    return len({normalize_query(str(value)) for value in values}) < 0.95 * len(values)


def _is_running(values: Sequence[Any]) -> bool:
    """Whether texts are sentences or longer, not queries or titles."""
    texts = [str(value) for value in values[:_SEEN_VALUES]]
    if not texts:
        return False
    length = sum(map(len, texts)) / len(texts)
    words = sum(text.count(" ") + 1 for text in texts) / len(texts)
    unspaced = _share(texts, is_unspaced) > _HALF
    return length > 100 or words > 12 or (unspaced and length > 30) or _share(texts, _has_sentence) > 0.25


def _has_sentence(text: str) -> bool:
    return _SENTENCE_END.search(text) is not None
