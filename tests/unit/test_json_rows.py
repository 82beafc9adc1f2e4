"""JSON is read as other systems write it, and what is broken is named."""

from __future__ import annotations

import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lm.errors import InputError
from training.config_log import QueryLogSource
from training.data.json_rows import fields, look_up, spread
from training.data.log_reader import read_log
from training.data.sources import BadRows
from training.data.tables import read_columns

_SEARCHES = [{"search": "red shoes", "count": 40}, {"search": "lamp", "count": 7}]
_HITS = [
    {
        "_index": "ubi_queries",
        "_id": "1",
        "_source": {"user_query": "lamp", "client_id": "a", "timestamp": 1733875200000},
    },
    {
        "_index": "ubi_queries",
        "_id": "2",
        "_source": {"user_query": "desk", "client_id": "b", "timestamp": 1733875201000},
    },
    {"_index": "ubi_events", "_id": "3", "_source": {"user_query": "desk", "client_id": "b", "action_name": "click"}},
]


def rows(folder: Path, name: str, text: str, **source: Any) -> list[tuple[str, int, str | None]]:
    data = text.encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    log = QueryLogSource.model_validate({"path": name, **source})
    return [(row.query, row.submissions, row.user) for row in read_log(log, folder / name)]


def one_a_line(objects: list[Any]) -> str:
    return "".join(json.dumps(one) + "\n" for one in objects)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", one_a_line(_SEARCHES)),
        ("a.ndjson", one_a_line(_SEARCHES)),
        ("a.json", one_a_line(_SEARCHES)),
        ("a.json", "\n".join(json.dumps(one, indent=1) for one in _SEARCHES)),
        ("a.json", json.dumps(_SEARCHES)),
        ("a.json.gz", json.dumps(_SEARCHES, indent=2)),
        ("a.ndjson.gz", "\n" + one_a_line(_SEARCHES) + "\n"),
    ],
)
def test_objects_one_a_line_or_in_a_list(tmp_path: Path, name: str, text: str, mark: str) -> None:
    found = rows(tmp_path, name, mark + text, query_column="search", count_column="count")
    assert found == [("red shoes", 40, None), ("lamp", 7, None)]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_inside_an_object(tmp_path: Path, indent: int | None) -> None:
    text = json.dumps({"searches": _SEARCHES, "took": 3}, indent=indent)
    found = rows(tmp_path, "a.json", text, query_column="searches.search", count_column="searches.count")
    assert found == [("red shoes", 40, None), ("lamp", 7, None)]
    # a field beside the list holds for all of its items
    found = rows(tmp_path, "a.json", text, query_column="searches.search", count_column="took")
    assert found == [("red shoes", 3, None), ("lamp", 3, None)]


def test_answers_of_a_search_engine_page_by_page(tmp_path: Path) -> None:
    text = one_a_line([{"took": 1, "hits": {"total": 3, "hits": _HITS[:2]}}, {"hits": {"hits": _HITS[2:]}}])
    names = {"query_column": "hits.hits._source.user_query", "user_column": "hits.hits._source.client_id"}
    assert rows(tmp_path, "a.ndjson", text, **names) == [("lamp", 1, "a"), ("desk", 1, "b"), ("desk", 1, "b")]
    only = {"hits.hits._index": "ubi_queries"}
    assert rows(tmp_path, "a.ndjson", text, **names, where=only) == [("lamp", 1, "a"), ("desk", 1, "b")]


def test_an_export_of_hits_and_a_bulk_file_hold_the_same(tmp_path: Path) -> None:
    names = {"query_column": "_source.user_query", "user_column": "_source.client_id"}
    expected = [("lamp", 1, "a"), ("desk", 1, "b")]
    assert rows(tmp_path, "a.json", one_a_line(_HITS), **names, where={"_index": "ubi_queries"}) == expected
    lines = [({"index": {"_index": hit["_index"], "_id": hit["_id"]}}, hit["_source"]) for hit in _HITS]
    names = {name: column.removeprefix("_source.") for name, column in names.items()}
    text = one_a_line([*itertools.chain.from_iterable(lines), {"delete": {"_index": "ubi_queries", "_id": "9"}}])
    assert rows(tmp_path, "a.ndjson", text, **names, where={"_index": "UBI_queries"}) == expected
    assert len(rows(tmp_path, "a.ndjson", text, **names)) == 3


