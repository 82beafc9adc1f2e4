"""Curation by the command line and over HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.test_deny_commands import admin, run
from tests.service_twins import eventually, running, sample


def test_entries_are_added_loaded_withdrawn_listed_and_removed(tmp_path: Path) -> None:
    lines = [{"text": f"Item {number}", "weight": 1 + number, "payload": "p" * 900} for number in range(1200)]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    with running(tmp_path) as (server, _):
        address = ("--server", f"127.0.0.1:{server.port}")
        added = run("curate", "entries", "add", "Red Shoes", "--weight", "3", "--tag", "a", "--tag", "b", *address)
        withdrawn = run("curate", "entries", "withdraw", "Old Hat", "--by", "ann", *address)
        assert "1,200 entries" in run("curate", "entries", "load", str(tmp_path / "items.jsonl"), *address)
        entries = json.loads(run("curate", "entries", "list", "--json", *address))["catalogue_entries"]
        assert len(entries) == 1202
        assert (entries[-1]["text"], entries[-1]["tags"], entries[-1]["model"]) == (
            "Red Shoes",
            ["a", "b"],
            "models/twin",
        )
        assert (entries[-2]["text"], entries[-2]["withdrawn"], entries[-2]["creator"]) == ("Old Hat", True, "ann")
        eventually(lambda: sample(server, "autocomplete_live_entries") == 1202)
        run("curate", "entries", "remove", added.strip(), withdrawn.strip().partition("/")[2], *address)
        eventually(lambda: sample(server, "autocomplete_live_entries") == 1200)
        assert "no catalogueEntries" in run("curate", "entries", "remove", added.strip(), *address, code=1)


def test_pins_synonyms_and_hits(tmp_path: Path) -> None:
    with running(tmp_path) as (server, _):
        address = ("--server", f"127.0.0.1:{server.port}")
        times = ("--since", "2026-01-01T00:00Z", "--until", "2099-01-01T00:00+01:00")
        pin = run("curate", "pins", "add", "new", "New York [NY]", "--begins", *times, *address)
        shown = run("curate", "pins", "list", *address)
        for said in ("New York [NY]", "BEGINS", "2098-12-31T23:00:00Z", "1 in all"):
            assert said in shown
        run("curate", "pins", "remove", pin.strip(), *address)
        run("curate", "synonyms", "add", "tv", "television", "--two-way", *address)
        (synonym,) = json.loads(run("curate", "synonyms", "list", "--json", *address))["synonyms"]
        assert (synonym["phrase"], synonym["replacement"], synonym["two_way"]) == ("tv", "television", True)
        counts = '{"query": "newa", "hits": 0}\n{"query": "newb", "hits": 4}\n'
        assert "2 queries" in run("curate", "hits", "set", "-", *address, input=counts)
        (hidden,) = json.loads(run("curate", "hits", "list", "--json", *address))["hidden_queries"]
        assert hidden["query"] == "newa"
        for model, told in (("later", True), ("twin", False)):
            said = run("curate", "synonyms", "add", "tv", "telly", "--model", model, *address)
            assert (f"does not have models/{model}" in said) is told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pins", "add", "a", "b", "--place", "21"), "pin.place"),
        (("entries", "add", "a", "--weight", "0"), "catalogue_entry.weight"),
        (("synonyms", "add", "a", "a"), "synonym.replacement"),
        (("entries", "load", "-"), "stdin, line 2: there is no field 'titel'"),
        (("hits", "set", "-"), "stdin, line 1: there is no field 'text'"),
        (("entries", "load", "none.jsonl"), "none.jsonl"),
    ],
)
def test_what_is_refused_is_one_paragraph(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    with running(tmp_path) as (server, _):
        address = ("--server", f"127.0.0.1:{server.port}")
        given = '{"text": "a", "weight": 1}\n{"titel": "b"}\n'
        shown = run("curate", *arguments, *address, code=1, input=given)
    assert shown.startswith("Error: ")
    assert said in shown
    assert len(shown.splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "b", "weight": -1}', "line 3: weight: is not a valid weight"),
        ('{"text": "b", "weight": "much"}', "line 3: Failed to parse weight"),
        ('["b"]', "line 3: not a JSON object."),
        ("b", "line 3: not JSON"),
    ],
)
def test_a_wrong_line_of_many_is_named(tmp_path: Path, line: str, said: str) -> None:
    with running(tmp_path) as (server, _):
        address = ("--server", f"127.0.0.1:{server.port}")
        given = f'{{"text": "a", "weight": 1}}\n\n{line}\n'
        shown = run("curate", "entries", "load", "-", *address, code=1, input=given)
        assert f"stdin, {said}" in shown
        assert ".." not in shown
        assert run("curate", "entries", "list", *address) == "There are none.\n"


def test_all_of_it_is_saved_and_restored(tmp_path: Path) -> None:
    one, other = str(tmp_path / "one.sqlite"), str(tmp_path / "other.sqlite")
    with running(tmp_path / "a", live=one) as (server, _):
        address = ("--server", f"127.0.0.1:{server.port}")
        run("curate", "entries", "add", "Red Shoes", "--tag", "a", *address)
        run("curate", "pins", "add", "new", "newd", "--boost", "2", *address)
        run("curate", "synonyms", "add", "tv", "television", *address)
        run("curate", "hits", "set", "-", *address, input='{"query": "newa"}')
    saved = run("live", "export", "--live", one)
    (tmp_path / "saved").write_text(saved, encoding="utf-8")
    assert "4 of 4 changes" in run("live", "import", str(tmp_path / "saved"), "--live", other)
    assert run("live", "export", "--live", other) == saved
    wrong = saved.replace('"boost":2.0', '"boost":-1.0')
    assert "line 2: pin.boost" in run("live", "import", "-", "--live", other, input=wrong, code=1)


def test_over_http_it_is_for_operators_alone(tmp_path: Path) -> None:
    with admin(tmp_path) as (gateway, _):
        made = gateway.ask("POST", "/v1/catalogueEntries", {"text": "Red Shoes", "weight": 2.5})
        assert (made.status, made.json["weight"], made.json["model"]) == (200, 2.5, "models/twin")
        batch = {"requests": [{"catalogueEntry": {"text": "b", "weight": 1}}]}
        assert len(gateway.ask("POST", "/v1/catalogueEntries:batchCreate", batch).json["names"]) == 1
        listed = gateway.ask("GET", "/v1/catalogueEntries?pageSize=1").json
        assert [each["text"] for each in listed["catalogueEntries"]] == ["b"]
        assert listed["nextPageToken"]
        assert gateway.ask("DELETE", f"/v1/{made.json['name']}").status == 200
        pin = gateway.ask("POST", "/v1/pins", {"query": "new", "match": "MATCH_TYPED", "text": "newa", "place": 25})
        assert (pin.status, pin.json["details"][1]["fieldViolations"][0]["field"]) == (400, "pin.place")
        assert gateway.ask("PUT", "/v1/hitCounts", {"hitCounts": [{"query": "newc", "hits": "0"}]}).status == 200
        eventually(lambda: "newc" not in str(gateway.ask("GET", "/v1:completeQuery?query=new").json["suggestions"]))
    with admin(tmp_path / "b", admin=False) as (gateway, _):
        for verb, path in (("GET", "/v1/pins"), ("PUT", "/v1/hitCounts"), ("POST", "/v1/catalogueEntries:batchCreate")):
            assert gateway.ask(verb, path, {} if verb != "GET" else None).status == 404


def test_a_filter_goes_over_http(tmp_path: Path) -> None:
    with admin(tmp_path) as (gateway, _):
        asked = gateway.ask("POST", "/v1:completeQuery", {"query": "new", "filter": {"allOf": ["x" * 65]}})
        assert asked.status == 400
        assert "filter.all_of" in str(asked.json)
        assert gateway.ask("GET", "/v1:completeQuery?query=new&filter.allOf=a&filter.allOf=b").status == 200
