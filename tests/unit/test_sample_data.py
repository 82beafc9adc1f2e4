"""The sample is recognised as whole without touching the network, and only if it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from demo import sample_data
from demo.sample_data import SampleData, ensure_sample_data, query_texts
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
    (folder / sample_data._STAMP).write_text(sample_data._stamp(sample))
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


def test_query_texts_keep_colons_and_spaces() -> None:
    assert list(query_texts(["1:new york", "2:re: hello ", "3:"])) == ["new york", "re: hello ", ""]


def test_a_line_that_is_no_topic_is_named() -> None:
    with pytest.raises(InputError, match="line 2"):
        list(query_texts(["1:new york", "<topic>"]))
