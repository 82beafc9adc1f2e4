"""The text of a first configuration. Its comments say what was found and why a setting is what it is."""

from __future__ import annotations

import json
import os
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from lm.errors import InputError
from training.config import Duplicates, Screening
from training.starter.parts import Part
from training.starter.samples import LINE

_WIDTH = 100
_LISTED = 12


def check_free(path: Path, files: Sequence[Path], *, overwrite: bool) -> None:
    """Checks that a configuration can be written.

    Raises:
        InputError: there is such a file already, or it is one of the `files` that the configuration is about.
    """
    if path.exists() and any(file.exists() and path.samefile(file) for file in files):
        raise InputError(path, "is one of the files to look at.", remedy="Name another one with `--out`.")
    if path.exists() and not overwrite:
        remedy = "Name another one with `--out`, or overwrite it with `--force`."
        raise InputError(path, "is there already.", remedy=remedy)


def write_configuration(path: Path, parts: Sequence[Part]) -> str:
    """Writes a configuration for files; returns the name of the model, which is that of the file."""
    name = re.sub(r"[^a-z0-9_-]+", "-", path.stem.casefold()).lstrip("-_0123456789")[:63].rstrip("-_") or "autocomplete"
    written = path.with_name(f"{path.name}.part")
    written.write_text(configuration(name, parts, path.parent), encoding="utf-8")
    written.replace(path)
    return name


def configuration(name: str, parts: Sequence[Part], folder: Path) -> str:
    """TOML that trains a model on files.

    Args:
        name: of the model.
        folder: where the configuration will stand; paths are relative to it.
    """
    lines = [
        *_comment(
            "Written by `autocomplete init`. It trains as it stands. Paths are relative to this file's folder; "
            "`autocomplete train --help` describes every field."
        ),
        "",
        f"name = {_quoted(name)}",
    ]
    for part in parts:
        lines += _source(part, folder)
    logs = [part for part in parts if part.finding.kind == "query_log"]
    queries = [part for part in parts if part.finding.kind != "text"]
    texts = [part for part in parts if part.finding.kind == "text"]
    lines += [*_screening(logs), *_duplicates(queries)]
    lines += [*_query_model(queries), *_text_model(texts)]
    return "\n".join(lines) + "\n"


def _source(part: Part, folder: Path) -> Iterator[str]:
    """The sections that read the files of a part."""
    finding, found = part.finding, part.found()
    said = _comment(found[0].upper() + found[1:] + ".")
    for pattern in part.patterns():
        yield from ("", *said, f"[[{finding.kind}]]", f"path = {_quoted(_relative(pattern, folder))}")
        said = []
        if finding.column != LINE:
            yield from _columns(part)
        if finding.kind == "query_log" and (part.facts.bad or not part.whole):
            seen = f" ({part.facts.bad:,} of those that were looked at)" if part.facts.bad else ""
            yield from _comment(
                f"Rows that cannot be used{seen} are counted and left out. `stop` ends at the first one."
            )
            yield 'on_bad_row = "drop"'


def _columns(part: Part) -> Iterator[str]:
    finding = part.finding
    names = {"query_log": "query_column", "catalogue": "text_column", "text": "column"}
    yield f"{names[finding.kind]} = {_quoted(finding.column)}"
    optional = {
        "query_log": {
            "count_column": finding.count,
            "time_column": finding.time,
            "user_column": finding.user,
            "session_column": finding.session,
        },
        "catalogue": {"weight_column": finding.weight, "payload_column": finding.payload},
        "text": {},
    }
    for key, column in optional[finding.kind].items():
        if column is not None:
            yield f"{key} = {_quoted(column)}"
    missing = [key for key, column in optional[finding.kind].items() if column is None]
    if missing and finding.unused:
        others = ", ".join(finding.unused[:_LISTED]) + (" and others" if len(finding.unused) > _LISTED else "")
        yield from _comment(f"Not set: {', '.join(missing)}. Columns that are not read: {others}.")
    if finding.where:
        conditions = ", ".join(f"{_quoted(name)} = {_values(values)}" for name, values in finding.where.items())
        yield from _comment("Other rows of the file are no searches.")
        yield f"where = {{ {conditions} }}"


