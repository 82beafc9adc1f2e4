"""What every store of the live state does: the SQLite file, and a real Redis of each kind."""

from __future__ import annotations

import gc
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lm.errors import ConfigError, StoreUnavailableError
from service.live.changes import Change, Position
from service.live.stores.store import LiveStore, open_store
from tests.redis_topologies import RedisWithSentinel


def change(key: str, value: object = "x", *, kind: str = "deny", by: str = "ann") -> Change:
    return Change(kind=kind, key=key, value=None if value is None else {"text": value}, by=by, at_s=1000.5)


def put(store: LiveStore, key: str, value: object = "x", *, expected: int = 0) -> int:
    taken = store.put(change(key, value), expected=expected)
    return 0 if taken is None else taken.number


def keys(changes: list[Change] | None) -> list[str]:
    assert changes is not None
    return [each.key for each in changes]


def test_an_empty_store_has_nothing(store: LiveStore) -> None:
    assert store.snapshot() == (Position("", 0), [])
    assert store.get("deny", "a") is None
    assert store.page("deny", count=10) == store.log(after=0, count=10) == []
    assert store.follow(Position("", 0), 0.01) == []


def test_changes_are_numbered_and_the_last_one_counts(store: LiveStore) -> None:
    assert [put(store, "a"), put(store, "b"), put(store, "a", "y", expected=1)] == [1, 2, 3]
    found = store.get("deny", "a")
    assert found == Change(kind="deny", key="a", value={"text": "y"}, by="ann", at_s=1000.5, number=3)
    position, state = store.snapshot()
    assert position.number == 3
    assert position.origin
    assert [(each.key, each.number) for each in state] == [("b", 2), ("a", 3)]
    assert [each.number for each in store.log(after=1, count=1)] == [2]
    assert keys(store.log(after=0, count=9)) == ["a", "b", "a"]


def test_what_another_has_changed_meanwhile_is_not_overwritten(store: LiveStore) -> None:
    assert put(store, "a") == 1
    assert put(store, "a", "mine") == 0
    assert put(store, "a", "mine", expected=7) == 0
    assert put(store, "none", None, expected=1) == 0
    assert keys(store.log(after=0, count=9)) == ["a"]
    assert put(store, "a", "mine", expected=1) == 2


def test_what_is_removed_is_gone_and_may_come_again(store: LiveStore) -> None:
    assert put(store, "a") == 1
    assert put(store, "a", None, expected=1) == 2
    assert store.get("deny", "a") is None
    assert store.page("deny", count=9) == store.snapshot().state == []
    assert store.snapshot().position.number == 2
    assert put(store, "a", "again") == 3
    assert [each.value for each in store.log(after=0, count=9)] == [{"text": "x"}, None, {"text": "again"}]


def test_kinds_are_apart(store: LiveStore) -> None:
    store.append([change("a"), change("a", kind="pin"), change("b", kind="pin")])
    assert keys(store.page("pin", count=9)) == ["b", "a"]
    assert keys(store.page("deny", count=9)) == ["a"]
    assert store.get("pin", "a") != store.get("deny", "a")


def test_pages_are_newest_first(store: LiveStore) -> None:
    store.append([change(f"k{number}") for number in range(25)])
    first = store.page("deny", count=10)
    second = store.page("deny", before=first[-1].number, count=10)
    last = store.page("deny", before=second[-1].number, count=10)
    assert keys(first + second + last) == [f"k{number}" for number in reversed(range(25))]


@pytest.mark.parametrize("text", ["", "ö 東京 \U0001f600 \u2028", 'quotes " and \\', "a\x00b\r\n", "x" * 5000])
def test_any_text_comes_back_as_it_was(store: LiveStore, text: str) -> None:
    taken = store.put(change(f"key {text}", text, by=text), expected=0)
    assert store.get("deny", f"key {text}") == taken == store.snapshot().state[0] == store.log(after=0, count=1)[0]
    assert taken is not None
    assert (taken.value, taken.by) == ({"text": text}, text)


