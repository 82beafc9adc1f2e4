from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, cast

import grpc
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from lm.errors import ModelNotFoundError, OverloadedError, RequestError
from service.cache.answers import Answers, MemoryCache
from service.cache.redis_cache import RedisCache
from service.live.models import LiveModels
from service.models.served_models import ServedModels
from service.rpc.admission import Job, Threads
from service.rpc.completer import Completer
from service.rpc.keystrokes import KeystrokeAnswers, Turns
from service.rpc.requests import Defaults
from service.rpc.session import Limits, Session
from service.rpc.status import StatusError
from service.telemetry.metrics import Metrics
from suggest.budget import OptionalPart
from suggest.model import Model
from tests.service_twins import TwinModel, no_live_state

Request = pb.StreamCompleteQueryRequest
Response = pb.StreamCompleteQueryResponse
BUDGET_S = 0.05


class Models:
    """An in-memory twin of the registry of models: one that can be swapped."""

    def __init__(self, model: TwinModel) -> None:
        self.model = model

    def any_user(self) -> str:
        return "anybody"

    def get(self, name: str, user: str | None = None) -> Model:  # noqa: ARG002
        if name not in ("", self.model.name):
            raise ModelNotFoundError(f"No model {name!r}.")
        return self.model


class ContextTwin:
    """An in-memory twin of a call's context: a test hands messages over and says when one has gone out."""

    def __init__(self) -> None:
        self.reading: asyncio.Future[object] | None = None
        self.writing: asyncio.Future[None] | None = None
        self.answers: list[Response] = []
        self.is_finished = False

    async def read(self) -> object:
        if self.is_finished:
            return grpc.aio.EOF
        assert self.reading is None
        self.reading = asyncio.get_running_loop().create_future()
        return await self.reading

    async def write(self, message: bytes) -> None:
        assert self.writing is None
        self.answers.append(Response.FromString(message))
        self.writing = asyncio.get_running_loop().create_future()
        await self.writing


class Inline(Threads):
    """Does work where it is handed in."""

    def __init__(self) -> None:
        super().__init__(0, "none")

    def submit(self, work: Callable[..., Any], /, *args: Any) -> Job:
        job = Job(asyncio.get_running_loop().create_future(), work)
        try:
            job.settle(work(*args), None)
        except Exception as error:
            job.settle(None, error)
        return job


class Room:
    """A session with all that it needs, worked by hand. Its only thread is free while the test says `play`."""

    def __init__(
        self,
        model: TwinModel | None = None,
        near: MemoryCache | None = None,
        far: MemoryCache | None = None,
        **limits: Any,
    ) -> None:
        self.now_s = 100.0
        self.models = Models(model or TwinModel())
        self.metrics = Metrics(CollectorRegistry())
        self.turns = Turns(Inline(), 1, BUDGET_S, self.clock)
        self.context = ContextTwin()
        answers = Answers(self.metrics, near, cast(RedisCache | None, far))
        self.answers = KeystrokeAnswers(
            models=LiveModels(cast(ServedModels, self.models), no_live_state(self.metrics)),
            completer=Completer(answers, self.metrics, Defaults()),
            metrics=self.metrics,
            time_budget_s=BUDGET_S,
            clock=self.clock,
        )
        self.session = Session(
            self.context,
            answers=self.answers,
            turns=self.turns,
            limits=Limits(**limits),
            metrics=self.metrics,
            clock=self.clock,
        )
        self.loop = asyncio.new_event_loop()
        self.do(self.turns.ask)
        self.run = self.loop.create_task(self.session.run())
        self.hand_over(Request(config=Request.Config()))

    def clock(self) -> float:
        return self.now_s

    def do(self, work: Callable[[], object]) -> None:
        """Has the loop do something, and whatever follows from it."""

        async def done() -> None:
            work()
            for _ in range(20):
                await asyncio.sleep(0)

        self.loop.run_until_complete(done())

    @property
    def reads(self) -> bool:
        return self.context.reading is not None

    @property
    def ended(self) -> bool:
        return self.run.done()

    @property
    def error(self) -> BaseException | None:
        """What the session ended with; None if it ended well."""
        return self.run.exception()

    def hand_over(self, message: Request | bytes | None) -> None:
        read, self.context.reading = self.context.reading, None
        if read is None:  # the session has only just begun to read
            self.do(lambda: None)
            read, self.context.reading = self.context.reading, None
        assert read is not None
        self.context.is_finished = message is None
        given = (
            grpc.aio.EOF if message is None else message if isinstance(message, bytes) else message.SerializeToString()
        )
        self.do(lambda: read.set_result(given))

    def type(self, number: int, query: str = "new") -> None:
        self.hand_over(Request(keystroke=Request.Keystroke(sequence_number=number, query=query)))

    def look(self) -> None:
        self.do(self.session.look)

    def play(self) -> bool:
        if not len(self.turns):
            return False

        def lend() -> None:
            self.turns.give_back()
            self.turns.ask()  # is ours again once the session gives it back

        self.do(lend)
        return True

    def went_out(self) -> bool:
        written, self.context.writing = self.context.writing, None
        if written is None or written.done():
            return False
        self.do(lambda: written.set_result(None))
        return True

    def settle(self) -> None:
        while self.play() or self.went_out():
            pass

    def leave(self) -> None:
        """The caller leaves, if the session has not ended."""
        self.do(self.run.cancel)
        assert self.ended
        if not self.run.cancelled():
            self.run.exception()
        self.loop.close()

    @property
    def numbers(self) -> list[tuple[int, bool]]:
        return [(answer.sequence_number, answer.is_final) for answer in self.context.answers]

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    def keystrokes(self, outcome: str) -> float:
        return self.count("autocomplete_stream_keystrokes_total", outcome=outcome)


