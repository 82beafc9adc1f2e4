import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from pyarrow.parquet import write_table

from lm.errors import InputError
from training.config_log import QueryLogSource
from training.data import sources
from training.data.sources import find_files, kind_of, leave_out_empty, read_lines, source_files
from training.data.tables import read_parquet
from training.progress import SilentReporter

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": lambda plain: bytes(pyarrow.compress(plain, codec="zstd", asbytes=True)),
}


@pytest.mark.parametrize("ending", PACKERS)
def test_lines_come_with_their_numbers_whatever_the_packing(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(PACKERS[ending]("\ufeffone\r\n\n\ufeffzwei \u2028 ü".encode()))
    assert list(read_lines(path)) == [(1, "one"), (2, ""), (3, "zwei \u2028 ü")]
    assert list(read_lines(path, max_lines=1)) == [(1, "one")]


@pytest.mark.parametrize("ending", PACKERS)
def test_long_packed_files_and_several_frames(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.txt{ending}"
    halves = [b"".join(b"%d\n" % number for number in range(start, start + 50_000)) for start in (0, 50_000)]
    path.write_bytes(b"".join(map(PACKERS[ending], halves)))
    positions: list[int] = []
    assert [int(line) for _, line in read_lines(path, progress=positions.append)] == list(range(100_000))
    assert positions == sorted(positions)
    assert positions[-1] <= path.stat().st_size


@pytest.mark.parametrize("ending", PACKERS)
def test_a_file_that_is_not_whole(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.txt{ending}"
    packed = PACKERS[ending](b"".join(b"line %d\n" % (number * 7919) for number in range(10_000)))
    bad = {"is empty": PACKERS[ending](b"")}
    if ending:
        bad |= {r"cut off\. Copy or download": packed[:-20], "damaged, or of another kind": b"just text\n" * 10}
    for problem, content in bad.items():
        path.write_bytes(content)
        with pytest.raises(InputError, match=problem):
            list(read_lines(path))


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffgut\nschön\n".encode() + "schön".encode("latin-1"))
    with pytest.raises(InputError, match=r"a\.txt, line 3, byte 17: not UTF-8") as caught:
        list(read_lines(path))
    assert (caught.value.line, caught.value.byte) == (3, 17)
    assert path.read_bytes()[17] == 0xF6


def test_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_LINE_BYTES", 1000)
    path = tmp_path / "a.txt"
    path.write_bytes(b"a" * 999 + b"\n" + b"b" * 1001)
    with pytest.raises(InputError, match="line 2: the line is longer") as caught:
        list(read_lines(path))
    assert caught.value.remedy


def test_patterns_are_sorted_and_relative_to_the_base(tmp_path: Path) -> None:
    folder = tmp_path / "with [brackets]"
    folder.mkdir()
    for name in ("b.txt", "a.txt", "c.jsonl"):
        (folder / name).write_text("x")
    (folder / "folder.txt").mkdir()
    assert [path.name for path in find_files("*.txt", folder)] == ["a.txt", "b.txt"]
    assert find_files(str(folder / "a.txt"), Path("/")) == [folder / "a.txt"]
    assert find_files("with [brackets]/a.txt", tmp_path) == [folder / "a.txt"]


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("none.txt", "no such file"),
        ("*.parquet", "matches no file"),
        ("", "is a folder"),
        (".", "is a folder"),
    ],
)
def test_nothing_to_read(tmp_path: Path, pattern: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        find_files(pattern, tmp_path)
    assert caught.value.remedy


def test_the_ending_says_what_a_file_holds() -> None:
    assert kind_of(Path("A.TXT.GZ"), (".txt",)) == ".txt"
    assert kind_of(Path("b.v2.csv"), (".txt", ".csv")) == ".csv"
    for name in ("a.doc", "a.gz", "a", "a.txt.zip"):
        with pytest.raises(InputError, match=r"ending .* Name it \.txt, \.csv"):
            kind_of(Path(name), (".txt", ".csv"))


@pytest.mark.parametrize("ending", PACKERS)
def test_parquet_files(tmp_path: Path, ending: str) -> None:
    plain = tmp_path / "plain"
    write_table(pyarrow.table({"text": ["one"]}), plain)
    path = tmp_path / f"a.parquet{ending}"
    path.write_bytes(PACKERS[ending](plain.read_bytes()))
    assert list(read_parquet(path, ["text"])) == [["one"]]
    with pytest.raises(InputError, match="no column `body`; those there are: `text`"):
        list(read_parquet(path, ["body"]))


@pytest.mark.parametrize("keep", [200, 8])
def test_a_damaged_parquet_file(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.parquet"
    write_table(pyarrow.table({"text": ["one"] * 100}), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="no Parquet file, or a damaged one"):
        list(read_parquet(path, ["text"]))


class _Listener(SilentReporter):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def test_an_empty_file_in_a_pattern_is_left_out_with_a_warning(tmp_path: Path) -> None:
    contents = {"a.txt": b"one\n", "b.txt": b"", "c.txt": b"\xef\xbb\xbf\n", "d.txt.gz": gzip.compress(b" \r\n")}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    listener = _Listener()
    files = source_files([QueryLogSource(path="*.txt*")], tmp_path, (".txt",))
    assert [path.name for _, path in leave_out_empty(files, listener)] == ["a.txt"]
    assert listener.said == [f"Warning: {tmp_path / name} is empty. It is left out." for name in list(contents)[1:]]
    with pytest.raises(InputError, match=r"b\.txt: is empty, and so are the other 2 files\. Give a file"):
        leave_out_empty(files[1:], listener)
    with pytest.raises(InputError, match=r"b\.txt: is empty\. Give a file"):
        leave_out_empty(files[1:2], listener)


def test_utf16_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("query,n\none,1\n".encode("utf-16"))
    with pytest.raises(InputError, match=r"line 1, byte 0: not UTF-8.*iconv -f UTF-16 -t UTF-8"):
        list(read_lines(tmp_path / "a.csv"))
