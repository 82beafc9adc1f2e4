"""Events through the whole server: written over gRPC, counted once, and what they lead to on another server."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import user_event_service_pb2 as event_pb
from autocomplete.v1 import user_event_service_pb2_grpc as event_grpc

from autocomplete_client.errors import CallError
from service.app import Server
from service.live.stores.sqlite_store import SqliteStore
from suggest.model import Model, open_model
from tests.data_config import train_on_log
from tests.gateways import running_gateway
from tests.service_twins import TwinModel, eventually, refused, running, sample

IMPRESSION, SELECTION, SUBMISSION = (
    getattr(event_pb.UserEvent, f"EVENT_TYPE_{name}") for name in ("IMPRESSION", "SELECTION", "SUBMISSION")
)
LIVE = "live.sqlite"


class Caller:
    """Who types and sends, on one channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.answers = pb_grpc.AutocompleteServiceStub(channel)
        self.events = event_grpc.UserEventServiceStub(channel)

    def write(self, **fields: Any) -> event_pb.UserEvent:
        request = event_pb.WriteUserEventRequest(user_event=event(**fields))
        written: event_pb.UserEvent = self.events.WriteUserEvent(request, timeout=30)
        return written

    def write_all(self, *events: event_pb.UserEvent) -> tuple[int, int]:
        request = event_pb.WriteUserEventsRequest(user_events=events)
        answer = self.events.WriteUserEvents(request, timeout=30)
        return answer.written_count, answer.duplicate_count

    def trending(self, model: str, **fields: Any) -> event_pb.ListTrendingQueriesResponse:
        request = event_pb.ListTrendingQueriesRequest(model=model, **fields)
        listed: event_pb.ListTrendingQueriesResponse = self.events.ListTrendingQueries(request, timeout=30)
        return listed

    def complete(self, query: str, **fields: Any) -> pb.CompleteQueryResponse:
        answer: pb.CompleteQueryResponse = self.answers.CompleteQuery(
            pb.CompleteQueryRequest(query=query, **fields), timeout=30
        )
        return answer

    def texts(self, query: str) -> list[str]:
        return [each.text for each in self.complete(query).suggestions]


def event(query: str = "shoes", kind: Any = SUBMISSION, **fields: Any) -> event_pb.UserEvent:
    return event_pb.UserEvent(query=query, event_type=kind, **fields)


@contextmanager
def serving(folder: Path, *models: TwinModel, **settings: Any) -> Iterator[tuple[Server, Caller]]:
    with running(folder, *models, **settings) as (server, channel):
        yield server, Caller(channel)


