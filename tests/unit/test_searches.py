from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry

from service.live.events.event import Event, EventKind
from service.live.events.online_metrics import OnlineMetrics
from service.live.events.searches import PATIENCE_S, Outcome, Search, Searches
from service.telemetry.metrics import Metrics
from training.evaluation.metrics import keystrokes

_SHOWN = (("new york", "history"), ("new york times", "generated"))


def event(kind: EventKind, at_s: float = 0.0, query: str = "new york", **fields: Any) -> Event:
    return Event(kind=kind, at_s=at_s, query=query, **{"model": "m", "version": "1", "user": "ann", **fields})


def shown(at_s: float = 0.0, query: str = "new", **fields: Any) -> Event:
    return event(EventKind.IMPRESSION, at_s, query, **{"shown": _SHOWN, **fields})


def selected(at_s: float = 0.0, place: int = 0, typed: int = 3, **fields: Any) -> Event:
    return event(EventKind.SELECTION, at_s, place=place, typed_length=typed, **fields)


def submitted(at_s: float = 0.0, query: str = "new york", **fields: Any) -> Event:
    return event(EventKind.SUBMISSION, at_s, query, **fields)


def searches(events: Iterable[Event]) -> list[Search]:
    building = Searches()
    return [search for each in events for search in building.add(each)] + list(building.rest())


def test_what_a_user_does_until_a_query_is_sent_is_one_search() -> None:
    (search,) = searches([shown(0, "n"), shown(1, "ne", version="2"), selected(2, place=1, version="")])
    assert (search.outcome, search.version, search.rank, search.source) == (Outcome.ACCEPTED, "2", 2, "generated")
    assert (search.reciprocal_rank, search.letters_saved, search.who, search.user) == (0.5, 4, "ann", "ann")


def test_searches_of_different_users_sessions_and_models_are_apart() -> None:
    others: list[dict[str, Any]] = [{"user": "bob"}, {"session": "other"}, {"model": "n"}]
    found = searches([shown(), *(shown(1, shown=(), **each) for each in others), submitted(2)])
    assert [(search.outcome, search.is_empty) for search in found] == [
        (Outcome.SUBMITTED, False),
        *[(Outcome.ABANDONED, True)] * 3,
    ]


def test_a_search_that_nothing_follows_is_abandoned() -> None:
    late = PATIENCE_S + 1
    found = searches([shown(0, "new "), shown(5, user="bob"), submitted(late, "old")])
    assert [(each.who, each.outcome, each.query, each.sources is None) for each in found] == [
        ("ann", Outcome.ABANDONED, "new", False),
        ("ann", Outcome.SUBMITTED, "old", True),
        ("bob", Outcome.ABANDONED, "new", False),
    ]


def test_without_user_and_session_each_query_is_a_search_of_its_own() -> None:
    anybody: dict[str, Any] = {"user": "", "session": ""}
    found = searches([shown(**anybody), submitted(1, **anybody, number=7), submitted(2, **anybody, number=8)])
    assert [(each.who, each.user, each.sources) for each in found] == [("#7", "", None), ("#8", "", None)]


def test_more_letters_than_the_query_has_save_none() -> None:
    (search,) = searches([selected(typed=1_000_000)])
    assert search.letters_saved == 0


def test_saved_letters_are_those_of_the_offline_measure() -> None:
    query = "new york"
    for at in range(len(query)):
        (search,) = searches([selected(typed=at)])
        pressed = keystrokes(query, lambda typed, at=at: 1 if len(typed) >= at else 0)  # type: ignore[misc]
        assert search.letters_saved == len(query) - pressed
    assert searches([submitted()])[0].letters_saved == len(query) - keystrokes(query, lambda _typed: 0)


def test_the_server_counts_what_it_takes() -> None:
    metrics = Metrics(CollectorRegistry())
    online = OnlineMetrics(metrics, lambda model: ("1", "2") if model == "m" else ())

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"autocomplete_{name}_total", {"model": "m", "version": "1"} | labels)

    taken = dataclasses.replace(selected(place=1), shown=_SHOWN)
    online.count(
        [shown(), shown(shown=()), taken, selected(place=14), submitted(), shown(version="9"), shown(model="x")]
    )
    assert (value("shown_lists", outcome="filled"), value("shown_lists", outcome="empty")) == (1, 1)
    assert value("shown_lists", outcome="filled", version="other") == 1
    assert value("shown_lists", outcome="filled", model="other", version="other") == 1
    assert value("shown_suggestions", source="history", position="1") == 1
    assert value("shown_suggestions", source="generated", position="2") == 1
    assert value("accepted_suggestions", source="generated", position="2") == 1
    assert value("accepted_suggestions", source="other", position="11+") == 1
    assert (value("searches", outcome="accepted"), value("searches", outcome="submitted")) == (2, 1)
    assert value("reciprocal_ranks") == 1 / 2 + 1 / 15
    assert (value("query_letters"), value("saved_letters")) == (24, 8)
