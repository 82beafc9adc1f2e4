"""Entries of the catalogue are applied beside the rest of the live state: nothing waits for them, and none is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from service.live.curation import CuratedEntry
from service.live.curation import creation as curated
from service.live.deny_list import DenyEntry, Operator, creation
from service.live.entries import Entries
from service.live.follower import Follower
from service.live.stores.sqlite_store import SqliteStore
from service.telemetry.metrics import Metrics
from tests.service_twins import eventually


@contextmanager
def following(path: Path) -> Iterator[tuple[SqliteStore, Follower]]:
    store, followed = SqliteStore(path), SqliteStore(path)
    metrics = Metrics(CollectorRegistry())
    follower = Follower(followed, metrics, clock=time.monotonic, wall_clock=time.time)
    follower.start()
    try:
        yield store, follower
    finally:
        follower.close()
        followed.close()
        store.close()


def put_entry(store: SqliteStore, text: str, weight: float = 1.0) -> None:
    store.append([curated(CuratedEntry(model="m", text=text, weight=weight, created_s=1.0), at_s=1.0)])


def known(follower: Follower, *texts: str) -> bool:
    return all(follower.view("m").entries.queries.get(text) is not None for text in texts)


def test_a_take_down_does_not_wait_for_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, with_changes = threading.Event(), Entries.with_changes

    def held_up(self: Entries, items: Any) -> Entries:
        items = list(items)
        if items:
            go_on.wait(30)
        return with_changes(self, items)

    with following(tmp_path / "live.sqlite") as (store, follower):
        put_entry(store, "first")
        eventually(lambda: known(follower, "first"))
        monkeypatch.setattr(Entries, "with_changes", held_up)
        put_entry(store, "second")
        entry = DenyEntry(operator=Operator.EXACT, phrase="bad", created_s=1.0)
        store.put(creation(entry, at_s=1.0, by=""), expected=0)
        eventually(lambda: follower.view("m").denied.blocks("bad"))
        put_entry(store, "third")
        assert not known(follower, "second")
        go_on.set()
        eventually(lambda: known(follower, "first", "second", "third"))
        assert follower.view("m").denied.blocks("bad")


def test_entries_that_could_not_be_taken_up_are_tried_again_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures, with_changes = [OSError("no space"), OSError("no space")], Entries.with_changes

    def fails(self: Entries, items: Any) -> Entries:
        items = list(items)
        if items and failures:
            raise failures.pop()
        return with_changes(self, items)

    with following(tmp_path / "live.sqlite") as (store, follower):
        put_entry(store, "first")
        eventually(lambda: known(follower, "first"))
        monkeypatch.setattr(Entries, "with_changes", fails)
        for weight in (2.0, 3.0, 4.0):
            put_entry(store, "second", weight)
        eventually(lambda: known(follower, "second"))
        eventually(lambda: (query := follower.view("m").entries.queries.get("second")) and query.count == 4.0)
        assert not failures


def test_followers_agree_whichever_way_they_came(tmp_path: Path) -> None:
    with following(tmp_path / "live.sqlite") as (store, one):
        for number in range(30):
            put_entry(store, f"item {number % 20}", number + 1.0)
        with following(tmp_path / "live.sqlite") as (_, other):  # by a snapshot
            eventually(lambda: one.overlay.entries.size == other.overlay.entries.size == 20)
            eventually(lambda: one.view("m").epoch == other.view("m").epoch)
            assert one.view("m").epoch
