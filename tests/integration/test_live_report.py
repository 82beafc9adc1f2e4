"""`autocomplete live report` over the events of a store, with a simulated experiment."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from service.live.events.event import Event, EventKind
from service.live.stores.sqlite_store import SqliteStore

_LIST = (("blue shoes", "history"), ("blue shoes for men", "generated"), ("blue shirt", "history"))
_HOUR = 3600.0


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["live", "report", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def simulated(rng: random.Random, version: str, users: int, rate: float) -> Iterator[Event]:
    """Three searches of each user, within the last hour."""
    for number in range(users):
        for _ in range(3):
            said: dict[str, Any] = {"model": "shop", "version": version, "user": f"{version}-{number}"}
            at_s = time.time() - rng.uniform(1, _HOUR)
            yield Event(kind=EventKind.IMPRESSION, at_s=at_s, query="blue", shown=_LIST, **said)
            if rng.random() < rate:
                yield Event(
                    kind=EventKind.SELECTION, at_s=at_s + 1, query="blue shoes", typed_length=4, place=0, **said
                )
            else:
                yield Event(kind=EventKind.SUBMISSION, at_s=at_s + 1, query="Blue  Hats", **said)


def kept(file: Path, events: list[Event]) -> str:
    store = SqliteStore(file)
    try:
        for start in range(0, len(events), 1000):
            store.events.write(events[start : start + 1000], now_s=time.time())
    finally:
        store.close()
    return str(file)


def test_the_better_version_is_named_with_its_figures(tmp_path: Path) -> None:
    rng = random.Random(1)
    live = kept(tmp_path / "live", [*simulated(rng, "old", 400, 0.4), *simulated(rng, "new", 200, 0.6)])
    report = json.loads(run("--live", live, "--json"))
    (model,) = report["models"]
    old, new = model["versions"]
    assert (report["events"], report["searches"], report["searches_without_version"]) == (3600, 1800, 0)
    assert (old["version"], old["users"], old["searches_with_a_query"]) == ("old", 400, 1200)
    assert old["measures"]["mrr"]["low"] < 0.4 < old["measures"]["mrr"]["high"]
    assert new["measures"]["accepted"]["value"] == pytest.approx(0.6, abs=0.06)
    assert new["measures"]["keystrokes_saved"]["value"] == pytest.approx(0.6 * 5 / 10, abs=0.04)
    assert new["measures"]["empty"]["value"] == new["measures"]["abandoned"]["value"] == 0
    (verdict,) = model["verdicts"]
    assert (verdict["decision"], verdict["version"], verdict["against"]) == ("better", "new", "old")
    assert verdict["difference"]["low"] < 0.2 < verdict["difference"]["high"]
    assert json.loads(run("--live", live, "--json"))["models"] == [model]
    assert json.loads(run("--live", live, "--json", "--seed", "2"))["models"] != [model]
    (verdict,) = json.loads(run("--live", live, "--json", "--by", "keystrokes_saved"))["models"][0]["verdicts"]
    assert (verdict["measure"], verdict["decision"]) == ("keystrokes_saved", "better")
    assert verdict["difference"]["low"] < 0.2 * 5 / 10 < verdict["difference"]["high"]
    assert "share of saved keystrokes, %, is " in verdict["text"]
    shown = run("--live", live)
    for said in ("new is better than old", "MRR", "keystrokes saved, %", "place 1", "generated", "blue hats"):
        assert said in shown


def test_no_verdict_on_noise_but_how_many_users_it_would_take(tmp_path: Path) -> None:
    rng = random.Random(2)
    live = kept(tmp_path / "live", [*simulated(rng, "old", 300, 0.5), *simulated(rng, "new", 150, 0.5)])
    shown = run("--live", live)
    assert "No difference between new and old can be told" in shown
    assert "more users to tell" in shown or "times as many users" in shown


def test_queries_without_an_answer_of_enough_users(tmp_path: Path) -> None:
    def sent(user: str, query: str, *, shown: Any = _LIST, kind: EventKind = EventKind.SUBMISSION) -> Iterator[Event]:
        said: dict[str, Any] = {"model": "shop", "version": "1", "user": user, "at_s": time.time() - 60}
        yield Event(kind=EventKind.IMPRESSION, query=query, shown=shown, **said)
        yield Event(kind=kind, query=query, place=0 if kind is EventKind.SELECTION else None, **said)

    events = [event for number in range(4) for event in sent(f"u{number}", "red hat")]
    events += [event for number in range(3) for event in sent(f"u{number}", "qzx", shown=())]
    events += [event for _ in range(50) for event in sent("u1", "my own secret")]
    events += [event for number in range(9) for event in sent(f"u{number}", "found", kind=EventKind.SELECTION)]
    events += [event for number in range(9) for event in sent("", "of nobody known")]
    live = kept(tmp_path / "live", events)
    found = json.loads(run("--live", live, "--json"))["unanswered"]
    assert found == {
        "not_accepted": [{"model": "shop", "query": "red hat", "searches": 4, "users": 4}],
        "nothing_suggested": [{"model": "shop", "query": "qzx", "searches": 3, "users": 3}],
    }
    assert "my own secret" not in run("--live", live)
    one = json.loads(run("--live", live, "--json", "--min-users", "1", "--count", "1"))["unanswered"]
    assert one["not_accepted"][0]["query"] == "my own secret"
    assert json.loads(run("--live", live, "--json", "--model", "other"))["searches"] == 0
    assert json.loads(run("--live", live, "--json", "--until", "30m"))["events"] == 0


@pytest.mark.parametrize(("since", "said"), [("soon", "not a time"), ("2026-12-01T06:00", "time zone")])
def test_a_time_is_an_age_or_has_a_zone(tmp_path: Path, since: str, said: str) -> None:
    assert said in run("--live", str(tmp_path / "live"), "--since", since, code=2)


def test_there_must_be_a_live_state(tmp_path: Path) -> None:
    assert "no live state" in run("--live", str(tmp_path / "none"), code=1)
