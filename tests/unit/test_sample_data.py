"""The sample is recognised as whole without touching the network, and only if it is."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from demo import sample_data as module
from demo.sample_data import QUERY_FILES, SampleData, ensure_sample_data, query_texts
from lm.errors import InputError, UnavailableError
from training.progress import SilentReporter


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index at a port where nobody listens, and none of the user's own."""
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")


def _put_sample(folder: Path) -> SampleData:
    sample = SampleData(speeches=folder / "speeches", queries=folder / "queries.txt")
    sample.speeches.mkdir()
    (sample.speeches / "one.txt").write_text("My fellow citizens\n")
    sample.queries.write_text("new york\n")
    (folder / module._STAMP).write_text(module._stamp(sample))
    return sample


@pytest.mark.usefixtures("no_network")
def test_a_whole_sample_is_taken_as_it_is(tmp_path: Path) -> None:
    sample = _put_sample(tmp_path)

    assert ensure_sample_data(tmp_path, SilentReporter()) == sample


@pytest.mark.usefixtures("no_network")
def test_a_sample_that_was_cut_is_fetched_again_and_says_what_that_needs(tmp_path: Path) -> None:
    sample = _put_sample(tmp_path)
    sample.queries.write_text("new\n")

    with pytest.raises(UnavailableError, match=r"cannot be reached.*network"):
        ensure_sample_data(tmp_path, SilentReporter())

    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "queries.txt", "speeches"]


NUMBERED, QUESTIONS = QUERY_FILES[1], QUERY_FILES[3]


def test_query_texts_keep_colons_spaces_and_accents() -> None:
    lines = [b"1:new york\n", b"2:re: hello \r\n", b"3:pi\xf1ata\n", b"4:\n", b"no more"]

    assert query_texts(lines, replace(NUMBERED, count=4)) == ["new york", "re: hello ", "piñata", ""]


def test_a_question_comes_without_its_answer() -> None:
    line = "when does el señor start\t['May 8']\n".encode()

    assert query_texts([line], replace(QUESTIONS, count=1)) == ["when does el señor start"]


def test_a_line_that_is_no_topic_is_named() -> None:
    with pytest.raises(InputError, match="line 2"):
        query_texts([b"1:new york", b"<topic>"], NUMBERED)


def test_a_file_that_is_too_short_is_refused() -> None:
    with pytest.raises(InputError, match="1 queries in it, not 10000"):
        query_texts([b"1:new york"], NUMBERED)


def test_the_sample_says_where_it_comes_from(sample_data: SampleData) -> None:
    sources = (sample_data.queries.parent / "SOURCES.txt").read_text()
    with sample_data.queries.open() as queries:
        assert sum(1 for _ in queries) == 64_757

    assert all(f"{topics.count:,} lines of {topics.file}:\n{topics.origin}" in sources for topics in QUERY_FILES)
