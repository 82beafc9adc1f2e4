"""Query logs that have a name: language models of their own, and what is held out of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lm.errors import ConfigError
from tests.data_config import KEEP_ALL, count_log
from tests.unit.test_query_log import OUTPUTS
from training.config import HeldOut, Screening
from training.config_log import QueryLogSource
from training.data.query_log import QueryCounts

NAMED = [
    QueryLogSource(path="old.txt"),
    QueryLogSource(path="new.txt", name="recent"),
    QueryLogSource(path="newer.txt", name="recent"),
]


def write_named(folder: Path, held_out: HeldOut) -> tuple[Path, QueryCounts]:
    (folder / "old.txt").write_text("old shoes\n" * 50 + "both\n" * 30 + "rare here\n")
    (folder / "new.txt").write_text("new shoes\n" * 40 + "both\n" * 20 + "rare here\n")
    (folder / "newer.txt").write_text("newer hats\n" * 10)
    out = folder / "out"
    return out, count_log(folder, out, *NAMED, screening=Screening(min_count=3), held_out=held_out)


def test_the_logs_of_a_name_are_learnt_by_themselves(tmp_path: Path) -> None:
    out, _ = write_named(tmp_path, HeldOut(max_queries=10))
    assert {path.name for path in out.iterdir()} == OUTPUTS | {"train_lm.recent.txt"}
    held = [line for name in ("validation", "test") for line in (out / f"{name}.txt").read_text().splitlines()]
    everything = (out / "train_lm.txt").read_text().splitlines()
    recent = (out / "train_lm.recent.txt").read_text().splitlines()
    assert set(recent) == {"new shoes", "both", "newer hats"}
    assert everything.count("old shoes") == 48 - held.count("old shoes")  # from the third on
    for query in ("new shoes", "newer hats"):
        assert recent.count(query) == everything.count(query)
    assert 18 - held.count("both") <= recent.count("both") <= 18


def test_a_named_log_that_holds_nothing_to_hold_out_is_named(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old shoes\n" * 50)
    (tmp_path / "new.txt").write_text("a\n" * 9 + "new shoes\n" * 2)
    sources = [QueryLogSource(path="old.txt"), QueryLogSource(path="new.txt", name="recent")]
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match=r"held_out\.query_log: the logs named 'recent' have 2 submissions"):
        count_log(tmp_path, out, *sources, screening=KEEP_ALL, held_out=HeldOut(query_log="recent"))
    assert not any(out.iterdir())


def test_queries_may_be_held_out_of_the_logs_of_a_name_alone(tmp_path: Path) -> None:
    out, counts = write_named(
        tmp_path, HeldOut(validation_fraction=0.2, test_fraction=0.1, max_queries=100, query_log="recent")
    )
    assert (counts.validation, counts.test) == (14, 7)  # of 71 submissions
    held = [line for name in ("validation", "test") for line in (out / f"{name}.txt").read_text().splitlines()]
    everything = (out / "train_lm.txt").read_text().splitlines()
    assert "old shoes" not in held
    assert everything.count("old shoes") == 48
    assert everything.count("both") == 48 - held.count("both")
    assert (out / "train_lm.recent.txt").read_text().splitlines().count("both") == 18 - held.count("both")


def test_an_empty_file_leaves_its_name_without_lines(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old shoes\n" * 50)
    (tmp_path / "new.txt").write_text("")
    sources = [QueryLogSource(path="old.txt"), QueryLogSource(path="new.txt", name="recent")]
    counts = count_log(tmp_path, tmp_path / "out", *sources)
    assert counts.files == 1
    assert (tmp_path / "out" / "train_lm.recent.txt").read_text() == ""
