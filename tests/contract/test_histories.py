"""What every store does with users' own queries: the SQLite file, and a real Redis of each kind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from service.live.events.event import Event, EventKind
from service.live.stores.store import LiveStore, open_store
from service.live.users.histories import DAY_S, HistoryLimits
from suggest.own import OwnQuery

NOW_S = 1_800_000_000.0
ANN = "a" * 16


def event(query: str, *, user: str = ANN, at_s: float = NOW_S, model: str = "shop", event_id: str = "") -> Event:
    return Event(event_id=event_id, kind=EventKind.SUBMISSION, at_s=at_s, model=model, query=query, user=user)


def kept(store: LiveStore, user: str = ANN) -> list[OwnQuery]:
    return sorted((query for _, query in store.histories.of(user)), key=lambda query: -query.last_s)


def test_nothing_is_kept_without_a_user_or_a_query(store: LiveStore) -> None:
    empty = replace(event(""), kind=EventKind.SELECTION, place=0)
    shown = replace(event("seen"), kind=EventKind.IMPRESSION)
    store.events.write([event("shoes", user=""), shown, empty], now_s=NOW_S)
    store.events.write([event("mail to ann@example.com"), event(" \u200b ")], now_s=NOW_S)
    assert kept(store) == kept(store, "") == kept(store, "b" * 16) == []


def test_a_query_is_kept_once_as_it_was_written_last(store: LiveStore) -> None:
    store.events.write([event(" Red  Shoes", at_s=NOW_S - 9.5), event("hat", at_s=NOW_S - 8)], now_s=NOW_S)
    selection = replace(event("RED shoes", at_s=NOW_S - 1.25), kind=EventKind.SELECTION, place=0)
    store.events.write([selection, event("late red shoes", at_s=NOW_S - 7)], now_s=NOW_S)
    store.events.write([event("red shoes", at_s=NOW_S - 30)], now_s=NOW_S)  # it comes late
    assert kept(store) == [
        OwnQuery("red shoes", "RED shoes", NOW_S - 1.25, 3),
        OwnQuery("late red shoes", "late red shoes", NOW_S - 7, 1),
        OwnQuery("hat", "hat", NOW_S - 8, 1),
    ]


def test_a_retry_counts_once(store: LiveStore) -> None:
    for _ in range(3):
        store.events.write([event("shoes", event_id="e1")], now_s=NOW_S)
    assert [query.times for query in kept(store)] == [1]


def test_users_and_models_are_apart(store: LiveStore) -> None:
    store.events.write([event("a"), event("a", user="b" * 16), event("a", model="docs")], now_s=NOW_S)
    assert sorted(model for model, _ in store.histories.of(ANN)) == ["docs", "shop"]
    assert [model for model, _ in store.histories.of("b" * 16)] == ["shop"]


@pytest.mark.parametrize("text", ["東京 ö \U0001f600", 'quotes " and \\', "a\u2028b", "line\nbreak", "x" * 256])
def test_any_query_comes_back_as_it_was(store: LiveStore, text: str) -> None:
    store.events.write([event(text)], now_s=NOW_S)
    assert [query.display for query in kept(store)] == [" ".join(text.split())]


def test_only_the_last_ones_are_kept_and_only_for_a_time(location: str) -> None:
    store = open_store(location, limits=HistoryLimits(queries=3, seconds=DAY_S))
    store.events.write([event(f"q{number}", at_s=NOW_S + number) for number in (4, 0, 3, 1, 2)], now_s=NOW_S)
    assert [query.text for query in kept(store)] == ["q4", "q3", "q2"]
    store.events.write([event("q0", at_s=NOW_S)], now_s=NOW_S)  # too late to be one of the last three
    assert [query.text for query in kept(store)] == ["q4", "q3", "q2"]
    store.events.write([event("new", user="b" * 16, at_s=NOW_S + DAY_S + 3.5)], now_s=NOW_S + DAY_S + 3.5)
    store.events.write([event("new", at_s=NOW_S + DAY_S + 3.5)], now_s=NOW_S + DAY_S + 3.5)
    assert [query.text for query in kept(store)] == ["new", "q4"]
    store.events.trim(now_s=NOW_S + 3 * DAY_S, before_s=NOW_S, most=99)
    assert kept(store) == kept(store, "b" * 16) == []
    store.close()
    none = open_store(location, limits=HistoryLimits(queries=0))
    none.events.write([event("shoes")], now_s=NOW_S)
    assert kept(none) == []
    none.close()


def test_what_is_forgotten_is_gone_and_may_begin_anew(store: LiveStore) -> None:
    store.events.write([event(f"q{number}") for number in range(9)], now_s=NOW_S)
    store.events.write([event("other", user="b" * 16)], now_s=NOW_S)
    assert store.events.forget(ANN) == 9
    assert kept(store) == []
    assert [each.query for each in store.events.after(0, 99)] == ["other"]
    assert [query.text for query in kept(store, "b" * 16)] == ["other"]
    store.events.write([event("again")], now_s=NOW_S)
    assert [query.text for query in kept(store)] == ["again"]


def test_no_byte_of_what_is_forgotten_stays_in_the_file(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "live.db"))
    other = open_store(str(tmp_path / "live.db"))  # another replica
    store.events.write([event(f"hidden wish {number}") for number in range(500)], now_s=NOW_S)
    store.events.write([event("other", user="b" * 16)], now_s=NOW_S)
    assert len(other.events.after(0, 999)) == 501
    assert any(b"hidden wish" in path.read_bytes() for path in tmp_path.iterdir())

    assert store.events.forget(ANN) == 500

    assert not any(b"hidden wish" in path.read_bytes() for path in tmp_path.iterdir())
    assert [each.query for each in other.events.after(0, 999)] == ["other"]
    for each in (store, other):
        each.close()


def test_writers_at_once_lose_nothing(location: str) -> None:
    def write(writer: int) -> None:
        own = open_store(location)
        for number in range(10):
            own.events.write([event("same"), event(f"q {writer} {number}")], now_s=NOW_S)
        own.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    store = open_store(location)
    found = {query.text: query.times for query in kept(store)}
    assert found.pop("same") == 40
    assert len(found) == 40
    store.close()


def test_an_empty_history_is_read_before_anything_is_written(store: LiveStore) -> None:
    assert kept(store) == []
    store.events.trim(now_s=NOW_S, before_s=NOW_S, most=99)
