"""The table of asks: files in `asks/`, each a small catalogue or log and what is typed into it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from benchmarks.command import ROOT
from demo.sample_data import ensure_sample_data
from lm.errors import InputError
from lm.toml_file import read_toml
from training.config_section import Section
from training.progress import Reporter

FOLDER = Path(__file__).parent / "asks"
LISTED = 10


class Entry(NamedTuple):
    """A title of a catalogue, or a query of a log, whose identifier is its number."""

    id: str
    weight: int
    text: str


class Ask(Section):
    """What is typed, and what must come of it. Entries are named by their text, or by their id where texts repeat."""

    typed: str
    first: str = Field(description="The entry that must come first.")
    within: int = Field(1, ge=1, le=LISTED, description="It may also stand at one of these places.")
    also: tuple[str, ...] = Field((), description="Entries that must be in the list too.")
    never: tuple[str, ...] = Field((), description="Texts that must not be in the list.")


class Table(Section):
    """One catalogue or log with its asks by kind."""

    name: str
    source: Literal["catalogue", "log"]
    background: int = Field(0, ge=0, description="How many queries of the quick start's sample stand in the log too.")
    entries: tuple[Entry, ...]
    asks: dict[str, tuple[Ask, ...]]

    @field_validator("entries", mode="before")
    @classmethod
    def _numbered(cls, rows: object) -> object:
        if not isinstance(rows, list):
            return rows
        return [row if len(row) == len(Entry._fields) else (str(number), *row) for number, row in enumerate(rows)]

    @model_validator(mode="after")
    def _names_entries(self) -> Self:
        texts, ids = [entry.text for entry in self.entries], [entry.id for entry in self.entries]
        if len(set(ids)) < len(ids):
            raise ValueError("two entries have one id")
        for ask in (ask for asks in self.asks.values() for ask in asks):
            for name in (ask.first, *ask.also, *ask.never):
                if texts.count(name) + (name in ids) != 1:
                    raise ValueError(f"{ask.typed!r}: not one entry is {name!r}")
        return self

    def all_asks(self) -> list[tuple[str, Ask]]:
        """Each ask with its kind."""
        return [(kind, ask) for kind, asks in self.asks.items() for ask in asks]

    def only(self, kinds: Collection[str]) -> Table:
        """The same with the asks of these kinds alone."""
        return self.model_copy(update={"asks": {kind: asks for kind, asks in self.asks.items() if kind in kinds}})


class Shown(NamedTuple):
    """An item of a list: its text and, where the engine gives it, the entry's id."""

    text: str
    id: str = ""


Engine = Callable[[Sequence[Table]], list[list[list[Shown]]]]
"""For each table, for each of its asks, the list that is shown."""


def read_tables(folder: Path = FOLDER) -> list[Table]:
    """All tables, by name.

    Raises:
        InputError: a file is wrong, or there is none.
    """
    paths = sorted(folder.glob("*.toml"))
    if not paths:
        raise InputError(folder, "no tables of asks.")
    return [_read(path) for path in paths]


def _read(path: Path) -> Table:
    document = {"name": path.stem} | read_toml(path, missing="")
    try:
        return Table.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from None


def entries_of(table: Table, reporter: Reporter) -> list[Entry]:
    """All entries: those of the background first.

    Raises:
        AutocompleteError: the quick start's sample cannot be fetched.
    """
    if not table.background:
        return list(table.entries)
    sample = ensure_sample_data(ROOT / "var" / "demo" / "sample", reporter)
    with sample.queries.open(encoding="utf-8") as lines:
        counts = Counter(line.rstrip("\n") for line in itertools.islice(lines, table.background))
    background = [Entry(f"b{number}", count, text) for number, (text, count) in enumerate(counts.items())]
    return background + list(table.entries)


def fault(ask: Ask, shown: Sequence[Shown]) -> str:
    """What is wrong with the list that was shown; empty if nothing is."""
    names = [{item.text, item.id} for item in shown[:LISTED]]
    missing = [name for name in ask.also if not any(name in item for item in names)]
    unwanted = [name for name in ask.never if any(name in item for item in names)]
    place = next((place for place, item in enumerate(names, start=1) if ask.first in item), 0)
    if not place:
        return "not found"
    if place > ask.within:
        return f"at place {place}"
    if missing:
        return f"without {', '.join(missing)}"
    return f"with {', '.join(unwanted)}" if unwanted else ""
