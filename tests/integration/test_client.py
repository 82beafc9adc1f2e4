"""Both clients on a real server: typed answers, errors, deadlines, retries, typing sessions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1.user_event_service_pb2 import UserEvent

from autocomplete_client import (
    Answer,
    AsyncClient,
    CallError,
    Client,
    DeadlineError,
    InvalidRequestError,
    ModelNotFoundError,
    OverloadedError,
    UnavailableError,
    UnsupportedError,
)
from lm.errors import OverloadedError as ServerOverloadedError
from tests.redis_process import free_port
from tests.service_twins import TwinModel, eventually, running

Ask = Callable[..., Any]


def _sync(address: str, method: str, *arguments: Any, **options: Any) -> Any:
    with Client(address) as client:
        answer = getattr(client, method)(*arguments, **options)
        return list(answer) if method == "generate_text" else answer


def _async(address: str, method: str, *arguments: Any, **options: Any) -> Any:
    async def ask() -> Any:
        async with AsyncClient(address) as client:
            answer = getattr(client, method)(*arguments, **options)
            return [piece async for piece in answer] if method == "generate_text" else await answer

    return asyncio.run(ask())


@pytest.fixture(params=[_sync, _async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Calls one method of a client of its own."""
    method: Ask = request.param
    return method


@pytest.fixture
def twin() -> TwinModel:
    return TwinModel()


@pytest.fixture
def address(tmp_path: Path, twin: TwinModel) -> Iterator[str]:
    with running(tmp_path, twin, TwinModel("other", text=False), cache="none") as (server, _channel):
        yield f"127.0.0.1:{server.port}"


def test_each_method_gives_the_apis_messages(ask: Ask, address: str) -> None:
    completion = ask(address, "complete_query", "new yor", max_suggestions=2, model="twin")
    words = ask(address, "predict_next_word", "the united ", timeout_s=5)
    score = ask(address, "score_text", "so be it", model="models/twin")
    logged = ask(address, "complete_query", "new yor", generated=pb.GENERATED_QUERIES_OFF)
    silent = ask(address, "complete_query", "new yor", min_acceptance_probability=0.75)
    pieces = ask(address, "generate_text", "once", max_output_tokens=3)
    models = ask(address, "list_models")

    assert [item.text for item in completion.suggestions] == ["new yorc", "new yorb"]
    assert [item.text for item in logged.suggestions] == ["new yorc"]
    assert not silent.suggestions
    assert words.suggestions[0].text == "states"
    assert score.log_probability == -4.0
    assert "".join(piece.text for piece in pieces) == " word word word"
    assert [bool(piece.finish_reason) for piece in pieces] == [False, False, True]
    assert {model.name for model in models} == {"models/twin", "models/other"}
    assert ask(address, "get_model", "twin") in models


@pytest.mark.parametrize(
    ("method", "options", "kind", "reason"),
    [
        ("complete_query", {"query": "x" * 257}, InvalidRequestError, "TEXT_TOO_LONG"),
        ("complete_query", {"max_suggestions": -1}, InvalidRequestError, "OUT_OF_RANGE"),
        ("complete_query", {"min_acceptance_probability": 1.5}, InvalidRequestError, "OUT_OF_RANGE"),
        ("get_model", {"model": "none"}, ModelNotFoundError, "MODEL_NOT_FOUND"),
        ("score_text", {"text": "x", "model": "other"}, UnsupportedError, "METHOD_UNSUPPORTED"),
        ("generate_text", {"temperature": 3.0}, InvalidRequestError, "OUT_OF_RANGE"),
    ],
)
def test_a_refusal_says_why(ask: Ask, address: str, method: str, options: Any, kind: type, reason: str) -> None:
    with pytest.raises(CallError) as caught:
        ask(address, method, **options)

    assert type(caught.value) is kind
    assert caught.value.reason == reason
    assert caught.value.from_service
    fields = [violation.field for violation in caught.value.violations]
    assert fields == ([next(iter(options))] if kind is InvalidRequestError else [])


def test_events_of_a_user_are_written_once_and_forgotten(ask: Ask, tmp_path: Path) -> None:
    submission = UserEvent.EVENT_TYPE_SUBMISSION
    events = [
        UserEvent(event_type=submission, query="new lamp", user_pseudo_id="u", event_id="1"),
        UserEvent(event_type=submission, query="old lamp", user_pseudo_id="u"),
    ]
    with running(tmp_path) as (server, _channel):
        address = f"127.0.0.1:{server.port}"
        first = ask(address, "write_user_events", events)
        again = ask(address, "write_user_events", events)
        with pytest.raises(InvalidRequestError) as caught:
            ask(address, "write_user_events", [UserEvent()])
        forgotten = ask(address, "delete_user_data", "u", remover="ann")
    assert (first.written_count, first.duplicate_count) == (2, 0)
    assert (again.written_count, again.duplicate_count) == (1, 1)
    assert caught.value.violations[0].field == "user_events[0].event_type"
    assert not events[1].event_id
    assert forgotten.event_count == 3


def test_a_call_has_a_deadline_of_its_own(ask: Ask, address: str, twin: TwinModel) -> None:
    twin.gate.clear()
    with pytest.raises(DeadlineError):
        ask(address, "complete_query", "new", timeout_s=0.2)
    twin.gate.set()


def test_a_server_that_is_down_is_unavailable(ask: Ask) -> None:
    with pytest.raises(UnavailableError) as caught:
        ask(f"127.0.0.1:{free_port()}", "complete_query", "new")

    assert not caught.value.from_service


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1:", "a b:1", "[::1]"])
def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(ValueError, match="not HOST:PORT"):
        Client(address)