def test_what_looks_like_a_bulk_line_but_is_a_row(tmp_path: Path) -> None:
    text = one_a_line([{"index": {"name": "shoes"}}, {"create": "lamp"}, {"index": {"name": "desk"}}])
    with pytest.raises(InputError, match=r"line 2: there is no field `index\.name`; those there are: `create`"):
        rows(tmp_path, "a.jsonl", text, query_column="index.name")


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"kind": "search"}, "acd"),
        ({"kind": "search", "site": [1, 2]}, "ac"),
        ({"kind": ["search", "click"], "own": True, "site": 1}, "ab"),
        ({"kind": ["search", "other"], "own": False}, "c"),
        ({"kind": "search", "site": ""}, "d"),
        ({"kind": "other"}, ""),
    ],
)
def test_where_takes_values_of_any_kind(tmp_path: Path, where: dict[str, Any], expected: str) -> None:
    text = one_a_line(
        [
            {"query": "a", "kind": "Search", "site": 1, "own": True},
            {"query": "b", "kind": "click", "site": 1, "own": True},
            {"query": "c", "kind": "search", "site": 2, "own": False},
            {"query": "d", "kind": "search"},
            {"kind": "view"},  # what no one asks for needs no query
        ]
    )
    assert "".join(query for query, _, _ in rows(tmp_path, "a.jsonl", text, where=where)) == expected


def test_where_in_tables(tmp_path: Path) -> None:
    table = "query\tkind\na\tsearch\nb\tclick\nc\tSEARCH\n"
    assert [query for query, _, _ in rows(tmp_path, "a.tsv", table, where={"kind": "search"})] == ["a", "c"]
    with pytest.raises(InputError, match="there is no column `sort`; those there are: `query`, `kind`"):
        rows(tmp_path, "a.tsv", table, where={"sort": "search"})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "[1, 2]", r"a\.json, line 1: not a list of JSON objects\. .*jq"),
        ("a.json", '[{"query": "a"}, {"query"', r"a\.json: not JSON: .*record"),
        ("a.json", '{\n"query": "a"}\n{', r"a\.json: not JSON"),
        ("a.json", '[{"query": "a"}, {"text": "b"}]', r"a\.json, line 2: there is no field `query`.*`text`"),
        ("a.json", "query\nred shoes\n", r"a\.json: not JSON"),
        ("a.jsonl", '{"query": "a"}\n[1]\n', r"a\.jsonl, line 2: not a JSON object"),
        ("a.jsonl", '{"query": "a"}\n{"query": 7}\n', r"a\.jsonl, line 2: `query` is 7, not text"),
        ("a.jsonl", '{"query": "a \\ud83d b"}\n', r"a\.jsonl, line 1: `\\ud83d` is half a character"),
        ("a.json", '[{"query": "a \\ud83d b"}]', r"a\.json: not JSON"),
        ("a.json", "", r"a\.json: is empty"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rows(tmp_path, name, text)


def test_bad_rows_of_json_can_be_dropped(tmp_path: Path) -> None:
    lines = [
        '{"query": "a"}',
        "{",
        "[]",
        '{"other": 1}',
        '{"query": 7}',
        '{"query": null}',
        '{"query": "\\udc00"}',
        '{"query": "b"}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    bad = BadRows(stop=False)
    found = read_log(QueryLogSource(path="a.jsonl"), tmp_path / "a.jsonl", bad)
    assert [(row.line, row.query) for row in found] == [(1, "a"), (6, ""), (8, "b")]
    assert bad.counts == {"not_json": 2, "no_field": 1, "no_text": 1, "half_character": 1}


def test_a_list_far_larger_than_a_row_may_be_is_read_in_parts(tmp_path: Path) -> None:
    objects = [{"query": f"query {number}"} for number in range(30_000)]
    (tmp_path / "a.json").write_text(json.dumps(objects, indent=1))
    assert [values for _, values in read_columns(tmp_path / "a.json", ["query"])] == [[one["query"]] for one in objects]


VALUE = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "a.b"]), inner, max_size=3),
    max_leaves=8,
)
RECORD = st.dictionaries(st.sampled_from(["a", "b", "c", "a.b"]), VALUE, max_size=4)


@settings(deadline=None)
@given(RECORD, st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(".".join))
def test_a_path_finds_what_walking_finds(record: dict[str, Any], column: str) -> None:
    def walk(value: Any, names: list[str]) -> list[Any]:
        if isinstance(value, list) and names:
            return [found for item in value for found in walk(item, names)]
        if not names:
            return [value]
        return walk(value[names[0]], names[1:]) if isinstance(value, dict) and names[0] in value else [None]

    if column in record:
        assert look_up(record, column) == record[column]
    else:
        assert [look_up(row, column) for row in spread(record, column)] == walk(record, column.split("."))
    for name, value in fields(record).items():
        if name not in record:
            assert look_up(record, name) is not None or value is None or "a.b" in str(record)