@contextmanager
def replicas(folder: Path, model: Model, count: int = 2, **settings: Any) -> Iterator[list[Caller]]:
    """Servers that answer from a real bundle and share a live state."""
    with ExitStack() as stack:
        callers = []
        for number in range(count):
            started = running(
                folder / f"server{number}",
                TwinModel(model.name, version=model.version),
                opener=lambda _: model,
                live=str(folder / LIVE),
                **settings,
            )
            callers.append(Caller(stack.enter_context(started)[1]))
        yield callers


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model that was really trained, on few queries."""
    folder = tmp_path_factory.mktemp("shop")
    kinds = ("desk lamp", "sofa", "shoe rack", "shelf", "side table", "stool", "sofa bed", "sink")
    rows = [f"{colour} {kind}" for colour in ("black", "red", "silver", "small") for kind in kinds for _ in kind]
    (folder / "log.txt").write_text("\n".join([*rows, *kinds, *kinds]) + "\n", encoding="utf-8")
    return open_model(train_on_log(folder, name="shop", query_log=[{"path": "log.txt"}], screening={"min_count": 1}))


def places(error: CallError) -> tuple[str, list[str]]:
    """Code and fields of an error."""
    return error.code.name, [each.field for each in error.violations]


def test_what_three_users_send_is_suggested_elsewhere(tmp_path: Path, shop: Model) -> None:
    with replicas(tmp_path, shop) as (here, there):
        assert not [text for text in there.texts("zyntr") if "zyntrix" in text]
        for user in ("ann", "bob"):
            here.write(query="Zyntrix Desk-Lamp", user_pseudo_id=user)
        here.write(query="zyntrix desk lamp", user_pseudo_id="bob")
        there.write(query="Zyntrix Desk-Lamp", user_pseudo_id="cid")

        def shown(typed: str) -> list[Any]:
            return [each for each in there.complete(typed).suggestions if "zyntrix" in each.text.lower()]

        eventually(lambda: shown("zyntr"))
        for typed in ("zyntr", "desk zyn", "zyntirx desk"):
            (found,) = shown(typed)
            assert (found.text, found.source) == ("Zyntrix Desk-Lamp", pb.SUGGESTION_SOURCE_TRENDING)


def test_what_is_private_or_blocked_never_is(tmp_path: Path, shop: Model) -> None:
    written = ["zyn jane.doe@example.com", "zyn 555 0142 3367", "zyn fuck", "zyntrix lamp"]
    with replicas(tmp_path, shop, 1, live_min_users=2) as (caller,):
        caller.write_all(*(event(query, user_pseudo_id=user) for query in written for user in ("ann", "bob")))
        eventually(lambda: len(caller.trending("models/shop").trending_queries) == 4)
        listed = {each.query: each.shown for each in caller.trending("models/shop").trending_queries}
        assert listed == dict.fromkeys(written[:3], False) | {"zyntrix lamp": True}
        assert [text for text in caller.texts("zyn") if text.startswith("zyn")] == ["zyntrix lamp"]


def test_a_known_query_rises_in_its_own_form(tmp_path: Path, shop: Model) -> None:
    with replicas(tmp_path, shop, 1) as (caller,):
        assert caller.texts("s")[0] != "silver sink"
        caller.write_all(*(event("Silver-SINK", user_pseudo_id=f"user {number}") for number in range(50)))
        eventually(lambda: caller.texts("s")[0] == "silver sink")


def test_an_event_id_counts_once(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, caller):
        sent = event(event_id="one", user_pseudo_id="ann")
        assert caller.write_all(sent, event(), sent) == (2, 1)
        assert caller.write(event_id="one") == event(event_id="one")
        assert caller.write_all(sent) == (0, 1)
        outcomes = [sample(server, "autocomplete_live_events_total", outcome=name) for name in ("taken", "duplicate")]
        assert outcomes == [2, 3]


def test_what_was_sent_is_kept(tmp_path: Path) -> None:
    with serving(tmp_path, TwinModel("shop"), TwinModel("films")) as (_, caller):
        token = caller.complete("new", model="models/films").attribution_token
        shown = [{"text": "newa", "source": pb.SUGGESTION_SOURCE_HISTORY}, {"text": "newb"}]
        caller.write(
            query="New A",
            kind=SELECTION,
            attribution_token=token,
            selected_position=0,
            typed_length=3,
            user_pseudo_id="ann",
            session_id="s",
            event_id="e",
            event_time={"seconds": int(time.time()) - 60},
            shown=shown,
        )
        caller.write(query="", kind=IMPRESSION, event_time={"seconds": int(time.time()) + 200})
    store = SqliteStore(tmp_path / LIVE)
    first, second = store.events.after(0, 10)
    store.close()
    assert (first.model, first.version, first.query, first.place) == ("films", TwinModel().version, "New A", 0)
    assert (first.typed_length, first.session, first.event_id) == (3, "s", "e")
    assert first.shown == (("newa", "history"), ("newb", ""))
    assert len(first.user) == 16
    assert "ann" not in first.user
    assert first.taken_s - first.at_s == pytest.approx(60, abs=10)
    assert (second.model, second.user, second.place) == ("shop", "", None)
    assert second.at_s <= second.taken_s  # by a clock that is fast


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"query": ""}, "query", "is missing"),
        ({"query": " ", "kind": SELECTION, "selected_position": 0}, "query", "is missing"),
        ({"query": "a" * 257}, "query", "257 characters"),
        ({"event_id": "e" * 129}, "event_id", "129 characters"),
        ({"user_pseudo_id": "u" * 129}, "user_pseudo_id", "129 characters"),
        ({"session_id": "s" * 129}, "session_id", "129 characters"),
        ({"kind": 0}, "event_type", "is missing or unknown"),
        ({"kind": 9}, "event_type", "is missing or unknown"),
        ({"kind": SELECTION}, "selected_position", "is missing"),
        ({"kind": SELECTION, "selected_position": 20}, "selected_position", "is 20"),
        ({"selected_position": 1}, "selected_position", "nothing was selected"),
        ({"typed_length": -1}, "typed_length", "is -1"),
        ({"event_time": {"seconds": int(time.time()) + 86_400}}, "event_time", "ahead of the server's clock"),
        ({"event_time": {"seconds": int(time.time()) - 31 * 86_400}}, "event_time", "31 days ago"),
        ({"event_time": {"seconds": 1, "nanos": -1}}, "event_time", "days ago|not a valid time"),
        ({"attribution_token": "?"}, "attribution_token", "did not come with an answer"),
        ({"attribution_token": "YQ"}, "attribution_token", "did not come with an answer"),
        ({"attribution_token": "YQphCmE"}, "attribution_token", "models/a, which this server does not have"),
        ({"shown": [{"text": "a"}] * 21}, "shown", "21"),
        ({"shown": [{"text": "a"}, {}]}, "shown[1].text", "is missing"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_taken(
    tmp_path: Path, fields: dict[str, Any], field: str, says: str
) -> None:
    with serving(tmp_path) as (server, caller):
        error = refused(caller.write, **fields)
        assert places(error) == ("INVALID_ARGUMENT", [f"user_event.{field}"])
        error = refused(caller.write_all, *[event()] * 3, event(**fields))
        assert places(error) == ("INVALID_ARGUMENT", [f"user_events[3].{field}"])
        assert re.search(says, str(error))
        assert sample(server, "autocomplete_live_events_total", outcome="refused") == 5
        assert sample(server, "autocomplete_live_events_total", outcome="taken") == 0


def test_a_call_holds_a_thousand_events_at_most(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, caller):
        assert caller.write_all(*[event()] * 1000) == (1000, 0)
        for count in (0, 1001):
            error = refused(caller.write_all, *[event()] * count)
            assert places(error) == ("INVALID_ARGUMENT", ["user_events"])


def test_without_a_store_events_are_refused(tmp_path: Path) -> None:
    with serving(tmp_path, live="off") as (_, caller):
        assert refused(caller.write).code is grpc.StatusCode.FAILED_PRECONDITION
        assert caller.trending("models/twin").trending_queries == []


def test_while_the_store_is_away_events_are_refused_and_answers_go_on(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, caller):
        (tmp_path / LIVE).rename(tmp_path / "elsewhere")
        error = refused(caller.write)
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        assert error.retry_delay_s
        assert LIVE not in str(error)
        assert len(caller.texts("new")) == 3
        (tmp_path / "elsewhere").rename(tmp_path / LIVE)
        assert caller.write_all(event()) == (1, 0)
        assert sample(server, "autocomplete_live_write_failures_total") == 1


def test_trends_are_listed_page_by_page_and_survive_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path / "one", live=str(tmp_path / LIVE), live_min_users=1) as (_, caller):
        caller.write_all(*(event(f"query {place}", user_pseudo_id="ann") for place in range(5)))
        caller.write_all(event("query 3", user_pseudo_id="bob"))
        eventually(lambda: len(caller.trending("models/twin").trending_queries) == 5)
    with serving(tmp_path / "two", live=str(tmp_path / LIVE), live_min_users=1) as (_, caller):
        eventually(lambda: len(caller.trending("models/twin").trending_queries) == 5)
        first = caller.trending("models/twin", page_size=3)
        assert first.trending_queries[0].query == "query 3"
        rest = caller.trending("models/twin", page_size=3, page_token=first.next_page_token)
        assert len(first.trending_queries) + len(rest.trending_queries) == 5
        assert rest.next_page_token == ""
        assert refused(caller.trending, "models/none").code is grpc.StatusCode.NOT_FOUND
        assert places(refused(caller.trending, "twin"))[1] == ["model"]
        assert places(refused(caller.trending, "models/twin", page_token="x"))[1] == ["page_token"]


def test_events_come_over_http_and_what_is_trending_is_for_operators(tmp_path: Path) -> None:
    with (
        running(tmp_path, live_min_users=1) as (server, _),
        running_gateway(f"127.0.0.1:{server.port}", admin=True) as gateway,
    ):
        sent = {"eventType": "EVENT_TYPE_SUBMISSION", "query": "shoes", "userPseudoId": "ann", "eventId": "one"}
        assert gateway.ask("POST", "/v1/userEvents:write", sent).json["query"] == "shoes"
        answer = gateway.ask("POST", "/v1/userEvents:batchWrite", {"userEvents": [sent, sent | {"eventId": "two"}]})
        assert answer.json == {"writtenCount": 1, "duplicateCount": 1}
        answer = gateway.ask("POST", "/v1/userEvents:batchWrite", {"userEvents": [sent, sent | {"query": ""}]})
        assert answer.status == 400
        assert "user_events[1].query" in answer.json["message"]
        eventually(lambda: gateway.ask("GET", "/v1/trendingQueries").json.get("trendingQueries"))
        (listed,) = gateway.ask("GET", "/v1/trendingQueries?model=models/twin").json["trendingQueries"]
        assert (listed["query"], listed["shown"]) == ("shoes", True)
