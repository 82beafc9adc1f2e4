"""What a file is, what its columns are for, and what is written about it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pyarrow
import pytest
from pyarrow.parquet import write_table

from lm.errors import InputError
from training.config import load_config
from training.starter.parts import Part, find_parts
from training.starter.samples import MAX_ROWS
from training.starter.toml import check_free, write_configuration

_QUERIES = ["red shoes", "lamp", "garden hose", "office chair", "desk", "usb c cable", "rain jacket", "wool socks"]
_TITLES = ["Red Shoes", "Desk Lamp", "Garden Hose 20 m", "Office Chair", "Tea Pot", "USB-C Cable", "Rain Jacket"]
_SENTENCES = [
    "The dam was built in 1931. It has held since then, as everybody in the valley will tell you.",
    "Nobody came. We waited for an hour and then went home, although it had stopped raining.",
    "In the spring the river rises, and the lower fields are under water for some weeks.",
]


def table(columns: Mapping[str, Sequence[object]], mark: str = "\t") -> str:
    rows = [columns.keys(), *zip(*columns.values(), strict=True)]
    return "".join(mark.join(map(str, row)) + "\n" for row in rows)


def look(folder: Path, name: str, text: str) -> dict[str, Any]:
    """The section that a configuration has for a file, by its kind."""
    (folder / name).write_text(text, encoding="utf-8")
    write_configuration(folder / "new.toml", find_parts([folder / name]))
    load_config(folder / "new.toml")
    document = tomllib.loads((folder / "new.toml").read_text(encoding="utf-8"))
    (kind,) = {"query_log", "catalogue", "text"} & document.keys()
    (section,) = document[kind]
    assert section.pop("path") == name
    return {kind: section, **document.get("screening", {})}


def part_of(folder: Path, name: str, text: str) -> Part:
    (folder / name).write_text(text, encoding="utf-8")
    (part,) = find_parts([folder / name])
    return part


@pytest.mark.parametrize(
    ("columns", "section"),
    [
        ({"query": _QUERIES, "count": range(8, 16)}, {"query_column": "query", "count_column": "count"}),
        (
            {"Search Term": _QUERIES, "Total Searches": range(8, 16)},
            {"query_column": "Search Term", "count_column": "Total Searches"},
        ),
        ({"id": range(8), "keyword": _QUERIES, "nbHits": range(8)}, {"query_column": "keyword"}),
        ({"what": _QUERIES, "often": range(8, 0, -1)}, {"query_column": "what", "count_column": "often"}),
        ({"text": _QUERIES * 3, "who": range(24)}, {"query_column": "text"}),
        (
            {
                "AnonID": [1, 2, 3, 1] * 2,
                "Query": _QUERIES,
                "QueryTime": [f"2006-03-0{n} 07:17:12" for n in range(1, 9)],
            },
            {"query_column": "Query", "time_column": "QueryTime", "user_column": "AnonID"},
        ),
        (
            {"created": range(1_700_000_000, 1_700_000_008), "sessionId": range(8), "name": _QUERIES[:4] * 2},
            {"query_column": "name", "time_column": "created", "session_column": "sessionId"},
        ),
        (
            {"seen": [f"2024-01-0{n}T10:00:00Z" for n in range(1, 9)], "hashed_user_id": "aabbccdd", "q": _QUERIES},
            {"query_column": "q", "time_column": "seen", "user_column": "hashed_user_id"},
        ),
        # one user, or hardly any query
        (
            {"query": _QUERIES * 5, "user": ["-"] * 40, "session": range(40)},
            {"query_column": "query", "session_column": "session"},
        ),
        ({"query": [*_QUERIES, *[""] * 92], "url": ["/search?q=1"] * 100}, {"query_column": "query"}),
        # a column that does not hold what its name says, or in too few rows
        ({"query": _QUERIES, "count": "abcdefgh", "time": ["2024-01-01", *[""] * 7]}, {"query_column": "query"}),
        ({"query": range(8), "search": _QUERIES}, {"query_column": "search"}),
    ],
)
def test_columns_of_logs(tmp_path: Path, columns: dict[str, Sequence[object]], section: dict[str, str]) -> None:
    assert look(tmp_path, "log.tsv", table(columns))["query_log"] == section


@pytest.mark.parametrize(
    ("columns", "section"),
    [
        ({"title": _TITLES}, {"text_column": "title"}),
        (
            {"name": _TITLES, "sku": range(7), "sales": range(7)},
            {"text_column": "name", "weight_column": "sales", "payload_column": "sku"},
        ),
        (
            {"Produkt": _TITLES, "url": [f"/p/{n}" for n in range(7)]},
            {"text_column": "Produkt", "payload_column": "url"},
        ),
        ({"thing": _TITLES, "price": [f"{n}.99" for n in range(7)]}, {"text_column": "thing"}),
        ({"text": _TITLES, "weight": [*"123456", "many"]}, {"text_column": "text"}),
        ({"text": _TITLES, "views": ["0"] * 7}, {"text_column": "text"}),
        ({"words": _TITLES}, {"text_column": "words"}),
    ],
)
def test_columns_of_catalogues(tmp_path: Path, columns: dict[str, Sequence[object]], section: dict[str, str]) -> None:
    assert look(tmp_path, "items.csv", table(columns, ","))["catalogue"] == section


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.txt", "\n".join(_QUERIES * 3), {"query_log": {}, "min_count": 2}),
        ("a.txt", "\n".join(_QUERIES), {"query_log": {}, "min_count": 1}),
        ("a.txt", "\n".join(_TITLES), {"catalogue": {}}),
        ("a.txt", "\n".join(_SENTENCES), {"text": {}}),
        ("a.txt", "今天天气很好,我们去公园散步吧。\n" * 3 + "他昨天买了一本关于历史的书,正在家里看。\n", {"text": {}}),
        (
            "a.jsonl",
            "".join(json.dumps({"id": 1, "body": one}) + "\n" for one in _SENTENCES),
            {"text": {"column": "body"}},
        ),
        (
            "a.csv",
            table({"no": range(3), "review": [f'"{one}"' for one in _SENTENCES]}, ","),
            {"text": {"column": "review"}},
        ),
    ],
)
def test_lines_and_texts(tmp_path: Path, name: str, text: str, expected: dict[str, Any]) -> None:
    assert look(tmp_path, name, text) == expected


_HITS = [
    {"_index": "ubi_queries", "_source": {"user_query": one, "client_id": f"c{n}", "timestamp": 1733875200000 + n}}
    for n, one in enumerate(_QUERIES)
]
_UBI = {
    "query_column": "user_query",
    "time_column": "timestamp",
    "user_column": "client_id",
    "where": {"_index": "ubi_queries"},
}
_EVENT = {"action_name": "click", "user_query": "lamp", "client_id": "c1", "timestamp": "2024-12-11T00:00:00Z"}


def inside(prefix: str, section: dict[str, Any]) -> dict[str, Any]:
    """A section for fields that lie deeper; `_index` stands beside `_source`."""
    fields = {key: f"{prefix}{value}" for key, value in section.items() if key != "where"}
    return fields | {"where": {prefix.removesuffix("_source.") + "_index": "ubi_queries"}}


@pytest.mark.parametrize(
    ("name", "text", "section"),
    [
        (
            "bulk.ndjson",
            "".join(
                json.dumps({"index": {"_index": hit["_index"]}}) + "\n" + json.dumps(hit["_source"]) + "\n"
                for hit in [*_HITS, {"_index": "ubi_events", "_source": _EVENT}]
            ),
            _UBI,
        ),
        ("dump.json", "".join(json.dumps(hit) + "\n" for hit in _HITS), inside("_source.", _UBI)),
        ("scroll.json", json.dumps({"took": 3, "hits": {"hits": _HITS}}, indent=2), inside("hits.hits._source.", _UBI)),
        (
            "pages.ndjson",
            "".join(json.dumps({"_scroll_id": "x", "hits": {"hits": [hit]}}) + "\n" for hit in _HITS),
            inside("hits.hits._source.", _UBI),
        ),
        (
            "queries.json",
            json.dumps([hit["_source"] for hit in _HITS]),
            {key: value for key, value in _UBI.items() if key != "where"},
        ),
        (
            "algolia.json",
            json.dumps({"searches": [{"search": one, "count": 9 - n, "nbHits": n} for n, one in enumerate(_QUERIES)]}),
            {"query_column": "searches.search", "count_column": "searches.count"},
        ),
        (
            "algolia.csv",
            table({"search": _QUERIES, "count": range(8), "nbHits": range(8)}, ","),
            {"query_column": "search", "count_column": "count"},
        ),
        (
            "typesense.jsonl",
            "".join(json.dumps({"id": str(n), "q": one, "count": n}) + "\n" for n, one in enumerate(_QUERIES)),
            {"query_column": "q", "count_column": "count"},
        ),
        (
            "events.jsonl",
            "".join(
                json.dumps(
                    {
                        "event_name": ["page_view", "view_search_results"][n % 2],
                        "event_timestamp": 1733875200000000,
                        "search_term": one,
                    }
                )
                + "\n"
                for n, one in enumerate(_QUERIES * 2)
            ),
            {
                "query_column": "search_term",
                "time_column": "event_timestamp",
                "where": {"event_name": "view_search_results"},
            },
        ),
    ],
)
def test_exports_of_search_engines(tmp_path: Path, name: str, text: str, section: dict[str, Any]) -> None:
    assert look(tmp_path, name, text)["query_log"] == section


_CONSOLE = [
    ("Top queries,Clicks,Impressions,CTR,Position", ","),
    ("Häufigste Suchanfragen;Klicks;Impressionen;Klickrate;Position", ";"),
    ("Requêtes les plus fréquentes,Clics,Impressions,CTR,Position", ","),
    ("上位のクエリ,クリック数,表示回数,CTR,掲載順位", ","),
]


@pytest.mark.parametrize(("header", "mark"), _CONSOLE)
@pytest.mark.parametrize("clicks", [1, 0])
def test_the_search_console_in_several_languages(tmp_path: Path, header: str, mark: str, clicks: int) -> None:
    first = "1.234" if mark == ";" else '"1,234"'
    rows = [
        [one, clicks * (9 - n) if n else 9, 900 - n if n else first, f"{n}%", f"{n}.5"]
        for n, one in enumerate(_QUERIES)
    ]
    text = header + "\n" + "".join(mark.join(map(str, row)) + "\n" for row in rows)
    names = header.split(mark)
    found = look(tmp_path, "Queries.csv", text)
    # where hardly a query has a click, impressions say more
    assert found["query_log"] == {"query_column": names[0], "count_column": names[1 if clicks else 2]}
    if not clicks:
        assert part_of(tmp_path, "Queries.csv", text).facts.submissions == 1234 + sum(range(893, 900))


def test_weights_with_a_decimal_comma(tmp_path: Path) -> None:
    text = "title;sold;price\nRed Shoes;1.200;9,90\nDesk Lamp;30,5;1,00\nTea Pot;7;2,00\n"
    assert look(tmp_path, "a.csv", text)["catalogue"] == {"text_column": "title", "weight_column": "sold"}
    assert part_of(tmp_path, "a.csv", text).facts.queries == ("red shoes", "desk lamp", "tea pot")


def test_parquet_with_columns_of_every_kind(tmp_path: Path) -> None:
    columns = {
        "embedding": [[0.5] * 9] * 8,
        "tags": [{"a": ["b"]}] * 8,
        "raw": [b"\xff"] * 8,
        "query": [one.encode() for one in _QUERIES],
        "at": pyarrow.array([1_700_000_000] * 8, pyarrow.timestamp("s", "UTC")),
        "cost": pyarrow.array(["1.50"] * 8).cast(pyarrow.decimal128(9, 2)),
    }
    write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    (part,) = find_parts([tmp_path / "a.parquet"])
    assert (part.finding.column, part.finding.time, part.rows) == ("query", "at", 8)
    assert part.facts.queries[0] in _QUERIES


def test_parquet_with_nested_columns(tmp_path: Path) -> None:
    hits = [{"user_query": one, "at": None} for one in _QUERIES]
    write_table(pyarrow.table({"_source": hits, "count": range(8)}), tmp_path / "a.parquet")
    write_configuration(tmp_path / "new.toml", find_parts([tmp_path / "a.parquet"]))
    (log,) = load_config(tmp_path / "new.toml").query_log
    assert (log.query_column, log.count_column) == ("_source.user_query", "count")


def users(queries: int, users_each: int) -> str:
    rows = [(f"query {number}", f"user {number} {user}") for number in range(queries) for user in range(users_each)]
    return table({"query": [row[0] for row in rows], "user": [row[1] for row in rows]})


@pytest.mark.parametrize(("users_each", "min_users"), [(1, 1), (2, 2), (3, 3), (9, 3)])
def test_thresholds_are_what_the_log_can_support(tmp_path: Path, users_each: int, min_users: int) -> None:
    found = look(tmp_path, "log.tsv", users(150, users_each))
    assert found["min_users"] == min_users
    text = (tmp_path / "new.toml").read_text(encoding="utf-8")
    assert ("what a single user typed can be shown to others" in text) is (min_users == 1)
    assert ("would leave too little: 0 of the 150 queries have 3 users" in text) is (min_users < 3)


def test_only_the_beginning_of_a_long_file_is_read(tmp_path: Path) -> None:
    text = "".join(f"query {number}\t{number % 7 + 2}\n" for number in range(3 * MAX_ROWS))
    part = part_of(tmp_path, "log.tsv", "query\tcount\n" + text)
    assert part.seen < part.rows
    assert part.rows == pytest.approx(3 * MAX_ROWS, rel=0.2)
    assert "about " in part.found()
    assert look(tmp_path, "log.tsv", "query\tcount\n" + text)["query_log"]["on_bad_row"] == "drop"


def test_bad_rows_of_a_log_are_dropped_and_said(tmp_path: Path) -> None:
    rows = "".join(f"{one}\t{n}\n" for n, one in enumerate(_QUERIES * 10))
    found = look(tmp_path, "log.tsv", "query\tcount\n" + rows + "one\ttwo\tthree\nlamp\tmany\n")
    assert found["query_log"]["on_bad_row"] == "drop"
    assert "(2 of those that were looked at)" in (tmp_path / "new.toml").read_text(encoding="utf-8")
    with pytest.raises(InputError, match=r"items\.tsv, line 9: 3 fields"):
        part_of(tmp_path, "items.tsv", table({"title": _TITLES, "sku": range(7)}) + "a\tb\tc\n")


def test_files_that_are_alike_share_a_section(tmp_path: Path) -> None:
    for day in (1, 2, 3):
        (tmp_path / f"day{day}.tsv").write_text(table({"query": _QUERIES, "count": range(8)}))
    (tmp_path / "items.jsonl").write_text("".join(json.dumps({"title": one, "id": 1}) + "\n" for one in _TITLES))
    (tmp_path / "text.txt").write_text("\n".join(_SENTENCES))
    days = [tmp_path / f"day{day}.tsv" for day in (1, 2, 3)]
    name = write_configuration(
        tmp_path / "My Shop.toml", find_parts([*days, tmp_path / "items.jsonl", tmp_path / "text.txt"])
    )
    config = load_config(tmp_path / "My Shop.toml")
    assert name == config.name == "my-shop"
    assert [log.path for log in config.query_log] == ["*.tsv"]
    assert [(one.path, one.payload_column) for one in config.catalogue] == [("items.jsonl", "id")]
    assert [(model.name, model.unit) for model in config.language_models] == [("queries", "subword"), ("text", "word")]
    write_configuration(tmp_path / "a.toml", find_parts(days[:2]))
    assert [log.path for log in load_config(tmp_path / "a.toml").query_log] == ["day1.tsv", "day2.tsv"]


def test_paths_are_relative_to_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("data [1]", "conf"):
        (tmp_path / folder).mkdir()
    (tmp_path / "data [1]" / 'a "b".tsv').write_text(table({"query": _QUERIES}))
    monkeypatch.chdir(tmp_path)
    write_configuration(Path("conf/a.toml"), find_parts([Path("data [1]") / 'a "b".tsv']))
    assert load_config(Path("conf/a.toml")).query_log[0].path == '../data [1]/a "b".tsv'
    write_configuration(Path("conf/a.toml"), find_parts([tmp_path / "data [1]" / 'a "b".tsv']))
    assert load_config(Path("conf/a.toml")).query_log[0].path == str(tmp_path / "data [1]" / 'a "b".tsv')


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        (["rote schuhe für damen", "regenjacke herren", "gartenschlauch mit wagen", "bürostuhl ohne rollen"], "de"),
        (["chaussures rouges pour femme", "veste de pluie homme", "tuyau d'arrosage", "chaise de bureau"], "fr"),
        (["빨간 신발 여성", "남자 우비", "정원 호스", "사무실 의자"], "ko"),
        (
            ["red shoes for women", "rain jacket with a hood", "garden hose and reel", "office chair without wheels"],
            "en",
        ),
    ],
)
def test_plurals_are_english_only(tmp_path: Path, texts: list[str], language: str) -> None:
    part = part_of(tmp_path, "log.tsv", table({"query": texts * 5}))
    assert part.languages == (language,)
    write_configuration(tmp_path / "a.toml", [part])
    assert ("plural" in load_config(tmp_path / "a.toml").duplicates.collapse) is (language == "en")


def test_text_without_spaces_is_learnt_in_pieces(tmp_path: Path) -> None:
    write_configuration(
        tmp_path / "a.toml", [part_of(tmp_path, "a.txt", "今天天气很好,我们去公园散步吧。他买了一本书。\n" * 5)]
    )
    assert load_config(tmp_path / "a.toml").language_models[0].unit == "subword"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.tsv", b"", r"a\.tsv: is empty"),
        ("a.tsv", b"query\tcount\n", r"a\.tsv: holds no rows"),
        ("a.json", b"[]", r"a\.json: holds no rows"),
        ("a.log", b"lamp\n", r"a\.log: the ending does not say what the file holds\. Name it \.txt"),
        ("a.xlsx", b"PK", r"a\.xlsx: the ending does not say"),
        ("a.txt", b"\x89PNG\r\n\x1a\n\x00\x00", r"a\.txt, line 1, byte 0: not UTF-8"),
        ("a.txt", b"lamp\x00\x01\n", r"a\.txt, line 1: holds no text"),
        ("a.csv", "query\nschöne lampe\n".encode("latin-1") * 40, r"a\.csv, line 2, byte 9: not UTF-8\. .*iconv"),
        ("a.csv", "query\nlamp\n".encode("utf-16"), r"a\.csv, line 1, byte 0: not UTF-8\. .*iconv -f UTF-16"),
        ("a.parquet", b"lamp", r"a\.parquet: no Parquet file"),
        ("a.txt.gz", b"lamp", r"a\.txt\.gz: the archive is damaged"),
        ("a.jsonl", b"lamp\n", r"a\.jsonl, line 1: not JSON"),
        ("a.txt", b"a1\tlamp\na2\tdesk\n", r"a\.txt: is a table: its lines have 1 tabs\. Name it `\.tsv`"),
        (
            "a.tsv",
            b"970916105432\tlamp\n970916105433\tdesk\n",
            r"a\.tsv, line 1: the first line names no columns.*sed -i '1i a\\tb'",
        ),
        (
            "a.csv",
            b"red shoes\nlamp\ndesk\n",
            r"a\.csv, line 1: the first line, `red shoes`, does not look like the name",
        ),
        ("a.csv", b"2024-01-01,lamp\n", r"the first line names no columns, it holds data \(`2024-01-01`\).*'1i a,b'"),
        ("a.csv", b"query\nlamp,3\ndesk,4\n", r"a\.csv, line 1: most lines have another number of fields"),
        ("a.csv", b"a,b\n1,2\n3,4\n", r"a\.csv: no column holds text; those there are: `a`, `b`"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message):
        find_parts([tmp_path / name])


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.tsv: no such file"):
        find_parts([tmp_path / "none.tsv"])
    with pytest.raises(InputError, match=r"is a folder\. Name the files in it"):
        find_parts([tmp_path])
    with ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("Queries.csv", "Top queries,Clicks\n")
    with pytest.raises(InputError, match=r"is an archive of 1 files: Queries\.csv\. Unpack it"):
        find_parts([tmp_path / "export.zip"])


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "a.tsv"
    file.write_text(table({"query": _QUERIES}))
    check_free(tmp_path / "a.toml", [file], overwrite=False)
    (tmp_path / "a.toml").write_text("mine")
    with pytest.raises(InputError, match=r"a\.toml: is there already.*--force"):
        check_free(tmp_path / "a.toml", [file], overwrite=False)
    check_free(tmp_path / "a.toml", [file], overwrite=True)
    with pytest.raises(InputError, match="is one of the files to look at"):
        check_free(file, [file], overwrite=True)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("min5.toml", "min5"),
        ("2026-01 Queries (old).toml", "queries-old"),
        ("_.toml", "autocomplete"),
        ("a" * 62 + "-b.toml", "a" * 62),
    ],
)
def test_a_model_has_the_name_of_its_file(tmp_path: Path, file: str, name: str) -> None:
    (tmp_path / "a.csv").write_text("query,count\nred shoes,3\nblue lamp,2\n", encoding="utf-8")
    assert write_configuration(tmp_path / file, find_parts([tmp_path / "a.csv"])) == name
