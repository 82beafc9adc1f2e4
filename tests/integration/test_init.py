"""From a file that nobody has described to a bundle that completes what is in it."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from pyarrow.parquet import write_table
from typer.testing import CliRunner

from cli.main import app

_COLOURS = ["red", "blue", "green", "black", "white", "yellow", "purple", "orange"]
_THINGS = ["shoes", "lamp", "garden hose", "office chair", "desk", "rain jacket", "wool socks", "tea pot"]
_QUERIES = [f"{colour} {thing}" for colour, thing in itertools.product(_COLOURS, _THINGS)]
_WANTED = _QUERIES.index("purple garden hose")
_COUNTS = [500 if number == _WANTED else 5 + number % 9 for number in range(len(_QUERIES))]
_ROWS = [*zip(_QUERIES, _COUNTS, strict=True), *((_QUERIES[_WANTED], 450 + day) for day in range(5))]
_SENTENCES = [f"The {query} stands in the corner of the room. Nobody has used it for years." for query in _QUERIES]


def _write_tsv(path: Path) -> None:
    path.write_text("query\tcount\n" + "".join(f"{query}\t{n}\n" for query, n in _ROWS))


def _write_csv(path: Path) -> None:
    rows = "".join(f"{query};{n:,};{n * 9};3,5 %;7,1\n" for query, n in _ROWS)
    path.write_text("Häufigste Suchanfragen;Klicks;Impressionen;Klickrate;Position\n" + rows.replace(",", "."))


def _write_parquet(path: Path) -> None:
    columns = {
        "search_term": pyarrow.array([query for query, _ in _ROWS]).dictionary_encode(),
        "freq": [float(n) for _, n in _ROWS],
    }
    write_table(pyarrow.table(columns), path)


def _write_lines(path: Path) -> None:
    lines = itertools.chain.from_iterable([query] * n for query, n in zip(_QUERIES, _COUNTS, strict=True))
    path.write_bytes(gzip.compress("\n".join(lines).encode()))


def _write_log(path: Path) -> None:
    """A log with times, users and sessions; every query has five users."""
    rows = [
        f"2024-01-{day:02} 10:00:00 UTC\tu{number * 7 % 40 + day}\ts{number}-{day}\t{query}\n"
        for number, query in enumerate(_QUERIES)
        for day in range(1, 28 if number == _WANTED else 6)
    ]
    path.write_text("time\tuser\tsession\tquery\n" + "".join(rows))


def _write_ubi(path: Path) -> None:
    lines = []
    for number, (query, n) in enumerate(zip(_QUERIES, _COUNTS, strict=True)):
        for user in range(min(n, 30)):
            time_ms = 1_733_875_200_000 + 3_600_000 * number + user
            row = {"user_query": query, "client_id": f"c{user}", "query_id": f"{number}-{user}", "timestamp": time_ms}
            lines += [{"index": {"_index": "ubi_queries"}}, row]
            lines += [{"index": {"_index": "ubi_events"}}, row | {"action_name": "impression", "user_query": "seen"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _write_answer(path: Path) -> None:
    found = [{"search": query, "count": n, "nbHits": 3} for query, n in _ROWS]
    path.write_text(json.dumps({"searches": found}, indent=2))


def _write_products(path: Path) -> None:
    rows = [
        {"id": number, "title": query.title(), "sold": n, "price": 9.5}
        for number, (query, n) in enumerate(zip(_QUERIES, _COUNTS, strict=True))
    ]
    path.write_text(json.dumps(rows))


def _write_titles(path: Path) -> None:
    path.write_text("\n".join([_QUERIES[_WANTED].title(), *(query.title() for query in _QUERIES)]))


def _write_text(path: Path) -> None:
    path.write_text("\n".join(_SENTENCES * 3))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("queries.tsv", _write_tsv),
        ("Suchanfragen.csv", _write_csv),
        ("queries.parquet", _write_parquet),
        ("queries.txt.gz", _write_lines),
        ("log.tsv", _write_log),
        ("ubi.ndjson", _write_ubi),
        ("algolia.json", _write_answer),
        ("products.json", _write_products),
        ("titles.txt", _write_titles),
    ],
)
def test_a_file_becomes_a_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, write: Callable[[Path], None]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path(name))
    looked = CliRunner().invoke(app, ["init", name])
    assert looked.exit_code == 0, looked.output
    commands = [line.split() for line in looked.stdout.splitlines() if line.startswith("  autocomplete ")]
    train, complete = ([*command[1:]] for command in commands)
    trained = CliRunner().invoke(app, train)
    assert trained.exit_code == 0, trained.output
    # the example that is printed finds the most frequent query
    found = CliRunner().invoke(app, [*complete, "--json"])
    payloads = {one["text"]: one["payload"] for one in json.loads(found.stdout)["suggestions"]}
    wanted = "Purple Garden Hose" if name in {"products.json", "titles.txt"} else "purple garden hose"
    assert payloads[wanted] == (str(_WANTED) if name == "products.json" else "")


def test_a_log_titles_and_a_text_together(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    _write_tsv(tmp_path / "data" / "queries.tsv")
    _write_products(tmp_path / "data" / "products.json")
    _write_text(tmp_path / "data" / "about.txt")
    files = [str(tmp_path / "data" / name) for name in ("queries.tsv", "products.json", "about.txt")]
    out = tmp_path / "shop.toml"
    looked = CliRunner().invoke(app, ["init", *files, "--out", str(out)])
    assert looked.exit_code == 0, looked.output
    again = CliRunner().invoke(app, ["init", *files, "--out", str(out)])
    assert again.exit_code == 1
    assert "shop.toml: is there already." in again.output
    assert CliRunner().invoke(app, ["init", *files, "--out", str(out), "--force"]).exit_code == 0
    trained = CliRunner().invoke(app, ["train", str(out)])
    assert trained.exit_code == 0, trained.output
    bundle = str(tmp_path / "var" / "registry" / "shop")
    words = CliRunner().invoke(app, ["complete", "in the corner of the ", "--words", "--bundle", bundle, "--json"])
    assert json.loads(words.stdout)["suggestions"][0]["text"] == "room"
