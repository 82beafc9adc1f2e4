from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import grpc
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from lm.errors import ModelNotFoundError
from service.cache.answers import Answers, Tier
from service.cache.memory_cache import MemoryCache
from service.models.served_models import ServedModels
from service.ports import AnswerKey, ServingModel
from service.rpc.completer import Completer
from service.rpc.inbox import Keystroke
from service.rpc.keystrokes import KeystrokeAnswers
from service.rpc.session import Limits, Session
from service.rpc.turns import TurnQueue
from service.telemetry.metrics import Metrics
from suggest.budget import OptionalPart
from tests.service_twins import TwinModel

Request = pb.StreamCompleteQueryRequest
Response = pb.StreamCompleteQueryResponse
BUDGET_S = 0.05


class Models:
    """An in-memory twin of the registry of models: one that can be swapped."""

    def __init__(self, model: TwinModel) -> None:
        self.model = model

    def get(self, name: str) -> ServingModel:
        if name not in ("", self.model.name):
            raise ModelNotFoundError(f"No model {name!r}.")
        return self.model


class CallTwin:
    """An in-memory twin of a call: a test hands messages over and says when one has gone out."""

    def __init__(self) -> None:
        self.read: Callable[[bytes | None], None] | None = None
        self.on_sent: Callable[[bool], None] | None = None
        self.answers: list[Response] = []
        self.status: grpc.Status | None = None
        self.ended = False
        self.cancelled_with: grpc.StatusCode | None = None

    def receive(self, on_message: Callable[[bytes | None], None]) -> bool:
        assert self.read is None
        self.read = on_message
        return True

    def send(self, message: bytes, on_sent: Callable[[bool], None]) -> bool:
        assert self.on_sent is None
        assert not self.ended
        self.answers.append(Response.FromString(message))
        self.on_sent = on_sent
        return True

    def end(self, status: grpc.Status | None = None) -> None:
        assert self.on_sent is None
        assert not self.ended
        self.status, self.ended = status, True

    def cancel(self, code: grpc.StatusCode, _details: str) -> None:
        self.cancelled_with = code


class Room:
    """A session with all that it needs, worked by hand."""

    def __init__(self, model: TwinModel | None = None, tiers: Sequence[Tier] = (), **limits: Any) -> None:
        self.now_s = 100.0
        self.models = Models(model or TwinModel())
        self.metrics = Metrics(CollectorRegistry())
        self.turns = TurnQueue(BUDGET_S, self.clock)
        self.call = CallTwin()
        self.answers = KeystrokeAnswers(
            models=cast(ServedModels, self.models),
            completer=Completer(Answers(tiers, self.metrics), self.metrics),
            metrics=self.metrics,
            time_budget_s=BUDGET_S,
            clock=self.clock,
        )
        self.session = Session(
            self.call,
            answers=self.answers,
            turns=self.turns,
            limits=Limits(**limits),
            metrics=self.metrics,
            clock=self.clock,
        )
        self.session.start()
        self.hand_over(Request(config=Request.Config()))

    def clock(self) -> float:
        return self.now_s

    @property
    def reads(self) -> bool:
        return self.call.read is not None

    def hand_over(self, message: Request | bytes | None) -> None:
        read, self.call.read = self.call.read, None
        assert read is not None
        read(message.SerializeToString() if isinstance(message, Request) else message)

    def type(self, number: int, query: str = "new") -> None:
        self.hand_over(Request(keystroke=Request.Keystroke(sequence_number=number, query=query)))

    def play(self) -> bool:
        if not len(self.turns):
            return False
        player = self.turns.take()
        assert player is not None
        player.play()
        return True

    def went_out(self, success: bool = True) -> bool:
        on_sent, self.call.on_sent = self.call.on_sent, None
        if on_sent is None:
            return False
        on_sent(success)
        return True

    def settle(self) -> None:
        while self.play() or self.went_out():
            pass

    @property
    def numbers(self) -> list[tuple[int, bool]]:
        return [(answer.sequence_number, answer.is_final) for answer in self.call.answers]

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    def keystrokes(self, outcome: str) -> float:
        return self.count("autocomplete_stream_keystrokes_total", outcome=outcome)


def test_the_fast_answer_has_gone_out_before_the_refined_one_is_made() -> None:
    room = Room()
    room.type(1)
    assert room.play()
    assert room.numbers == [(1, False)]
    assert not room.play()
    room.went_out()
    assert room.play()
    assert room.numbers == [(1, False), (1, True)]
    first, last = (answer.completion for answer in room.call.answers)
    assert [each.text for each in first.suggestions] == [each.text for each in reversed(last.suggestions)]
    assert room.models.model.asked == [("new", False), ("new", True)]


