"""Puts asks to this project: trains each table as an operator would, and asks as `autocomplete complete` does."""

from __future__ import annotations

import csv
import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from autocomplete.v1 import autocomplete_service_pb2 as pb

from benchmarks.command import ROOT, WORK
from benchmarks.matching.asks import LISTED, Engine, Entry, Shown, Table, entries_of
from cli.suggestions import Choice, ask_bundle, build_request
from lm.bundle.registry import Registry
from training.config import load_config
from training.pipeline import train
from training.progress import Reporter, SilentReporter

_CATALOGUE = """
name = "matching"
[[catalogue]]
path = "entries.tsv"
text_column = "text"
weight_column = "weight"
payload_column = "id"
[[language_models]]
name = "queries"
unit = "word"
sources = ["queries"]
ngram = { smoothing = "add_delta", order = 3 }
"""
_LOG = """
name = "matching"
[[query_log]]
path = "entries.tsv"
query_column = "text"
count_column = "weight"
[screening]
min_count = 1
[[language_models]]
name = "queries"
unit = "subword"
sources = ["queries"]
vocabulary_size = 3000
ngram = { order = 4 }
"""
_ROOMS = ("lm", "suggest", "training")
_STAMP = "trained.txt"


def ours(reporter: Reporter, folder: Path = WORK / "matching") -> Engine:
    """This project. A bundle is trained again once the table or the code has changed."""
    code = _code_digest()

    def answers(table: Table) -> list[list[Shown]]:
        bundle = _bundle(table, folder / table.name, code, reporter)
        return [_shown(bundle, ask.typed) for _, ask in table.all_asks()]

    return lambda tables: [answers(table) for table in tables]


def _shown(bundle: Path, typed: str) -> list[Shown]:
    response = ask_bundle(build_request(typed, Choice(limit=LISTED), words=False), bundle)
    assert isinstance(response, pb.CompleteQueryResponse)
    return [Shown(item.text, item.payload) for item in response.suggestions]


def _bundle(table: Table, folder: Path, code: str, reporter: Reporter) -> Path:
    stamp = f"{code} {hashlib.sha256(table.model_dump_json(exclude={'asks'}).encode()).hexdigest()}"
    if not (folder / _STAMP).is_file() or (folder / _STAMP).read_text() != stamp:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _write(entries_of(table, reporter), folder / "entries.tsv")
        (folder / "matching.toml").write_text(_LOG if table.source == "log" else _CATALOGUE)
        reporter.say(f"Training {table.name}.")
        train(load_config(folder / "matching.toml"), base=folder, reporter=SilentReporter(), activate=True)
        (folder / _STAMP).write_text(stamp)
    return Registry(folder / "var" / "registry").resolve("matching")


def _write(entries: Sequence[Entry], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n")
        writer.writerows([Entry._fields, *entries])


def _code_digest() -> str:
    """Of all code that a bundle depends on, compiled kernels included."""
    digest = hashlib.sha256()
    for path in sorted(path for room in _ROOMS for path in (ROOT / room).rglob("*")):
        if path.suffix in {".py", ".pyx", ".so", ".txt"}:
            digest.update(path.read_bytes())
    return digest.hexdigest()
