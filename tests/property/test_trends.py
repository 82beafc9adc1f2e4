"""Trends against a naive count over all events, and what replicas make of the same events."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from service.live.events.event import Event, EventKind, number_at
from service.live.events.trends import KEPT_S, Trends
from tests.unit.test_trends import count, shown, trending

START_S = 1_800_000_000.0
HALF_LIFE_S = 1800.0
QUERIES = ["shoes", "Shoes", "red shoes", "café", "cafe", "a-b", "a b"]
NAMES = {"shoes": "shoes", "Shoes": "shoes", "café": "cafe", "a-b": "a b"}


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    at_s, events = START_S, list[Event]()
    for _ in range(draw(st.integers(0, 60))):
        at_s += draw(st.sampled_from([0.0, 1.0, 600.0, 3600.0, 20_000.0]))
        query, user = draw(st.sampled_from(QUERIES)), draw(st.sampled_from(["", "u", "v", "w", "x"]))
        events.append(
            Event(
                kind=draw(st.sampled_from([EventKind.IMPRESSION, EventKind.SELECTION, EventKind.SUBMISSION])),
                at_s=at_s - draw(st.sampled_from([-200.0, 0.0, 0.0, 50.0, 90_000.0])),
                model=draw(st.sampled_from(["shop", "films"])),
                query=query,
                user=user and f"{ord(user):08x}{0:08x}",
                number=number_at(at_s) + len(events),
            )
        )
    return events


def naive(events: Sequence[Event], now_s: float, least_users: int) -> dict[tuple[str, str], float]:
    """What is trending, told from the whole stream at once."""
    tick_s = now_s // 60 * 60
    counts, users, counted = dict[tuple[str, str], float](), dict[tuple[str, str], dict[str, float]](), set[object]()
    for event in events:
        key = event.model, NAMES.get(event.query, event.query)
        hour = key, event.user, int(event.taken_s // 3600)
        if event.kind is EventKind.IMPRESSION or hour in counted:
            continue
        counted.add(hour)
        at_s = min(event.at_s, event.taken_s)
        counts[key] = counts.get(key, 0.0) + 2 ** ((at_s - tick_s) / HALF_LIFE_S)
        if event.user:
            latest = users.setdefault(key, {})
            latest[event.user] = max(latest.get(event.user, 0.0), at_s)
    return {
        key: amount
        for key, amount in counts.items()
        if amount >= 0.5 and sum(int(at_s) > tick_s - 86_400 for at_s in users.get(key, {}).values()) >= least_users
    }


@settings(deadline=None, max_examples=60)
@given(events=streams(), later_s=st.sampled_from([0.0, 100.0, 4000.0, 90_000.0]), least_users=st.integers(1, 3))
def test_it_counts_as_the_whole_stream_says(events: list[Event], later_s: float, least_users: int) -> None:
    now_s = (events[-1].taken_s if events else START_S) + later_s
    trends = Trends(half_life_s=HALF_LIFE_S, least_users=least_users)
    trends.take(events)
    found = {(each.model, NAMES.get(each.written, each.written)): each for each in shown(trends, now_s)}
    expected = naive(events, now_s, least_users)
    assert found.keys() == expected.keys()
    for key, trend in found.items():
        assert math.isclose(math.log(trend.amount), math.log(expected[key]), abs_tol=math.log(1.5) / 2 + 1e-6)


@settings(deadline=None, max_examples=40)
@given(events=streams(), data=st.data())
def test_replicas_agree_however_the_stream_reaches_them(events: list[Event], data: st.DataObject) -> None:
    whole, parts = Trends(slots=256), Trends(slots=256)
    whole.take(events)
    left = 0
    while left < len(events):
        size = data.draw(st.integers(1, 20))
        parts.take(events[max(left - 3, 0) : left + size])  # some of them once more
        left += size
        if data.draw(st.booleans()):
            restored = Trends(slots=256)
            assert restored.restore(parts.pack())
            parts = restored
    now_s = events[-1].taken_s if events else START_S
    assert whole.trending(now_s) == parts.trending(now_s)
    assert whole.number == parts.number


@settings(deadline=None, max_examples=40)
@given(events=streams(), data=st.data())
def test_looks_in_between_are_forgotten_after_an_hour(events: list[Event], data: st.DataObject) -> None:
    trends, unseen = Trends(most=5), Trends(most=5)
    for event in events:
        for each in (trends, unseen):
            each.take([event])
        if data.draw(st.booleans()):
            trends.trending(event.taken_s)
    now_s = max((event.taken_s for event in events), default=START_S) + KEPT_S
    assert trends.trending(now_s) == unseen.trending(now_s)


@settings(deadline=None, max_examples=40)
@given(most=st.integers(1, 20), size=st.integers(0, 100))
def test_memory_is_bounded_and_the_heaviest_stay(most: int, size: int) -> None:
    trends = Trends(least_users=1, most=most, slots=256)
    number = number_at(START_S)
    for place in range(size):
        for user in range(3 if place == 0 else 1):
            number += 1
            trends.take([count(f"query {place}", f"{user + 1}", number=number, at_s=START_S)])
    assert len(trends) <= most + most // 4 + 1
    assert not size or trending(trends, START_S)[0] == "query 0"