NewRoom = Callable[..., Room]


@pytest.fixture
def new_room() -> Iterator[NewRoom]:
    """Makes rooms, and has their callers leave in the end."""
    rooms: list[Room] = []

    def make(*given: Any, **limits: Any) -> Room:
        rooms.append(Room(*given, **limits))
        return rooms[-1]

    yield make
    for room in rooms:
        room.leave()


def test_the_fast_answer_has_gone_out_before_the_refined_one_is_made(new_room: NewRoom) -> None:
    room = new_room()
    room.type(1)
    assert room.play()
    assert room.numbers == [(1, False)]
    assert not room.play()
    room.went_out()
    assert room.play()
    assert room.numbers == [(1, False), (1, True)]
    first, last = (answer.completion for answer in room.context.answers)
    assert [each.text for each in first.suggestions] == [each.text for each in reversed(last.suggestions)]
    assert room.models.model.asked == [("new", False), ("new", True)]


def test_a_keystroke_supersedes_a_refined_answer_that_waits(new_room: NewRoom) -> None:
    room = new_room()
    room.type(1)
    room.play()
    room.went_out()
    room.type(2)
    room.settle()
    assert room.numbers == [(1, False), (2, False), (2, True)]
    assert (room.keystrokes("superseded"), room.keystrokes("answered")) == (1, 1)


@pytest.mark.parametrize("parts", [(OptionalPart.NEURAL,), (OptionalPart.RERANKER,), tuple(OptionalPart)])
def test_a_refined_answer_whose_turn_comes_too_late_is_not_made(
    new_room: NewRoom, parts: tuple[OptionalPart, ...]
) -> None:
    room = new_room(TwinModel(refiners=parts))
    room.type(1)
    room.play()
    room.went_out()
    room.now_s += BUDGET_S + 0.01
    room.settle()
    assert room.numbers == [(1, False), (1, True)]
    fast, last = (answer.completion for answer in room.context.answers)
    assert (fast.degraded, last.degraded) == (False, True)
    assert fast.suggestions == last.suggestions
    assert room.models.model.asked == [("new", False)]
    for part in OptionalPart:
        left_out = room.count("autocomplete_degraded_answers_total", reason="overload", part=part.value)
        assert left_out == (part in parts)


def test_the_caches_are_asked_once_for_a_keystroke_that_is_refined(new_room: NewRoom) -> None:
    looks: list[bytes] = []

    class Counting(MemoryCache):
        def get(self, key: bytes) -> bytes | None:
            looks.append(key)
            return super().get(key)

    near, far = MemoryCache(max_entries=10, max_bytes=100_000), Counting(max_entries=10, max_bytes=100_000)
    room = new_room(near=near, far=far)
    room.type(1)
    room.settle()
    assert room.numbers == [(1, False), (1, True)]
    for tier in ("process", "redis"):
        assert room.count("autocomplete_cache_lookups_total", tier=tier, outcome="miss") == 1
    assert len(looks) == 1
    room.type(2)
    room.settle()
    assert room.numbers[2:] == [(2, True)]
    assert room.context.answers[1].completion == room.context.answers[2].completion


def test_another_version_answers_from_the_next_keystroke_on(new_room: NewRoom) -> None:
    room = new_room()
    room.type(1)
    room.play()
    room.models.model = TwinModel(version="20260202T000000Z")
    room.went_out()
    room.settle()
    room.type(2)
    room.settle()
    versions = [answer.completion.model_version for answer in room.context.answers]
    assert versions == ["20260101T000000Z"] * 2 + ["20260202T000000Z"] * 2


