"""What counts for what is trending, and what does not."""

from __future__ import annotations

import zlib

import pytest

from service.live.events.event import Event, EventKind, number_at
from service.live.events.trends import KEPT_S, MAX_TRENDING, SETTLED_S, Trend, Trends

NOW_S = 1_800_000_000.0
HOUR_S = 3600.0


def count(query: str, user: str, *, number: int = 0, at_s: float = NOW_S, **fields: object) -> Event:
    """A submission; `user` is any text."""
    key = f"{int.from_bytes(user.encode()):08x}".ljust(16, "0")[:16] if user else ""
    values = {"kind": EventKind.SUBMISSION, "model": "shop", "number": number or number_at(at_s), **fields}
    return Event(query=query, user=key, at_s=at_s, **values)  # type: ignore[arg-type]


def shown(trends: Trends, now_s: float) -> list[Trend]:
    """What is trending, the heaviest first."""
    found = [trend for each in trends.trending(now_s).values() for trend in each.values()]
    return sorted(found, key=lambda trend: -trend.level)


def trending(trends: Trends, now_s: float) -> list[str]:
    return [each.written for each in shown(trends, now_s)]


def counted(*events: tuple[str, str], at_s: float = NOW_S, trends: Trends | None = None) -> Trends:
    trends = Trends() if trends is None else trends
    start = max(trends.number + 1, number_at(at_s))
    trends.take([count(query, user, number=start + place, at_s=at_s) for place, (query, user) in enumerate(events)])
    return trends


def test_a_query_is_trending_from_its_third_user_on() -> None:
    trends = counted(("new", "a"), ("new", "b"))
    assert trending(trends, NOW_S) == []
    counted(("new", "c"), trends=trends)
    assert trending(trends, NOW_S) == ["new"]
    assert trending(trends, NOW_S + 30 * HOUR_S) == []


def test_users_of_different_days_do_not_add_up() -> None:
    trends = counted(("new", "a"), ("new", "b"))
    counted(("new", "c"), at_s=NOW_S + 25 * HOUR_S, trends=trends)
    assert trending(trends, NOW_S + 25 * HOUR_S) == []


def test_one_user_moves_nothing_however_much_they_send() -> None:
    trends = counted(*[("mine", "a")] * 10_000)
    assert trending(trends, NOW_S) == []
    counted(*[(f"mine {number}", "a") for number in range(100)], trends=trends)
    assert trending(trends, NOW_S) == []
    counted(("mine", "b"), ("mine", "c"), *[("mine", "a")] * 10_000, trends=trends)
    (trend,) = shown(trends, NOW_S)
    assert 2.0 <= trend.amount <= 4.0


def test_events_without_a_user_count_as_one_user_and_show_nothing_new() -> None:
    trends = counted(*[("new", "")] * 1000)
    assert trending(trends, NOW_S) == []
    counted(("new", "a"), ("new", "b"), trends=trends)
    assert trending(trends, NOW_S) == []
    counted(("new", "c"), trends=trends)
    (trend,) = shown(trends, NOW_S)
    assert 3.0 <= trend.amount <= 5.5


def test_impressions_do_not_count() -> None:
    trends = Trends(least_users=1)
    trends.take([count("seen", "a", kind=EventKind.IMPRESSION)])
    assert trending(trends, NOW_S) == []


@pytest.mark.parametrize("hours", [1, 2, 5, 24, 1000])
def test_counts_fade(hours: int) -> None:
    trends = Trends(least_users=1, half_life_s=HOUR_S)
    for user in range(64):
        counted(("then", f"u{user}"), trends=trends)
    counted(("now", "a"), ("now", "b"), at_s=NOW_S + hours * HOUR_S, trends=trends)
    amounts = {each.written: each.amount for each in shown(trends, NOW_S + hours * HOUR_S)}
    expected = 64 * 0.5**hours if hours < 24 else 0.0
    assert amounts.get("then", 0.0) == pytest.approx(expected, rel=0.25)
    assert amounts["now"] == pytest.approx(2.0, rel=0.25)


def test_a_late_event_counts_where_its_time_says() -> None:
    trends = Trends(least_users=1)
    trends.take([count("late", f"u{user}", at_s=NOW_S - HOUR_S, number=number_at(NOW_S) + user) for user in range(64)])
    (trend,) = shown(trends, NOW_S)
    assert trend.amount == pytest.approx(32, rel=0.25)


