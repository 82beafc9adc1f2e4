"""Callers that read nothing, with the clock passed in."""

from __future__ import annotations

from service.rpc.stalls import StallWatch


class Call:
    """An in-memory twin of the part of gRPC's context that is needed."""

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


def test_only_a_message_that_is_under_way_for_too_long_ends_its_call() -> None:
    now_s = [0.0]
    watch = StallWatch(1000.0, lambda: now_s[0])
    slow, stuck = Call(), Call()
    slow_messages, stuck_messages = watch.sent(slow, iter("abc")), watch.sent(stuck, iter("abc"))
    assert (next(slow_messages), next(stuck_messages)) == ("a", "a")
    now_s[0] = 900.0
    assert watch.end_stalled()
    assert next(slow_messages) == "b"
    now_s[0] = 1000.0
    assert watch.end_stalled()
    assert (slow.cancelled, stuck.cancelled) == (False, True)


def test_nothing_is_watched_once_all_is_sent_or_given_up() -> None:
    watch = StallWatch(1000.0, lambda: 0.0)
    assert list(watch.sent(Call(), iter("ab"))) == ["a", "b"]
    given_up = watch.sent(Call(), iter("ab"))
    next(given_up)
    given_up.close()  # type: ignore[attr-defined]
    assert not watch.end_stalled()
