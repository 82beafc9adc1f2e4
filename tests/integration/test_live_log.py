"""What users did as a query log: written by a command, and read by training."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from cli.live_log import with_live_logs
from cli.main import app
from lm.bundle.bundle import open_bundle
from lm.errors import ConfigError
from service.live.events.event import Event, EventKind
from service.live.stores.sqlite_store import SqliteStore
from training.config import TrainingConfig, load_config
from training.pipeline import train
from training.progress import SilentReporter

NOW_S = 1_790_000_000.0
QUERIES = [f"{colour} {kind}" for colour in ("red", "blue", "black", "white") for kind in ("lamp", "sofa", "shelf")]
CONFIG = """
name = "shop"
[[query_log]]
live = "live.sqlite"
[screening]
min_count = 1
[publishing]
registry = "registry"
[[language_models]]
name = "queries"
unit = "word"
sources = ["queries"]
ngram = { smoothing = "add_delta", order = 3 }
"""


def submission(query: str, number: int, **fields: object) -> Event:
    values = {"kind": EventKind.SUBMISSION, "model": "shop", "user": f"{number % 40:016x}", **fields}
    return Event(query=query, at_s=NOW_S + 600.0 * number, **values)  # type: ignore[arg-type]


@pytest.fixture
def live(tmp_path: Path) -> Path:
    path = tmp_path / "live.sqlite"
    store = SqliteStore(path)
    events = [
        submission(query, turn * len(QUERIES) + place) for turn in range(40) for place, query in enumerate(QUERIES)
    ]
    store.events.write(events, now_s=NOW_S)
    store.events.write(
        [
            submission("Red Lamp", 1000, kind=EventKind.SELECTION, place=2, session="s", typed_length=3, version="v1"),
            submission("seen", 1001, kind=EventKind.IMPRESSION),
            submission("of films", 1002, model="films", user="", shown=(("a", "history"), ("b", ""))),
        ],
        now_s=NOW_S + 3600,
    )
    store.close()
    return path


def run(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, list(map(str, arguments)))
    assert result.exit_code == code, result.output
    return result.output


def test_events_are_written_as_a_log(live: Path, tmp_path: Path) -> None:
    out = tmp_path / "log.parquet"
    run("live", "events", "--live", live, "--out", out, "--since", "2020-01-01T00:00Z")
    rows = parquet.read_table(out).to_pylist()
    assert len(rows) == 40 * len(QUERIES) + 2
    chosen, other = rows[-2:]
    assert (chosen["query"], chosen["place"], chosen["session"], chosen["version"]) == ("Red Lamp", 2, "s", "v1")
    assert chosen["time"].timestamp() == NOW_S + 600_000
    assert (other["user"], other["place"], other["model"]) == (None, None, "films")
    assert other["shown"] == [{"text": "a", "source": "history"}, {"text": "b", "source": ""}]
    run("live", "events", "--live", live, "--out", out, "--model", "films", "--since", "2020-01-01T00:00Z")
    assert [row["query"] for row in parquet.read_table(out).to_pylist()] == ["of films"]
    assert sorted(path.name for path in tmp_path.iterdir() if "parquet" in path.name) == ["log.parquet"]


def test_a_file_that_cannot_be_written_is_named(live: Path, tmp_path: Path) -> None:
    shown = run("live", "events", "--live", live, "--out", tmp_path / "none" / "log.parquet", code=1)
    assert "log.parquet: cannot be written" in shown.replace("\n", "")


def test_training_reads_events(live: Path, tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text(CONFIG, encoding="utf-8")
    config = with_live_logs(load_config(tmp_path / "shop.toml"), tmp_path)
    bundle = open_bundle(train(config, base=tmp_path, reporter=SilentReporter()).path)
    assert bundle.queries is not None
    assert {text for text, _ in bundle.queries.completions("", 100)[0]} == set(QUERIES)
    assert bundle.queries.recency_at(bundle.queries.positions(QUERIES)) is not None
    live.rename(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="no live state"):
        with_live_logs(load_config(tmp_path / "shop.toml"), tmp_path)


@pytest.mark.parametrize("log", [{}, {"path": "a.txt", "live": "live.sqlite"}])
def test_a_log_is_a_file_or_a_live_state(tmp_path: Path, log: dict[str, str]) -> None:
    lines = "\n".join(f'{name} = "{value}"' for name, value in log.items())
    (tmp_path / "shop.toml").write_text(CONFIG.replace('live = "live.sqlite"', lines), encoding="utf-8")
    with pytest.raises(ConfigError, match="either this or live"):
        load_config(tmp_path / "shop.toml")


def test_other_logs_stay_as_they_are(tmp_path: Path) -> None:
    document = {
        "name": "shop",
        "query_log": [{"path": "a.txt"}],
        "language_models": [{"name": "queries", "unit": "word", "sources": ["queries"]}],
    }
    config = TrainingConfig.model_validate(document)
    assert with_live_logs(config, tmp_path) == config
