"""What every store does with events: the SQLite file, and a real Redis of each kind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lm.errors import StoreUnavailableError, UnsupportedError
from service.live.changes import Change
from service.live.events.event import Checkpoint, Event, EventKind, number_at, pack_event
from service.live.stores.store import LiveStore, open_store
from tests.redis_process import RedisProcess

NOW_S = 1_800_000_000.0
DAY_S = 24 * 3600.0


def event(query: str, *, event_id: str = "", user: str = "") -> Event:
    return Event(event_id=event_id, kind=EventKind.SUBMISSION, at_s=NOW_S, model="shop", query=query, user=user)


def queries(events: list[Event]) -> list[str]:
    return [each.query for each in events]


def test_an_empty_store_has_no_events(store: LiveStore) -> None:
    assert store.events.after(0, 10) == []
    assert store.events.write([], now_s=NOW_S) == []
    assert store.events.forget("nobody") == store.events.forget("") == 0
    store.events.trim(now_s=NOW_S, before_s=NOW_S, most=10)
    assert store.events.checkpoint("trends") is None


def test_an_event_comes_back_as_it_was(store: LiveStore) -> None:
    full = Event(
        event_id="e\n1",
        kind=EventKind.SELECTION,
        at_s=NOW_S - 0.125,
        model="shop",
        version="v1",
        query="Straße \x00 東京 \U0001f600 \u2028",
        typed_length=3,
        place=0,
        user="0123456789abcdef",
        session="s",
        shown=(("a b", "history"), ("", "trending")),
    )
    assert store.events.write([full], now_s=NOW_S) == [number_at(NOW_S)]
    (taken,) = store.events.after(0, 10)
    assert taken == replace(full, number=number_at(NOW_S))
    assert taken.taken_s == NOW_S
    assert store.events.after(taken.number, 10) == []


def test_what_a_later_release_wrote_is_left_out(store: LiveStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("sqlite_events", "redis_events"):
        monkeypatch.setattr(f"service.live.stores.{module}.pack_event", lambda event: event.query)
    store.events.write([event('["", "new", 1]'), event("{}"), event(pack_event(event("a"))[:-1] + ",1]")], now_s=NOW_S)
    for count in (1, 2, 10):  # a page of others is not the end
        assert queries(store.events.after(0, count)) == ["a"]


def test_numbers_rise_whatever_the_clock_says(store: LiveStore, location: str) -> None:
    def write(writer: int) -> list[int]:
        own = open_store(location)
        numbers = [
            number
            for turn in range(20)
            for number in own.events.write([event("a"), event("b")], now_s=NOW_S - writer - turn)
        ]
        own.close()
        assert numbers == sorted(set(numbers))
        return numbers

    with ThreadPoolExecutor(4) as pool:
        numbers = sorted(number for each in pool.map(write, range(4)) for number in each)
    assert len(set(numbers)) == 160
    assert [each.number for each in store.events.after(0, 1000)] == numbers
    assert [each.number for each in store.events.after(numbers[9], 5)] == numbers[10:15]


def test_an_event_id_counts_once_within_a_day_whoever_gets_it(store: LiveStore, location: str) -> None:
    other = open_store(location)
    first = store.events.write([event("a", event_id="1"), event("b", event_id="1"), event("c")], now_s=NOW_S)
    again = other.events.write([event("d", event_id="1"), event("e", event_id="2")], now_s=NOW_S + DAY_S - 1)
    later = other.events.write([event("f", event_id="1"), event("g", event_id="2")], now_s=NOW_S + DAY_S + 1)
    other.close()
    assert [[*map(bool, each)] for each in (first, again, later)] == [
        [True, False, True],
        [False, True],
        [True, False],
    ]
    assert queries(store.events.after(0, 10)) == ["a", "c", "e", "f"]


def test_events_without_an_id_all_count(store: LiveStore) -> None:
    assert len(store.events.write([event("a")] * 1000, now_s=NOW_S)) == 1000
    assert len(store.events.write([event("a")] * 1000, now_s=NOW_S)) == 1000
    assert len(store.events.after(0, 5000)) == 2000


def test_of_writers_at_once_one_has_the_event(store: LiveStore, location: str) -> None:
    def write(_: int) -> int:
        own = open_store(location)
        taken = [own.events.write([event("a", event_id=str(turn))], now_s=NOW_S) for turn in range(25)]
        own.close()
        return sum(map(any, taken))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(write, range(4))) == 25
    assert len(store.events.after(0, 100)) == 25


def test_what_a_user_did_is_forgotten_and_does_not_come_back(store: LiveStore) -> None:
    store.events.write([event("a", user="x", event_id="1"), event("b", user="y"), event("c")], now_s=NOW_S)
    store.events.write([event("d", user="x")] * 900 + [event("e", user="y")], now_s=NOW_S)
    assert store.events.forget("x") == 901
    assert queries(store.events.after(0, 10)) == ["b", "c", "e"]
    assert store.events.write([event("a", user="x", event_id="1")], now_s=NOW_S + 60) == [0]
    assert store.events.forget("x") == 0


def test_old_events_are_removed_by_age_and_by_number(store: LiveStore) -> None:
    for hour in range(5):
        store.events.write([event(f"{hour}")] * 2, now_s=NOW_S + 3600 * hour)
    store.events.trim(now_s=NOW_S, before_s=NOW_S + 3600, most=1000)
    assert queries(store.events.after(0, 20)) == ["1", "1", "2", "2", "3", "3", "4", "4"]
    store.events.trim(now_s=NOW_S, before_s=NOW_S, most=3)
    assert queries(store.events.after(0, 20)) == ["3", "4", "4"]
    store.events.trim(now_s=NOW_S, before_s=NOW_S + DAY_S, most=3)
    assert store.events.after(0, 20) == []
    (number,) = store.events.write([event("new")], now_s=NOW_S)
    assert number > number_at(NOW_S + 4 * 3600)


def test_events_and_changes_are_apart(store: LiveStore) -> None:
    store.append([Change(kind="deny", key="a", value={}, by="ann", at_s=NOW_S)])
    position = store.snapshot().position
    store.events.write([event("a")], now_s=NOW_S)
    assert store.follow(position, 0.01) == []
    assert store.snapshot().position == position


def test_the_latest_checkpoint_is_kept(store: LiveStore, location: str) -> None:
    other = open_store(location)
    store.events.keep_checkpoint("trends", Checkpoint(20, b"\x00new"))
    other.events.keep_checkpoint("trends", Checkpoint(10, b"old"))
    other.events.keep_checkpoint("others", Checkpoint(1, b""))
    other.close()
    assert store.events.checkpoint("trends") == Checkpoint(20, b"\x00new")
    assert store.events.checkpoint("others") == Checkpoint(1, b"")
    assert [store.events.checkpoint_number(name) for name in ("trends", "others", "none")] == [20, 1, 0]


def test_what_was_taken_is_there_after_all_connections_ended(store: LiveStore, location: str) -> None:
    taken = store.events.write([event("a", event_id="1")], now_s=NOW_S)
    store.close()
    with pytest.raises(StoreUnavailableError):
        store.events.after(0, 1)
    again = open_store(location)
    assert [each.number for each in again.events.after(0, 10)] == taken
    assert again.events.write([event("a", event_id="1")], now_s=NOW_S) == [0]
    again.close()


def test_a_redis_that_would_lose_events_is_told_so(redis_server: RedisProcess) -> None:
    redis_server.start()
    store = open_store(redis_server.url)
    with pytest.raises(UnsupportedError, match="keeps nothing on its disk"):
        store.events.write([event("a")], now_s=NOW_S)
    assert store.events.after(0, 1) == []
    store.close()


def test_a_file_that_is_gone_takes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "live.sqlite"
    store = open_store(str(path))
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailableError, match="gone"):
        store.events.write([event("a")], now_s=NOW_S)
    (tmp_path / "elsewhere").rename(path)
    assert len(store.events.write([event("a")], now_s=NOW_S)) == 1
    store.close()
