"""The files that training reads: found, decompressed and cut into lines. Every fault is named with its place."""

from __future__ import annotations

import codecs
import glob
import gzip
import io
import lzma
import shutil
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, TypeVar, cast

from lm.errors import InputError
from training.config import CatalogueSource, TextSource
from training.config_log import QueryLogSource
from training.progress import Reporter, Task

COMPRESSIONS = (".gz", ".xz", ".zst")
MAX_LINE_BYTES = 10_000_000
_LINES_PER_REPORT = 4096
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


Source = TextSource | QueryLogSource | CatalogueSource
_Source = TypeVar("_Source", TextSource, QueryLogSource, CatalogueSource)

Progress = Callable[[int], None]
"""Told from time to time at which byte of a file, as it lies on disk, reading stands."""

Report = Callable[[str, InputError], None]
"""Told of a row or line that cannot be used: its kind, such as `bad_time`, and the error that names its place."""


def stop_at(_kind: str, error: InputError) -> None:
    """Ends the run.

    Raises:
        InputError: always.
    """
    raise error


@dataclass(eq=False)
class RowError(Exception):
    """What is wrong with a row or line, under which kind it is counted, and what to do; `byte` is of the file."""

    kind: str
    problem: str
    remedy: str
    byte: int | None = None

    def at(self, path: Path, line: int) -> InputError:
        """The error that names the place."""
        return InputError(path, self.problem, line=line, byte=self.byte, remedy=self.remedy)


class BadRows:
    """What happens to rows of a log that cannot be used: the first ends the run, or all are dropped and counted.

    Attributes:
        counts: how many were dropped, by kind.
    """

    def __init__(self, *, stop: bool = True) -> None:
        self._stop = stop
        self.counts: Counter[str] = Counter()

    def report(self, kind: str, error: InputError) -> None:
        """Notes a bad row; see `Report`.

        Raises:
            InputError: the run stops at bad rows.
        """
        if self._stop:
            error.remedy = f'{error.remedy} `on_bad_row = "drop"` counts such rows and goes on.'.strip()
            raise error
        self.counts[kind] += 1


class Meter:
    """Shows how many bytes of several files are read."""

    def __init__(self, task: Task, files: Collection[Path]) -> None:
        self._task = task
        self._total = sum(path.stat().st_size for path in files)
        self._before = 0

    def at(self, position: int) -> None:
        """The file being read is at this byte."""
        self._task.update(self._before + position, total=self._total)

    def finish(self, path: Path) -> None:
        """This file is done."""
        self._before += path.stat().st_size
        self.at(0)


def find_files(pattern: str, base: Path) -> list[Path]:
    """Files that a path or glob pattern names, in the order of their names.

    Raises:
        InputError: there is none, or it is a folder.
    """
    named = base / pattern
    if named.is_dir():
        raise InputError(named, "is a folder.", remedy="Name the files in it, such as `FOLDER/*.txt`.")
    if named.exists():
        return [named]
    if not glob.has_magic(pattern):
        raise InputError(named, "no such file.", remedy="A path is relative to the configuration file.")
    found = glob.glob(pattern, root_dir=base, recursive=True)  # noqa: PTH207 -- Path.glob takes no absolute one
    files = sorted(base / name for name in found if (base / name).is_file())
    if not files:
        raise InputError(named, "the pattern matches no file.", remedy="A path is relative to the configuration file.")
    return files


def source_files(sources: Sequence[_Source], base: Path, kinds: Collection[str]) -> list[tuple[_Source, Path]]:
    """All files of some sources in the order in which they are read.

    Raises:
        InputError: a source has no file, or the ending of one is none of `kinds`.
    """
    files = [(source, path) for source in sources for path in find_files(source.path, base)]
    for _, path in files:
        kind_of(path, kinds)
    return files


def leave_out_empty(files: Sequence[tuple[_Source, Path]], reporter: Reporter) -> list[tuple[_Source, Path]]:
    """The files that hold anything. A warning names the others: the export of a quiet day is often empty.

    Raises:
        InputError: all are empty, or one cannot be read.
    """
    empty = {path for _, path in files if _is_empty(path)}
    filled = [(source, path) for source, path in files if path not in empty]
    if files and not filled:
        others = f", and so are the other {len(empty) - 1} files" if len(empty) > 1 else ""
        raise InputError(files[0][1], f"is empty{others}.", remedy="Give a file that holds text, or leave it out.")
    for path in sorted(empty):
        reporter.say(f"Warning: {path} is empty. It is left out.")
    return filled


def _is_empty(path: Path) -> bool:
    """Whether a file, decompressed, holds no more than a byte order mark and white space."""
    if not path.is_file():  # a pipe can be read only once
        return False
    if not path.stat().st_size:
        return True
    with open_bytes(path) as (stream, _):
        while block := stream.read(1 << 16):
            if block.removeprefix(codecs.BOM_UTF8).strip():
                return False
    return True