def test_it_is_shown_as_most_write_it() -> None:
    written = ["iPhone 17", "iphone  17", "IPHONE 17", "iPhone 17", "iPhone 17", "iPhone-17", "iPhone 17"]
    trends = counted(*[(query, f"u{place}") for place, query in enumerate(written)])
    assert trending(trends, NOW_S) == ["iPhone 17"]


def test_what_is_shown_is_bounded() -> None:
    trends = Trends(least_users=1)
    counted(*[(f"query number {place}", "a") for place in range(MAX_TRENDING + 50)], trends=trends)
    assert len(trending(trends, NOW_S)) == MAX_TRENDING


def test_queries_that_are_about_as_frequent_do_not_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.live.events.trends.MAX_TRENDING", 2)
    trends = counted(*[(query, f"u{user}") for user in range(4) for query in ("a", "b")])
    assert {*trending(trends, NOW_S)} == {"a", "b"}
    counted(*[("c", f"u{user}") for user in range(5)], ("b", "u4"), trends=trends)
    assert {*trending(trends, NOW_S)} == {"a", "b"}
    assert {*trending(trends, NOW_S + KEPT_S)} == {"b", "c"}


def test_what_is_a_step_heavier_is_shown_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.live.events.trends.MAX_TRENDING", 1)
    trends = counted(*[("a", f"u{user}") for user in range(4)])
    assert trending(trends, NOW_S) == ["a"]
    counted(*[("c", f"u{user}") for user in range(7)], trends=trends)
    assert trending(trends, NOW_S) == ["c"]


def test_small_changes_wait_for_some_minutes() -> None:
    trends = counted(*[("a", f"u{user}") for user in range(4)])
    (before,) = shown(trends, NOW_S)
    counted(*[("a", f"v{user}") for user in range(2)], trends=trends)
    assert shown(trends, NOW_S) == [before]
    assert shown(trends, NOW_S + SETTLED_S) == [before._replace(level=before.level + 1)]
    counted(*[("a", f"w{user}") for user in range(12)], trends=trends)
    assert shown(trends, NOW_S + SETTLED_S)[0].level > before.level + 1


def test_it_is_shown_as_most_write_it_now() -> None:
    trends = counted(("iphone", "a"), ("iphone", "b"), ("iPhone", "c"))
    assert trending(trends, NOW_S) == ["iphone"]
    counted(("iPhone", "d"), ("iPhone", "e"), ("iPhone", "f"), trends=trends)
    assert trending(trends, NOW_S) == ["iPhone"]


def test_counts_of_other_settings_are_not_taken_over() -> None:
    packed = counted(("new", "a"), ("new", "b"), ("new", "c")).pack()
    assert not Trends(half_life_s=60).restore(packed)
    assert not Trends(least_users=2).restore(packed)


@pytest.mark.parametrize("data", [b"", b"none", zlib.compress(b""), zlib.compress(bytes(7) + b"\x02{}")])
def test_counts_of_a_later_release_are_not_taken_over(data: bytes) -> None:
    assert not Trends().restore(data)


def test_what_nobody_sends_any_more_is_dropped() -> None:
    trends = counted(("mine", "a"), ("ours", "a"), ("ours", "b"), ("often", "a"))
    counted(("ours", "c"), ("other", ""), at_s=NOW_S + 23 * HOUR_S, trends=trends)
    assert len(trends) == 4
    assert trending(trends, NOW_S + 23 * HOUR_S) == ["ours"]
    counted(("other", "b"), at_s=NOW_S + 25 * HOUR_S, trends=trends)
    assert len(trends) == 2
    assert b"mine" not in zlib.decompress(trends.pack())
    counted(("other", "b"), at_s=NOW_S + 99 * HOUR_S, trends=trends)
    assert len(trends) == 1


def test_what_fades_slowly_stays() -> None:
    trends = counted(("mine", "a"), trends=Trends(half_life_s=99 * HOUR_S))
    counted(("other", "b"), at_s=NOW_S + 99 * HOUR_S, trends=trends)
    assert len(trends) == 2
