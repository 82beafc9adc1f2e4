"""Callers that read nothing, with the clock passed in."""

from __future__ import annotations

import threading

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


def test_a_message_that_comes_just_as_the_watch_ends_gets_a_watch_of_its_own_and_no_second_one() -> None:
    watch = StallWatch(1000.0, lambda: 0.0)
    late = watch.sent(Call(), iter("a"))

    class Unlocked:
        """A lock after whose release the message comes."""

        def __enter__(self) -> None:
            watch._lock = threading.Lock()
            watch._lock.acquire()

        def __exit__(self, *_: object) -> None:
            watch._lock.release()
            next(late)

    watch._lock = Unlocked()  # type: ignore[assignment]
    assert not watch.end_stalled()
    assert watch.end_stalled()
