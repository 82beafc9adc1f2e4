"""Take-downs by the command line and over HTTP."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from service.app import Server
from tests.gateways import RunningGateway, running_gateway
from tests.service_twins import eventually, running

# a server in this process logs to the same place
_LOGGED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[")
_ENTRY = (
    '{"number":1,"time":"2026-01-01T00:00:00+00:00","kind":"deny","key":"0000000000000000","by":"","value":'
    '{"operator":"OPERATOR","phrase":"PHRASE","model":"","reason":"","creator":"","created_s":1.0,"ends_s":null}}'
)


def run(*arguments: str, code: int = 0, **given: Any) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments), **given)
    assert result.exit_code == code, result.output
    lines = result.output.splitlines(keepends=True)
    return "".join(line for line in lines if _LOGGED.match(line) is None)


@contextmanager
def admin(folder: Path, **settings: Any) -> Iterator[tuple[RunningGateway, Server]]:
    with (
        running(folder) as (server, _),
        running_gateway(f"127.0.0.1:{server.port}", **{"admin": True, **settings}) as gateway,
    ):
        yield gateway, server


def test_commands_add_list_and_remove(tmp_path: Path) -> None:
    with running(tmp_path) as (server, _):
        address = ("--server", f"127.0.0.1:{server.port}")
        entry = run(
            "deny", "add", "Harry Potter", "--match", "contains", "--reason", "asked to", "--by", "ann", *address
        )
        switch = run(
            *("deny", "add", "--match", "everything", "--model", "shop", "--until", "2099-01-01T00:00+01:00", *address)
        )
        assert "does not have models/shop" in switch
        listed = run("deny", "list", *address)
        for shown in (entry.strip(), switch.split()[-1], "Harry Potter", "asked to", "ann", "shop", "2098-12-31 23:00"):
            assert shown in listed
        entries = json.loads(run("deny", "list", "--json", *address))["deny_list_entries"]
        assert [each["match_operator"] for each in entries] == ["MATCH_OPERATOR_EVERYTHING", "MATCH_OPERATOR_CONTAINS"]
        run("deny", "remove", entry.strip(), entries[0]["name"], "--by", "bob", *address)
        assert json.loads(run("deny", "list", "--json", *address))["deny_list_entries"] == []
        assert "no denyListEntries" in run("deny", "remove", entry.strip(), *address, code=1)


def test_a_narrow_terminal_breaks_neither_names_nor_words(tmp_path: Path) -> None:
    with running(tmp_path) as (server, _):
        address = ("--server", f"127.0.0.1:{server.port}")
        long = ("--match", "contains", "--reason", "because somebody asked for it", "--until", "2099-01-01T00:00Z")
        entry = run("deny", "add", "a phrase of several words", *long, *address).strip()
        shown = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["deny", "list", *address]).output
    assert "1 in all" in shown
    for whole in (entry, "contains", "because", "2099-01-01"):
        assert whole in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("[a", "--match", "pattern"), "RE2"),
        (("",), "phrase"),
        (("a", "--match", "generated"), "kill switch"),
        (("a", "--model", "No Model"), "models/NAME"),
        (("a", "--until", "2001-01-01T00:00Z"), "over already"),
    ],
)
def test_what_the_server_refuses_is_one_paragraph(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    with running(tmp_path) as (server, _):
        shown = run("deny", "add", *arguments, "--server", f"127.0.0.1:{server.port}", code=1)
    assert shown.startswith("Error: ")
    assert said in shown
    assert len(shown.splitlines()) == 1


def test_a_time_needs_a_zone_and_a_server_must_be_there() -> None:
    assert "time zone" in run("deny", "add", "a", "--until", "2099-01-01T00:00", code=2)
    assert "not a time" in run("deny", "add", "a", "--until", "soon", code=2)
    assert "autocomplete serve" in run("deny", "list", "--server", "127.0.0.1:1", code=1)


def test_the_live_state_is_saved_and_restored(tmp_path: Path) -> None:
    one, other = str(tmp_path / "one.sqlite"), str(tmp_path / "other.sqlite")
    with running(tmp_path / "a", live=one) as (server, _):
        address = ("--server", f"127.0.0.1:{server.port}")
        gone = run("deny", "add", "newa", "--by", "ann", *address)
        run("deny", "add", "newb", *address)
        run("deny", "remove", gone.strip(), "--by", "bob", *address)
    saved = run("live", "export", "--live", one)
    lines = [json.loads(line) for line in saved.splitlines()]
    assert [(line["number"], line["kind"], line["value"] is None) for line in lines] == [
        (1, "deny", False),
        (2, "deny", False),
        (3, "deny", True),
    ]
    assert (lines[0]["by"], lines[2]["by"], lines[2]["was"]["phrase"]) == ("ann", "bob", "newa")
    (tmp_path / "saved").write_text(saved, encoding="utf-8")
    for new in (3, 0):
        assert f"{new} of 3 changes" in run("live", "import", str(tmp_path / "saved"), "--live", other)
    assert run("live", "export", "--live", other) == saved
    with running(tmp_path / "b", live=other) as (server, _):
        eventually(lambda: server.metrics.registry.get_sample_value("autocomplete_live_entries") == 1)
        with closing(sqlite3.connect(one)) as connection:  # what changed there since is not undone
            assert connection.execute("SELECT count(*) FROM log").fetchone() == (3,)
        assert "0 of 3" in run("live", "import", "-", "--live", other, input=saved)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "line 2: not JSON"),
        ("[]", "not a JSON object"),
        ('{"number": 1}', "'time' is missing"),
        (
            '{"number":1,"time":"yesterday","kind":"deny","key":"a","by":"","value":null}',
            "'yesterday' is not a time",
        ),
        (
            '{"number":1,"time":"2026-01-01T00:00:00+00:00","kind":"deny","key":"a","by":"","value":{"x":1}}',
            "no entry",
        ),
        (_ENTRY.replace("PHRASE", "(").replace("OPERATOR", "pattern"), "line 2: deny_list_entry.phrase"),
        (_ENTRY.replace("PHRASE", "acme").replace("OPERATOR", "exact"), "line 2: the key is not that of the entry"),
    ],
)
def test_a_file_that_is_no_export_changes_nothing(tmp_path: Path, line: str, said: str) -> None:
    good = (
        '{"number":1,"time":"2026-01-01T00:00:00+00:00","kind":"of_a_later_release","key":"a","by":"","value":{"x":1}}'
    )
    (tmp_path / "file").write_text(f"{good}\n{line}\n", encoding="utf-8")
    assert said in run("live", "import", str(tmp_path / "file"), "--live", str(tmp_path / "live.sqlite"), code=1)
    assert not (tmp_path / "live.sqlite").exists()


def test_there_must_be_something_to_export(tmp_path: Path) -> None:
    assert "no live state" in run("live", "export", "--live", str(tmp_path / "none"), code=1)
    assert "no live state" in run("live", "export", "--live", "off", code=1)


def test_operators_take_down_over_http(tmp_path: Path) -> None:
    with admin(tmp_path) as (gateway, _):
        entry = {"phrase": "newb", "matchOperator": "MATCH_OPERATOR_EXACT", "creator": "ann"}
        created = gateway.ask("POST", "/v1/denyListEntries", entry)
        assert (created.status, created.json["phrase"]) == (200, "newb")
        assert created.headers["cache-control"] == "no-store"

        def texts() -> list[str]:
            answer = gateway.ask("POST", "/v1:completeQuery", {"query": "new"})
            return [each["text"] for each in answer.json["suggestions"]]

        eventually(lambda: texts() == ["newc", "newa"])
        listed = gateway.ask("GET", "/v1/denyListEntries?pageSize=5")
        assert listed.json == {"denyListEntries": [created.json], "nextPageToken": ""}
        assert gateway.ask("DELETE", f"/v1/{created.json['name']}?remover=bob").status == 200
        eventually(lambda: texts() == ["newc", "newb", "newa"])
        wrong = gateway.ask("POST", "/v1/denyListEntries", entry | {"phrase": ""})
        assert wrong.status == 400
        assert "deny_list_entry.phrase" in wrong.json["message"]
        assert gateway.ask("DELETE", f"/v1/{created.json['name']}").status == 404


def test_pages_of_other_sites_take_nothing_down_even_if_they_may_complete(tmp_path: Path) -> None:
    shop = "https://shop.example"
    with admin(tmp_path, allowed_origins=shop) as (gateway, _):
        entry = {"phrase": "newb", "matchOperator": "MATCH_OPERATOR_EXACT"}
        for verb, path, document in (
            ("POST", "/v1/denyListEntries", entry),
            ("GET", "/v1/denyListEntries", None),
            ("DELETE", "/v1/denyListEntries/0123456789abcdef", None),
        ):
            answer = gateway.ask(verb, path, document, origin=shop)
            assert (answer.status, "another site" in answer.json["message"]) == (400, True)
        assert gateway.ask("GET", "/v1/denyListEntries", origin=gateway.url).json["denyListEntries"] == []
        assert gateway.ask("POST", "/v1:completeQuery", {"query": "a"}, origin=shop).status == 200