def _screening(logs: Sequence[Part]) -> Iterator[str]:
    """Thresholds that the logs can support."""
    lines: list[str] = []
    for field, usual, unit in (
        ("min_users", Screening().min_users, "users"),
        ("min_count", Screening().min_count, "submissions"),
    ):
        chosen = [part for part in logs if bool(part.finding.user) is (unit == "users")]
        if chosen:
            least = min(chosen, key=Part.threshold)
            lines += [*_threshold(least, usual, unit), f"{field} = {least.threshold()}"]
    if lines:
        yield from ("", "[screening]", *lines)
        yield from _comment("Words that must never be suggested, one a line, besides a built-in English list:")
        yield '# blocked_words = "blocked_words.txt"'


def _threshold(part: Part, usual: int, unit: str) -> Iterator[str]:
    """Why a threshold is what it is."""
    value, facts = part.threshold(), part.facts
    share = f"{facts.passing[usual]:,} of the {len(facts.queries):,} queries have {usual} {unit} or more"
    if value == usual:
        yield from _comment(f"A query is suggested only if it has so many {unit}: {share}.")
    else:
        yield from _comment(f"The usual {usual} would leave too little: {share}. Raise it as the log grows.")
    if value == 1 and unit == "users":
        yield from _comment("With 1, what a single user typed can be shown to others: see the guide on privacy.")


def _duplicates(queries: Sequence[Part]) -> Iterator[str]:
    found = {language for part in queries for language in part.languages}
    if found and "en" not in found:
        kinds = [kind for kind in Duplicates().collapse if kind != "plural"]
        yield from ("", "[duplicates]")
        yield from _comment("Without `plural`, whose rules are those of English.")
        yield f"collapse = {_values(kinds)}"


_NEURAL_QUERIES = (
    "{ embedding_size = 512, hidden_size = 512, dropout = 0.4, input_dropout = 0.3, weight_drop = 0.3,"
    " learning_rate = 0.004, max_epochs = 100, max_minutes = 60, measurements = 100, early_stopping = 20 }"
)


def _query_model(queries: Sequence[Part]) -> Iterator[str]:
    if queries:
        yield ""
        yield from _comment("Completes queries. What is not set, such as `vocabulary_size`, fits itself to the data.")
        yield from ("[[language_models]]", 'name = "queries"', 'unit = "subword"', 'sources = ["queries"]')
        yield from _comment(
            "A neural model beside it proposes more queries that nobody has typed yet. It needs about an hour on two"
            " cores, and training says whether it pays."
        )
        yield f"# neural = {_NEURAL_QUERIES}"


def _text_model(texts: Sequence[Part]) -> Iterator[str]:
    if texts:
        unspaced = any(part.unspaced for part in texts)
        yield ""
        yield from _comment(
            "Predicts the next words of a text" + (", in pieces: its script has no spaces." if unspaced else ".")
        )
        yield from ("[[language_models]]", 'name = "text"', f'unit = "{"subword" if unspaced else "word"}"')
        yield 'sources = ["text"]'
        yield "# neural = {}"


def _relative(pattern: str, folder: Path) -> str:
    """A path as the configuration in `folder` names it; an absolute one elsewhere stays."""
    path = Path(pattern)
    if path.is_absolute() and not path.is_relative_to(folder.absolute()):
        return pattern
    return Path(os.path.relpath(path, folder)).as_posix()


def _quoted(text: str) -> str:
    """A basic string of TOML; its escapes are those of JSON, and one for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _values(values: Sequence[str]) -> str:
    return _quoted(values[0]) if len(values) == 1 else f"[{', '.join(map(_quoted, values))}]"


def _comment(text: str) -> list[str]:
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return [f"# {line}" for line in textwrap.wrap(plain, _WIDTH - 2, break_long_words=False, break_on_hyphens=False)]