def test_the_servers_delay_is_kept_and_the_call_succeeds(ask: Ask, address: str, twin: TwinModel) -> None:
    twin.failure = ServerOverloadedError("Busy.", retry_after_s=0.1)
    threading.Timer(0.3, setattr, (twin, "failure", None)).start()
    answer = ask(address, "complete_query", "new", timeout_s=5)

    assert answer.suggestions
    assert len(twin.asked) >= 2


def test_a_delay_beyond_the_deadline_is_the_callers_to_wait(ask: Ask, address: str, twin: TwinModel) -> None:
    twin.failure = ServerOverloadedError("Busy.", retry_after_s=30)
    with pytest.raises(OverloadedError) as caught:
        ask(address, "complete_query", "new")

    assert caught.value.retry_delay_s == 30
    assert len([query for query, _ in twin.asked if query == "new"]) == 1


def test_trace_context_goes_to_the_server(ask: Ask) -> None:
    seen: list[Any] = []

    class Notes(grpc.ServerInterceptor):  # type: ignore[misc]
        def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
            seen.append(dict(details.invocation_metadata).get("traceparent"))
            return continuation(details)

    server = grpc.server(ThreadPoolExecutor(1), interceptors=(Notes(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with pytest.raises(CallError, match="UNIMPLEMENTED"):
        ask(f"127.0.0.1:{port}", "complete_query", "new", traceparent=parent)
    server.stop(0).wait()

    assert seen == [parent]


def _sync_session(address: str, script: Callable[[Any], Iterator[str]], **options: Any) -> list[Answer]:
    answers: list[Answer] = []
    with Client(address) as client, client.session(**options) as typing:
        for query in script(typing):
            typing.type(query)
            answers += typing.answers()
    return answers


def _async_session(address: str, script: Callable[[Any], Iterator[str]], **options: Any) -> list[Answer]:
    async def play() -> list[Answer]:
        answers: list[Answer] = []
        async with AsyncClient(address) as client, client.session(**options) as typing:
            for query in script(typing):
                typing.type(query)
                answers += [answer async for answer in typing.answers()]
        return answers

    return asyncio.run(play())


@pytest.fixture(params=[_sync_session, _async_session], ids=["sync", "async"])
def play(request: pytest.FixtureRequest) -> Callable[..., list[Answer]]:
    """Types what a script yields, and reads all answers to each before the next."""
    method: Callable[..., list[Answer]] = request.param
    return method


def test_a_session_gives_the_fast_answer_then_the_final_one(play: Any, address: str) -> None:
    options: Any = {"model": "twin", "max_suggestions": 2, "generated": pb.GENERATED_QUERIES_MIX}
    answers = play(address, lambda _typing: iter(["n", "ne"]), min_acceptance_probability=0.5, **options)

    assert [(answer.query, answer.is_final) for answer in answers] == [
        ("n", False),
        ("n", True),
        ("ne", False),
        ("ne", True),
    ]
    assert [item.text for item in answers[-1].completion.suggestions] == ["nec", "neb"]
    assert all(answer.error is None and answer.latency_s > 0 for answer in answers)


def test_a_session_hands_out_nothing_for_what_was_typed_over(play: Any, address: str) -> None:
    def script(typing: Any) -> Iterator[str]:
        for query in ("n", "ne", "new"):
            typing.type(query)
        yield "new "

    answers = play(address, script)

    assert {answer.query for answer in answers} == {"new "}
    assert answers[-1].is_final


def test_a_refused_keystroke_is_an_answer_and_the_session_goes_on(play: Any, address: str) -> None:
    answers = play(address, lambda _typing: iter(["x" * 257, "new"]))

    assert isinstance(answers[0].error, InvalidRequestError)
    assert answers[-1].query == "new"
    assert answers[-1].error is None


def test_a_session_of_no_such_model_says_so_at_each_keystroke(play: Any, address: str) -> None:
    answers = play(address, lambda _typing: iter(["n", "ne"]), model="none")

    assert [(answer.query, type(answer.error)) for answer in answers] == [
        ("n", ModelNotFoundError),
        ("ne", ModelNotFoundError),
    ]


def test_a_session_outlives_a_restart_of_the_server(play: Any, tmp_path: Path) -> None:
    place = f"127.0.0.1:{free_port()}"

    def script(_typing: Any) -> Iterator[str]:
        with running(tmp_path / "first", address=place):
            yield "n"
        starting = threading.Thread(target=serve_again)
        starting.start()
        yield "ne"
        done.set()
        starting.join()

    done = threading.Event()

    def serve_again() -> None:
        with running(tmp_path / "second", address=place):
            done.wait(30)

    answers = play(place, script)

    assert [(answer.query, answer.error) for answer in answers if answer.is_final] == [("n", None), ("ne", None)]


def test_a_thread_that_reads_for_ever_ends_with_the_session(address: str) -> None:
    shown: list[str] = []
    with Client(address) as client, client.session() as typing:
        reader = threading.Thread(target=lambda: shown.extend(a.query for a in typing if a.is_final))
        reader.start()
        typing.type("n")
        eventually(lambda: not typing._keystrokes.waiting)
        typing.type("ne")
        eventually(lambda: not typing._keystrokes.waiting)
    reader.join(10)

    assert not reader.is_alive()
    assert shown[-1] == "ne"