def test_changes_are_followed_in_order_from_where_one_was(store: LiveStore, location: str) -> None:
    put(store, "before")
    position = store.snapshot().position
    assert store.follow(position, 0.01) == []
    writer = open_store(location)
    waiting: list[list[Change] | None] = []
    follower = threading.Thread(target=lambda: waiting.append(store.follow(position, 20.0)))
    follower.start()
    writer.append([change("c"), change("d")])
    follower.join(20)
    while waiting and waiting[0] == []:  # a Redis waits for a second at most
        waiting[0] = store.follow(position, 1.0)
    assert keys(waiting[0]) == ["c", "d"]
    assert store.follow(position._replace(number=3), 0.01) == []
    writer.append([change(f"many {number}") for number in range(1500)])
    found = list[str]()
    while more := store.follow(position._replace(number=3 + len(found)), 0.5):
        found += keys(more)
    assert found == [f"many {number}" for number in range(1500)]
    writer.close()


def test_a_position_of_another_history_needs_a_snapshot(store: LiveStore) -> None:
    put(store, "a")
    origin, number = store.snapshot().position
    assert store.follow(Position(origin, number + 1), 0.01) is None
    assert store.follow(Position("other", number), 0.01) is None
    assert store.follow(Position("", 0), 0.01) is None


def test_of_writers_at_once_one_wins_and_no_number_is_missing(store: LiveStore, location: str) -> None:
    def contend(writer: int) -> list[int]:
        own, won = open_store(location), []
        for round_ in range(10):
            taken = own.put(change(f"round {round_}", writer), expected=0)
            own.append([change(f"own {writer} {round_}")])
            won += [] if taken is None else [round_]
        own.close()
        return won

    with ThreadPoolExecutor(4) as pool:
        won = [round_ for each in pool.map(contend, range(4)) for round_ in each]
    assert sorted(won) == list(range(10))
    assert [each.number for each in store.log(after=0, count=1000)] == list(range(1, 51))
    assert len(store.snapshot().state) == 50


def test_all_read_one_secret_which_stays(store: LiveStore, location: str) -> None:
    def read(_: int) -> str:
        own = open_store(location)
        found = own.secret()
        own.close()
        return found

    with ThreadPoolExecutor(4) as pool:
        (secret,) = set(pool.map(read, range(4)))
    assert len(secret) == 64
    put(store, "a")
    assert store.secret() == secret
    assert secret not in str(store.snapshot()) + str(store.log(after=0, count=9))


def test_what_was_taken_is_there_after_all_connections_ended(store: LiveStore, location: str) -> None:
    put(store, "a")
    before = store.snapshot()
    store.close()
    again = open_store(location)
    assert again.snapshot() == before
    again.close()


def test_closing_ends_all_connections_for_good(location: str) -> None:
    def open_sockets() -> set[socket.socket]:
        return {each for each in gc.get_objects() if type(each) is socket.socket and each.fileno() >= 0}

    before = open_sockets()
    store = open_store(location)
    put(store, "a")
    store.follow(store.snapshot().position, 0.01)
    store.close()
    with pytest.raises(StoreUnavailableError):
        store.get("deny", "a")
    assert open_sockets() <= before


def test_a_change_is_taken_once_replicas_have_it(redis_sentinel: RedisWithSentinel) -> None:
    store = open_store(redis_sentinel.url, replicas=1)  # no append-only file is needed then
    taken = store.put(change("a"), expected=0)
    assert taken is not None
    assert store.append([change("b"), change("c")])[-1].number == 3
    redis_sentinel.replica.stop()
    with pytest.raises(StoreUnavailableError, match="0 of 1 replicas"):
        store.put(change("d"), expected=0)
    store.close()
    with pytest.raises(ConfigError, match="--live-replicas"):
        open_store("redis+cluster://127.0.0.1:1", replicas=1)