def kind_of(path: Path, kinds: Collection[str]) -> str:
    """The ending that says how a file is read, compression aside.

    Raises:
        InputError: it is none of `kinds`.
    """
    plain = path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path
    kind = plain.suffix.lower()
    if kind not in kinds:
        raise InputError(
            path,
            "the ending does not say what the file holds.",
            remedy=f"Name it {', '.join(kinds)}, also with {', '.join(COMPRESSIONS)} behind.",
        )
    return kind


def _decompressed(path: Path, raw: BinaryIO) -> IO[bytes]:
    match path.suffix.lower():
        case ".gz":
            return cast(IO[bytes], gzip.GzipFile(fileobj=raw))
        case ".xz":
            return lzma.LZMAFile(raw)
        case ".zst":
            import pyarrow

            return io.BufferedReader(pyarrow.CompressedInputStream(raw, "zstd"), 1 << 17)
        case _:
            return raw


@contextmanager
def open_bytes(path: Path) -> Iterator[tuple[IO[bytes], Callable[[], int]]]:
    """Opens a file and decompresses it. The second value says how many bytes of the file on disk are read.

    Raises:
        InputError: it cannot be read, is empty, cut off or damaged; also while the caller reads.
    """
    try:
        with path.open("rb") as raw:
            if not raw.peek(1):
                raise InputError(path, "is empty.", remedy="Give a file that holds text, or leave it out.")
            with _decompressed(path, raw) as stream:
                yield stream, raw.tell
    except EOFError:
        raise _damaged(path, "is cut off") from None
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise _damaged(path, f"is damaged, or of another kind than its ending says ({error})") from None
    except OSError as error:
        if error.errno is None and error.filename is None:  # of Arrow
            cut = "Truncated" in str(error)
            problem = "is cut off" if cut else f"is damaged, or of another kind than its ending says ({error})"
            raise _damaged(path, problem) from None
        if error.filename is None or Path(error.filename) != path:
            raise
        raise InputError(path, f"cannot be read: {error.strerror}.") from None


@contextmanager
def plain_file(path: Path) -> Iterator[tuple[Path, Path]]:
    """A file without compression or byte order mark, for a library to open, and a folder for what that puts on disk.

    Raises:
        InputError: as `open_bytes`.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain = path
        with open_bytes(path) as (stream, _):
            start = stream.read(len(codecs.BOM_UTF8))
            if path.suffix.lower() in COMPRESSIONS or start == codecs.BOM_UTF8:
                plain = Path(folder) / "plain"
                with plain.open("wb") as copy:
                    copy.write(start.removeprefix(codecs.BOM_UTF8))
                    shutil.copyfileobj(stream, copy, 1 << 20)
        yield plain, Path(folder)


def _damaged(path: Path, problem: str) -> InputError:
    return InputError(path, f"the archive {problem}.", remedy="Copy or download the file again.")


def read_lines(
    path: Path,
    *,
    max_lines: int | None = None,
    max_bytes: int | None = None,
    on_fault: Report = stop_at,
    progress: Progress | None = None,
) -> Iterator[tuple[int, str]]:
    r"""Lines of a UTF-8 file with their numbers from 1, without `\n` or `\r\n`; byte order marks are skipped.

    Args:
        max_bytes: of a line, by default 10 MB; more is a fault.
        on_fault: told of a line that is a fault; unless it raises, the line is left out.

    Raises:
        InputError: as `open_bytes`; or a line is not UTF-8 or too long, and `on_fault` raises.
    """
    limit = MAX_LINE_BYTES if max_bytes is None else max_bytes
    with open_bytes(path) as (stream, position):
        offset = 0
        number = 0
        while max_lines is None or number < max_lines:
            line = stream.readline(limit + 1)
            if not line:
                break
            number += 1
            try:
                text = _decode(line, number, offset, limit)
            except RowError as fault:
                on_fault(fault.kind, fault.at(path, number))
                offset += _skip_rest(stream, line)
            else:
                yield number, text
            offset += len(line)
            if progress and number % _LINES_PER_REPORT == 0:
                progress(position())
    if not number:
        raise InputError(path, "is empty.", remedy="Give a file that holds text, or leave it out.")


def _decode(line: bytes, number: int, offset: int, max_bytes: int) -> str:
    if len(line) > max_bytes:
        limit = f"{max_bytes // 1_000_000} MB" if max_bytes >= 1_000_000 else f"{max_bytes:,} bytes"
        raise RowError("line_too_long", f"the line is longer than {limit}.", "Is it text? Break it into lines.")
    # where files were joined, marks stand inside too
    skipped = len(codecs.BOM_UTF8) if line.startswith(codecs.BOM_UTF8) else 0
    try:
        return line[skipped:].decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        old = "UTF-16" if number == 1 and line.startswith(_UTF16) else "OLD"
        remedy = f"Save it as UTF-8, such as with `iconv -f {old} -t UTF-8`."
        raise RowError("not_utf8", "not UTF-8.", remedy, byte=offset + skipped + error.start) from None


def _skip_rest(stream: IO[bytes], line: bytes) -> int:
    """Reads the rest of a line that was cut; returns how many bytes that is."""
    skipped = 0
    while line and not line.endswith(b"\n"):
        line = stream.readline(1 << 16)
        skipped += len(line)
    return skipped
