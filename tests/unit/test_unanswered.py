from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.live.events import unanswered
from service.live.events.event import Event, EventKind
from service.live.events.searches import Outcome, Search
from service.live.events.unanswered import RECENT_DAYS, Lack, RecentUnanswered, UnansweredQueries, listed
from service.live.stores.sqlite_store import SqliteStore

_DAY_S = 86_400.0


def search(query: str, user: str, outcome: Outcome = Outcome.SUBMITTED, *, empty: bool = False) -> Search:
    return Search(
        model="m",
        version="1",
        who=user or "session",
        user=user,
        outcome=outcome,
        query=query,
        rank=1 if outcome is Outcome.ACCEPTED else 0,
        typed=None,
        sources=() if empty else ("history",),
        ended_s=0.0,
    )


def test_only_queries_of_enough_known_users_are_listed() -> None:
    queries = UnansweredQueries()
    for number in range(3):
        queries.add(search("red hat", f"u{number}"))
        queries.add(search("only two", f"u{number % 2}"))
        queries.add(search("nobody", ""))
        queries.add(search("found", f"u{number}", Outcome.ACCEPTED))
        queries.add(search("left", f"u{number}", Outcome.ABANDONED))
        queries.add(search("left for nothing", f"u{number}", Outcome.ABANDONED, empty=True))
        queries.add(search("sent for nothing", f"u{number}", empty=True))
    queries.add(search("sent for nothing", "u0", empty=True))
    found = {lack: [each[1:] for each in listed([queries], lack, min_users=3)] for lack in Lack}
    assert found == {
        Lack.ACCEPTED: [("red hat", 3, 3)],
        Lack.SUGGESTED: [("sent for nothing", 4, 3), ("left for nothing", 3, 3)],
    }
    assert listed([queries], Lack.ACCEPTED, min_users=3, model="other") == []


def test_its_memory_is_bounded_and_the_frequent_stay() -> None:
    queries = UnansweredQueries(most=100, most_users=5)
    for number in range(5000):
        queries.add(search("frequent", f"u{number}"))
        queries.add(search(f"rare {number}", "u"))
        assert sum(1 for _ in queries.counted(Lack.ACCEPTED)) <= 100
    assert listed([queries], Lack.ACCEPTED, min_users=2) == [("m", "frequent", 5000, 5)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "live.sqlite")
    yield opened
    opened.close()


def sent(store: SqliteStore, at_s: float, *users: str, query: str = "red hat") -> None:
    events = [Event(kind=EventKind.SUBMISSION, at_s=at_s, model="m", query=query, user=user) for user in users]
    store.events.write(events, now_s=at_s)


def test_it_reads_on_and_forgets_what_is_too_long_ago(store: SqliteStore) -> None:
    now_s = [100 * _DAY_S]
    recent = RecentUnanswered(store.events, lambda: now_s[0])

    def found() -> list[tuple[str, int, int]]:
        rows, more = recent.listed("m", Lack.ACCEPTED, min_users=2)
        assert not more
        return [row[1:] for row in rows]

    sent(store, now_s[0] - (RECENT_DAYS + 1) * _DAY_S, "a", "b", query="old")
    sent(store, now_s[0], "a")
    assert found() == []
    sent(store, now_s[0], "b")
    assert found() == [("red hat", 2, 2)]
    now_s[0] += (RECENT_DAYS - 1) * _DAY_S
    sent(store, now_s[0], "c")
    assert found() == [("red hat", 3, 3)]
    now_s[0] += _DAY_S
    assert found() == []


def test_a_call_reads_a_part_of_many_and_says_so(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unanswered, "_MOST_READ", 2000)
    for _ in range(3):
        sent(store, 100 * _DAY_S, *(f"u{number}" for number in range(1000)))
    recent = RecentUnanswered(store.events, lambda: 100 * _DAY_S)
    reads = [recent.listed("m", Lack.ACCEPTED, min_users=2) for _ in range(2)]
    assert [(rows[0].searches, more) for rows, more in reads] == [(2000, True), (3000, False)]