def test_a_caller_who_does_not_read_costs_no_more_than_one_answer_and_is_cut_off(new_room: NewRoom) -> None:
    room = new_room(unread_s=10.0)
    for number in range(20):
        room.type(number)
        room.play()
    assert room.numbers == [(0, False)]
    room.now_s += 9.0
    room.look()
    assert not room.ended
    room.now_s += 2.0
    room.look()
    assert isinstance(room.error, StatusError)
    assert room.error.status.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert room.session.end_reason == "unread"
    assert not room.play()


def test_who_does_not_read_the_last_answers_is_cut_off_as_any_other(new_room: NewRoom) -> None:
    room = new_room(unread_s=10.0)
    room.type(1)
    room.hand_over(None)
    room.play()
    room.now_s += 11.0
    room.look()
    assert isinstance(room.error, StatusError)
    assert room.session.end_reason == "unread"


def test_a_caller_who_floods_is_read_slowly_and_then_not_at_all(new_room: NewRoom) -> None:
    room = new_room(superseded=5, floods=3)

    def flood(first: int) -> int:
        number = first
        while room.reads:
            room.type(number)
            number += 1
        return number - first

    read = [flood(0)]
    for look in (1, 2):
        room.look()
        read.append(flood(100 * look))
    assert read == [6, 5, 5]  # the first one waits and supersedes nothing
    assert room.count("autocomplete_stream_throttles_total") == 3
    room.look()
    room.settle()
    assert not room.reads
    assert room.session.end_reason == "flood"
    assert isinstance(room.error, OverloadedError)
    assert room.models.model.asked == []


def test_who_pauses_after_a_burst_or_waits_for_answers_is_no_flood(new_room: NewRoom) -> None:
    room = new_room(superseded=5, floods=2)
    for number in range(6):
        room.type(number)
    assert not room.reads
    room.look()
    assert room.reads
    for number in range(10, 100):
        room.type(number)
        room.settle()
        room.look()
    assert room.session.end_reason == ""
    assert room.numbers[-1] == (99, True)


def test_nonsense_is_refused_and_counts_as_a_flood(new_room: NewRoom) -> None:
    room = new_room(superseded=5)
    room.type(7)
    room.settle()
    for _ in range(7):
        room.type(7)
    assert not room.reads
    room.settle()
    assert room.keystrokes("refused") == 7
    assert all(answer.error.code == 3 for answer in room.context.answers[2:])


def test_an_idle_session_ends_and_one_at_work_does_not(new_room: NewRoom) -> None:
    room = new_room(idle_s=60.0)
    room.now_s += 50.0
    room.type(1)
    room.now_s += 50.0
    room.look()
    room.settle()
    assert not room.ended
    room.now_s += 11.0
    room.look()
    assert room.ended
    assert room.error is None
    assert room.session.end_reason == "idle"


def test_what_was_typed_before_the_end_is_still_answered(new_room: NewRoom) -> None:
    room = new_room()
    room.type(1)
    room.hand_over(None)
    assert not room.ended
    room.settle()
    assert room.ended
    assert room.numbers == [(1, False), (1, True)]
    assert room.session.end_reason == "finished"


def test_a_server_that_stops_ends_sessions_after_what_they_are_at(new_room: NewRoom) -> None:
    idle, busy = new_room(), new_room()
    busy.type(1)
    busy.play()
    for room in (idle, busy):
        room.do(room.session.close)
    assert idle.ended
    assert not busy.ended
    busy.settle()
    assert busy.ended
    assert busy.numbers == [(1, False), (1, True)]
    assert (idle.session.end_reason, busy.session.end_reason) == ("stopped", "stopped")


@pytest.mark.parametrize("after", [False, True], ids=["caller goes on", "caller has finished"])
def test_an_unexpected_error_ends_the_session_as_internal(new_room: NewRoom, after: bool) -> None:
    model = TwinModel()
    model.failure = ZeroDivisionError()
    room = new_room(model)
    room.type(1)
    if after:
        room.hand_over(None)
    room.settle()
    assert isinstance(room.error, ZeroDivisionError)
    assert room.session.end_reason == "error"


def test_what_is_no_message_ends_the_session(new_room: NewRoom) -> None:
    room = new_room()
    keystroke = Request(keystroke=Request.Keystroke(sequence_number=1, query="abc")).SerializeToString()
    room.hand_over(keystroke.replace(b"abc", b"a\xffc"))
    room.settle()
    assert isinstance(room.error, RequestError)


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
            room.look()
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
    assert room.ended
    room.leave()
