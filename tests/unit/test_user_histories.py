"""What a process remembers of users' own queries, and for how long."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from prometheus_client import CollectorRegistry

from lm.errors import StoreUnavailableError
from service.live.changes import Change
from service.live.follower import Follower
from service.live.stores.sqlite_store import SqliteStore
from service.live.users.histories import HistoryLimits
from service.live.users.keys import UserKeys
from service.live.users.own import NOBODY, UserHistories
from service.telemetry.metrics import Metrics
from suggest.own import OwnQuery
from tests.service_twins import eventually

DAY_S = 24 * 3600.0
Kept = tuple[str, OwnQuery]
NOW_S = 1_800_000_000.0


class Store:
    """Keeps one history, and may be away."""

    def __init__(self, *queries: Kept) -> None:
        self.queries = list(queries)
        self.asked = 0
        self.up = True

    def of(self, user: str) -> list[Kept]:
        self.asked += 1
        if not self.up:
            raise StoreUnavailableError("down")
        return self.queries if user == UserKeys("s").of("ann") else []


class Setup:
    def __init__(self, store: Store | None, limits: HistoryLimits = HistoryLimits()) -> None:  # noqa: B008 -- immutable
        self.now_s = 100.0
        self.histories = UserHistories(
            store, UserKeys("s"), limits, clock=lambda: self.now_s, wall_clock=lambda: NOW_S + self.now_s
        )

    def texts(self, user: str = "ann", model: str = "shop") -> list[str]:
        return [query.text for query in self.histories.of(user, model).history.queries]


def kept(text: str, model: str = "shop", last_s: float = NOW_S) -> Kept:
    return model, OwnQuery(text, text.title(), last_s)


def test_a_history_is_read_once_a_second() -> None:
    store = Store(kept("a"))
    setup = Setup(store)
    assert setup.histories.at_hand("ann", "shop") is None
    assert setup.texts() == setup.texts() == ["a"]
    assert store.asked == 1
    store.queries.append(kept("b", last_s=NOW_S + 1))
    setup.now_s += 0.9
    assert setup.texts() == ["a"]
    setup.now_s += 0.1
    assert setup.histories.at_hand("ann", "shop") is None
    assert setup.texts() == ["b", "a"]


def test_users_models_and_contents_have_versions_and_nobody_has_none() -> None:
    store = Store(kept("a"), kept("a", "docs"))
    setup = Setup(store)
    versions = {setup.histories.of("ann", model).version for model in ("shop", "docs")}
    store.queries.append(kept("b"))
    setup.now_s += 1
    versions.add(setup.histories.of("ann", "shop").version)
    assert len(versions) == 3
    assert "" not in versions
    for user, model in (("bob", "shop"), ("ann", "other"), ("", "shop")):
        assert setup.histories.of(user, model) == NOBODY
    assert setup.histories.at_hand("", "shop") == NOBODY


def test_what_is_too_old_is_left_out() -> None:
    store = Store(kept("old", last_s=NOW_S - 2 * DAY_S), kept("new"))
    assert Setup(store, HistoryLimits(seconds=DAY_S)).texts() == ["new"]
    assert Setup(store, HistoryLimits(queries=0)).texts() == []
    assert Setup(None).texts() == []


def test_a_store_that_is_away_is_let_rest() -> None:
    store = Store(kept("a"))
    setup = Setup(store)
    store.up = False
    assert setup.texts() == setup.texts() == []
    assert store.asked == 1
    store.up = True
    assert setup.texts() == []
    setup.now_s += 1
    assert setup.texts() == ["a"]


def test_nobody_waits_long_behind_a_store_that_hangs() -> None:
    store = Store(kept("a"))
    setup, asked, go_on = Setup(store), threading.Event(), threading.Event()
    answer = store.of

    def hang(user: str) -> list[Kept]:
        asked.set()
        assert go_on.wait(20)
        return answer(user)

    store.of = hang  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(setup.texts)
        assert asked.wait(20)
        assert setup.texts() == []
        go_on.set()
        assert first.result() == ["a"]


def test_what_is_dropped_is_read_anew() -> None:
    store = Store(kept("a"))
    setup = Setup(store)
    setup.texts()
    store.queries.clear()
    setup.histories.drop()
    assert setup.texts() == []


def test_whoever_follows_the_log_learns_that_somebody_was_forgotten(tmp_path: Path) -> None:
    store, told = SqliteStore(tmp_path / "live.sqlite"), list[int]()
    follower = Follower(
        store,
        Metrics(CollectorRegistry()),
        clock=lambda: 0.0,
        wall_clock=lambda: NOW_S,
        on_forgotten=lambda: told.append(1),
    )
    store.append([Change(kind="other", key="a", value={}, by="", at_s=NOW_S)])
    follower.start()
    eventually(lambda: len(told) == 1)  # with the first snapshot: it may have been before
    store.append([Change(kind="other", key="a", value={}, by="", at_s=NOW_S)])
    store.append([Change(kind="forget", key="", value={}, by="", at_s=NOW_S)])
    eventually(lambda: len(told) == 2)
    follower.close()
    store.close()
