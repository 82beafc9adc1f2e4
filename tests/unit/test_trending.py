"""Which cached answers change with what is trending, and what a thread makes of the events of a store."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from lm.errors import StoreUnavailableError
from service.live.events.event import Checkpoint, Event, EventLog
from service.live.events.trending import NO_TRENDS, ModelTrends, Trending
from service.live.events.trends import Trend, Trends
from service.live.stores.sqlite_store import SqliteStore
from service.telemetry.metrics import Metrics
from suggest.model import Model
from tests.service_twins import TwinModel, eventually
from tests.unit.test_trends import count

MINUTE = 30_000_000


def told(*trends: tuple[str, int], before: ModelTrends = NO_TRENDS, minute: int = MINUTE) -> ModelTrends:
    named = {written: Trend("twin", written, level) for written, level in trends}
    return before.with_trends(cast(Model, TwinModel("twin")), named, minute)


def test_nothing_trending_changes_no_key() -> None:
    assert NO_TRENDS.epoch("") == NO_TRENDS.epoch("sh") == told().epoch("sh") == ""
    assert told(("blocked", 3)).epoch("bl") == ""


@pytest.mark.parametrize("typed", ["", "s", "sh", "shoes", "shoes r", "red sh", "r", "reds", "redshoe", "*", "été"])
def test_a_trend_changes_the_keys_of_what_finds_it(typed: str) -> None:
    before = told(("other", 1))
    assert told(("other", 1), ("red shoes", 2), before=before).epoch(typed) != before.epoch(typed)


@pytest.mark.parametrize("typed", ["b", "bo", "boots", "ro", "o", "reb", "shoot", "shoest"])
def test_other_keys_stay_for_an_hour(typed: str) -> None:
    before = told(("other", 1))
    assert told(("other", 1), ("red shoes", 2), before=before).epoch(typed) == before.epoch(typed)
    assert told(("other", 1), before=before, minute=MINUTE + 60).epoch(typed) != before.epoch(typed)


def test_replicas_name_the_same_alike_however_they_came_to_it() -> None:
    one = told(("a b", 1), ("c", 2))
    other = told(("c", 2), ("a b", 1), before=told(("c", 4), ("d", 1), before=told(("a b", 1))))
    assert one.marks == other.marks
    assert {text: one.queries.get(text) for text in ("a b", "c", "d")} == {
        text: other.queries.get(text) for text in ("a b", "c", "d")
    }
    assert told(before=one).marks == {}


class _Away:
    """A store of events that is away until it is told otherwise."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.is_away = True

    def __getattr__(self, name: str) -> Any:
        if self.is_away:
            raise StoreUnavailableError("It is away.")
        return getattr(self.log, name)


def following(log: Any, least_users: int = 1) -> Trending:
    return Trending(
        log,
        lambda: [cast(Model, TwinModel("shop"))],
        Metrics(CollectorRegistry()),
        Trends(least_users=least_users),
        days=30,
        clock=time.monotonic,
        wall_clock=time.time,
    )


def events(*queries: str) -> list[Event]:
    return [count(query, "ann", at_s=time.time()) for query in queries]


def test_a_store_that_was_away_is_followed_once_it_is_back(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "live.sqlite")
    store.events.write(events("one", "two"), now_s=time.time())
    away = _Away(store.events)
    trending = following(away)
    trending.start()
    away.is_away = False
    eventually(lambda: set(trending.of("shop", TwinModel().version).texts) == {"one", "two"})
    trending.close()
    store.close()


def test_who_starts_begins_with_what_another_has_kept(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "live.sqlite")
    numbers = store.events.write(events("one", "two", "three"), now_s=time.time())
    kept = Trends(least_users=1)
    kept.take(store.events.after(0, 2))
    store.events.keep_checkpoint("trends", Checkpoint(numbers[1], kept.pack()))
    store.events.forget(count("", "ann").user)
    store.events.write(events("four"), now_s=time.time())
    trending = following(store.events)
    trending.start()
    eventually(lambda: set(trending.of("shop", TwinModel().version).texts) == {"one", "two", "four"})
    trending.close()
    store.close()


def test_what_was_kept_with_other_settings_is_counted_anew(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "live.sqlite")
    store.events.write(events("one"), now_s=time.time())
    kept = Trends(least_users=2)
    kept.take(store.events.after(0, 9))
    store.events.keep_checkpoint("trends", Checkpoint(kept.number, kept.pack()))
    trending = following(store.events)
    trending.start()
    eventually(lambda: set(trending.of("shop", TwinModel().version).texts) == {"one"})
    trending.close()
    store.close()