def test_a_keystroke_supersedes_a_refined_answer_that_waits() -> None:
    room = Room()
    room.type(1)
    room.play()
    room.went_out()
    room.type(2)
    room.settle()
    assert room.numbers == [(1, False), (2, False), (2, True)]
    assert (room.keystrokes("superseded"), room.keystrokes("answered")) == (1, 1)


@pytest.mark.parametrize("parts", [(OptionalPart.NEURAL,), (OptionalPart.RERANKER,), tuple(OptionalPart)])
def test_a_refined_answer_whose_turn_comes_too_late_is_not_made(parts: tuple[OptionalPart, ...]) -> None:
    room = Room(TwinModel(refiners=parts))
    room.type(1)
    room.play()
    room.went_out()
    room.now_s += BUDGET_S + 0.01
    room.settle()
    assert room.numbers == [(1, False), (1, True)]
    fast, last = (answer.completion for answer in room.call.answers)
    assert (fast.degraded, last.degraded) == (False, True)
    assert fast.suggestions == last.suggestions
    assert room.models.model.asked == [("new", False)]
    for part in OptionalPart:
        left_out = room.count("autocomplete_degraded_answers_total", reason="overload", part=part.value)
        assert left_out == (part in parts)


def test_the_caches_are_asked_once_for_a_keystroke_that_is_refined() -> None:
    looks: list[AnswerKey] = []

    class Counting(MemoryCache):
        def get(self, key: AnswerKey) -> bytes | None:
            looks.append(key)
            return super().get(key)

    near, far = MemoryCache(max_entries=10, max_bytes=100_000), Counting(max_entries=10, max_bytes=100_000)
    room = Room(tiers=[Tier(name="process", cache=near), Tier(name="redis", cache=far, shared=True)])
    room.type(1)
    room.settle()
    assert room.numbers == [(1, False), (1, True)]
    for tier in ("process", "redis"):
        assert room.count("autocomplete_cache_lookups_total", tier=tier, outcome="miss") == 1
    assert len(looks) == 1
    room.type(2)
    room.settle()
    assert room.numbers[2:] == [(2, True)]
    assert room.call.answers[1].completion == room.call.answers[2].completion


def test_another_version_answers_from_the_next_keystroke_on() -> None:
    room = Room()
    room.type(1)
    room.play()
    room.models.model = TwinModel(version="20260202T000000Z")
    room.went_out()
    room.settle()
    room.type(2)
    room.settle()
    versions = [answer.completion.model_version for answer in room.call.answers]
    assert versions == ["20260101T000000Z"] * 2 + ["20260202T000000Z"] * 2


def test_a_caller_who_does_not_read_costs_no_more_than_one_answer_and_is_cut_off() -> None:
    room = Room(unread_s=10.0)
    for number in range(20):
        room.type(number)
        room.play()
    assert room.numbers == [(0, False)]
    room.now_s += 9.0
    room.session.look()
    assert room.call.cancelled_with is None
    room.now_s += 2.0
    room.session.look()
    assert room.call.cancelled_with is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert room.session.end_reason == "unread"
    room.went_out(success=False)
    room.session.abandon()
    assert not room.play()


def test_who_does_not_read_the_last_answers_is_cut_off_as_any_other() -> None:
    room = Room(unread_s=10.0)
    room.type(1)
    room.hand_over(None)
    room.play()
    room.now_s += 11.0
    room.session.look()
    assert room.call.cancelled_with is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert room.session.end_reason == "unread"


def test_a_caller_who_floods_is_read_slowly_and_then_not_at_all() -> None:
    room = Room(superseded=5, floods=3)

    def flood(first: int) -> int:
        number = first
        while room.reads:
            room.type(number)
            number += 1
        return number - first

    read = [flood(0)]
    for look in (1, 2):
        room.session.look()
        read.append(flood(100 * look))
    assert read == [6, 5, 5]  # the first one waits and supersedes nothing
    assert room.count("autocomplete_stream_throttles_total") == 3
    room.session.look()
    room.settle()
    assert not room.reads
    assert room.session.end_reason == "flood"
    assert room.call.status is not None
    assert room.call.status.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert room.models.model.asked == []


def test_who_pauses_after_a_burst_or_waits_for_answers_is_no_flood() -> None:
    room = Room(superseded=5, floods=2)
    for number in range(6):
        room.type(number)
    assert not room.reads
    room.session.look()
    assert room.reads
    for number in range(10, 100):
        room.type(number)
        room.settle()
        room.session.look()
    assert room.session.end_reason == ""
    assert room.numbers[-1] == (99, True)


