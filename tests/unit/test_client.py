"""What the client decides without a server: addresses, when to try again, which answers count."""

from __future__ import annotations

import grpc
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

from autocomplete_client import CallError, InvalidRequestError, OverloadedError, UnavailableError
from autocomplete_client.channel import target
from autocomplete_client.errors import from_status
from autocomplete_client.keystrokes import Answer, Keystrokes
from autocomplete_client.retry import Attempts
from lm.errors import OverloadedError as ServerOverloadedError
from lm.errors import RequestError
from service.rpc.status import internal_status, status_of

_RESPONSE = pb.StreamCompleteQueryResponse


class _Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def _overloaded(delay_s: float | None) -> CallError:
    return OverloadedError(grpc.StatusCode.RESOURCE_EXHAUSTED, "Busy.", retry_delay_s=delay_s)


def _unavailable() -> CallError:
    return UnavailableError(grpc.StatusCode.UNAVAILABLE, "Gone.")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:50051", "dns:///127.0.0.1:50051"),
        ("autocomplete.shop.svc:50051", "dns:///autocomplete.shop.svc:50051"),
        ("localhost:50051", "dns:///localhost:50051"),
        ("[::1]:50051", "dns:///[::1]:50051"),
        ("dns:///a:1", "dns:///a:1"),
        ("unix:/run/a.sock", "unix:/run/a.sock"),
        ("ipv4:10.0.0.1:1,10.0.0.2:1", "ipv4:10.0.0.1:1,10.0.0.2:1"),
    ],
)
def test_targets(address: str, expected: str) -> None:
    assert target(address) == expected


def test_the_servers_statuses_come_back_as_errors() -> None:
    refused = from_status(status_of(RequestError("query", "is long.", fault="TEXT_TOO_LONG", remedy="Cut it.")))
    busy = from_status(status_of(ServerOverloadedError("Busy.", retry_after_s=1.5)))
    broken = from_status(internal_status("abc"))

    assert isinstance(refused, InvalidRequestError)
    assert [(item.field, item.description) for item in refused.violations] == [("query", refused.message)]
    assert (refused.reason, refused.retry_delay_s) == ("TEXT_TOO_LONG", None)
    assert (type(busy), busy.reason, busy.retry_delay_s) == (OverloadedError, "OVERLOADED", 1.5)
    assert (broken.code, broken.reason, broken.from_service) == (grpc.StatusCode.INTERNAL, "", True)


def test_the_servers_delay_counts_and_no_try_comes_after_the_deadline() -> None:
    clock = _Clock()
    attempts = Attempts(3.0, clock=clock, jitter=lambda: 0.5)

    assert attempts.pause_s(_overloaded(1.0)) == pytest.approx(1.1)
    clock.now_s += 1.9
    assert attempts.left_s == pytest.approx(1.1)
    with pytest.raises(OverloadedError):
        attempts.pause_s(_overloaded(1.0))


def test_tries_are_few_even_if_the_delay_is_none() -> None:
    attempts = Attempts(60.0, jitter=lambda: 0.0)
    pauses = [attempts.pause_s(_overloaded(0.0)) for _ in range(3)]

    assert pauses == [0.1, 0.2, 0.4]
    with pytest.raises(OverloadedError):
        attempts.pause_s(_overloaded(0.0))


def test_what_names_no_delay_is_tried_again_only_by_who_backs_off() -> None:
    with pytest.raises(UnavailableError):
        Attempts(60.0).pause_s(_unavailable())
    with pytest.raises(InvalidRequestError):
        Attempts(60.0, back_off=True).pause_s(InvalidRequestError(grpc.StatusCode.INVALID_ARGUMENT, "Wrong."))

    with pytest.raises(CallError):
        Attempts(60.0, back_off=True).pause_s(from_status(internal_status("abc")))

    backing_off = Attempts(60.0, back_off=True, jitter=lambda: 0.5)
    assert [backing_off.pause_s(_unavailable()) for _ in range(5)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0])
    assert backing_off.pause_s(CallError(grpc.StatusCode.INTERNAL, "Internal error from Core")) == pytest.approx(1.0)


def test_an_answer_says_how_long_it_took() -> None:
    clock = _Clock()
    keystrokes = Keystrokes({"model": "shop", "max_suggestions": 3}, clock)
    keystrokes.type("ne")
    clock.now_s += 0.25

    assert keystrokes.config.config.model == "models/shop"
    answer = keystrokes.accept(_RESPONSE(sequence_number=1, is_final=True))
    assert answer is not None
    assert (answer.query, answer.latency_s) == ("ne", 0.25)


# what may happen in a session: a key (None), or the answer to the n-th keystroke, fast or final, perhaps twice
_EVENTS = st.lists(st.one_of(st.none(), st.tuples(st.integers(1, 8), st.booleans())), max_size=30)


@given(_EVENTS)
def test_only_the_newest_is_answered_and_nothing_after_its_final_answer(events: list[tuple[int, bool] | None]) -> None:
    keystrokes = Keystrokes({}, lambda: 0.0)
    typed, finished = 0, True
    for event in events:
        if event is None:
            typed, finished = typed + 1, False
            keystrokes.type(f"query {typed}")
            assert keystrokes.next_message().keystroke.sequence_number == typed
            continue
        number, final = event
        answer = keystrokes.accept(_RESPONSE(sequence_number=number, is_final=final))
        if number == typed and not finished:
            assert answer == Answer(query=f"query {typed}", is_final=final)
            finished = final
        else:
            assert answer is None
        assert keystrokes.waiting is not finished