def test_nonsense_is_refused_and_counts_as_a_flood() -> None:
    room = Room(superseded=5)
    room.type(7)
    room.settle()
    for _ in range(6):
        room.type(7)
    assert not room.reads
    room.settle()
    assert room.keystrokes("refused") == 6
    assert all(answer.error.code == 3 for answer in room.call.answers[2:])


def test_an_idle_session_ends_and_one_at_work_does_not() -> None:
    room = Room(idle_s=60.0)
    room.now_s += 50.0
    room.type(1)
    room.now_s += 50.0
    room.session.look()
    room.settle()
    assert not room.call.ended
    room.now_s += 11.0
    room.session.look()
    assert room.call.ended
    assert room.call.status is None
    assert room.session.end_reason == "idle"


def test_what_was_typed_before_the_end_is_still_answered() -> None:
    room = Room()
    room.type(1)
    room.hand_over(None)
    assert not room.call.ended
    room.settle()
    assert room.call.ended
    assert room.numbers == [(1, False), (1, True)]
    assert room.session.end_reason == "finished"


def test_a_server_that_stops_ends_sessions_after_what_they_are_at() -> None:
    idle, busy = Room(), Room()
    busy.type(1)
    busy.play()
    for room in (idle, busy):
        room.session.close()
    assert idle.call.ended
    assert not busy.call.ended
    busy.settle()
    assert busy.call.ended
    assert busy.numbers == [(1, False), (1, True)]
    assert (idle.session.end_reason, busy.session.end_reason) == ("stopped", "stopped")


@pytest.mark.parametrize("after", [False, True], ids=["caller goes on", "caller has finished"])
def test_an_unexpected_error_ends_the_session_as_internal(after: bool) -> None:
    model = TwinModel()
    model.failure = ZeroDivisionError()
    room = Room(model)
    room.type(1)
    if after:
        room.hand_over(None)
    room.settle()
    assert room.call.status is not None
    assert room.call.status.code is grpc.StatusCode.INTERNAL
    assert room.session.end_reason == "error"


def test_what_is_no_message_ends_the_session() -> None:
    room = Room()
    keystroke = Request(keystroke=Request.Keystroke(sequence_number=1, query="abc")).SerializeToString()
    room.hand_over(keystroke.replace(b"abc", b"a\xffc"))
    room.settle()
    assert room.call.status is not None
    assert room.call.status.code is grpc.StatusCode.INVALID_ARGUMENT


@settings(deadline=None)
@given(st.lists(st.sampled_from(["type", "play", "sent", "look", "wait"]), max_size=60), st.booleans())
def test_whatever_happens_each_keystroke_has_one_end_and_the_newest_is_answered(
    events: list[str], neural: bool
) -> None:
    room = Room(TwinModel(neural_kind="lstm" if neural else ""))
    typed = 0
    for event in events:
        if event == "type" and room.reads:
            typed += 1
            room.type(typed)
        elif event == "play":
            room.play()
        elif event == "sent":
            room.went_out()
        elif event == "look":
            room.session.look()
        elif event == "wait":
            room.now_s += 0.04
    room.settle()
    numbers = [number for number, _ in room.numbers]
    finals = [number for number, final in room.numbers if final]
    assert numbers == sorted(numbers)
    assert len(finals) == len(set(finals))
    assert finals[-1:] == ([typed] if typed else [])
    assert room.keystrokes("answered") == len(finals)
    assert room.keystrokes("answered") + room.keystrokes("superseded") == typed
    room.hand_over(None)
    assert room.call.ended


class Sized:
    """A completer whose answers have a given size."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload

    def find_query(self, *_: object) -> bytes:
        return self._payload


PAYLOADS = [
    pb.CompleteQueryResponse(normalized_query="x" * length).SerializeToString()
    for length in (0, 1, 120, 127, 128, 200, 16_383, 16_384, 70_000)
]


@pytest.mark.parametrize("payload", PAYLOADS, ids=len)
@pytest.mark.parametrize("number", [0, 1, 2**40, -1])
def test_an_answer_is_wrapped_as_protobuf_wraps_it(payload: bytes, number: int) -> None:
    room = Room()
    answers = KeystrokeAnswers(
        models=cast(ServedModels, room.models),
        completer=cast(Completer, Sized(payload)),
        metrics=room.metrics,
        time_budget_s=1.0,
        clock=room.clock,
    )
    message, owed = answers.first(Request.Config(), Keystroke(number, "q", 100.0))
    expected = Response(sequence_number=number, completion=pb.CompleteQueryResponse.FromString(payload), is_final=True)
    assert owed is None
    assert Response.FromString(message) == expected
