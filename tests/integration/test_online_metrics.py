"""From answers of two versions over users' events to counters, to the list of unanswered queries and to the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import user_event_service_pb2 as events_pb
from autocomplete.v1 import user_event_service_pb2_grpc as events_grpc
from typer.testing import CliRunner

from cli.main import app
from tests.gateways import running_gateway
from tests.service_twins import sample
from tests.splitting import USERS, Split, splitting

_SPLIT = "twin@1=50,twin@2=50"
Kind = events_pb.UserEvent.EventType


def searched(split: Split, user: str, end: events_pb.UserEvent) -> list[events_pb.UserEvent]:
    """The events of a search for what `end` says."""
    answer = split.stub.CompleteQuery(pb.CompleteQueryRequest(query="n", user_pseudo_id=user))
    shown = [events_pb.ShownSuggestion(text=each.text, source=each.source) for each in answer.suggestions]
    impression = events_pb.UserEvent(event_type="EVENT_TYPE_IMPRESSION", query="n", shown=shown)
    for number, event in enumerate((impression, end)):
        event.event_id = f"{user} {end.query} {number}"
        event.attribution_token, event.user_pseudo_id = answer.attribution_token, user
    return [impression, end]


def selected() -> events_pb.UserEvent:
    return events_pb.UserEvent(
        event_type="EVENT_TYPE_SELECTION", query="newcastle", selected_position=1, typed_length=1
    )


def submitted(query: str) -> events_pb.UserEvent:
    return events_pb.UserEvent(event_type="EVENT_TYPE_SUBMISSION", query=query)


def unanswered(split: Split, **fields: Any) -> list[tuple[str, int, int]]:
    request = events_pb.ListUnansweredQueriesRequest(**{"model": "models/twin", "lack": "LACK_ACCEPTED"} | fields)
    listed = events_grpc.UserEventServiceStub(split.channel).ListUnansweredQueries(request)
    assert not listed.partial
    return [(each.query, each.search_count, each.user_count) for each in listed.unanswered_queries]


def test_what_users_do_is_counted_listed_and_reported_by_version(tmp_path: Path) -> None:
    live = str(tmp_path / "live.sqlite")
    with splitting(tmp_path / "server", _SPLIT, live=live) as split:
        service = events_grpc.UserEventServiceStub(split.channel)
        events = [event for user in USERS for event in searched(split, user, selected())]
        events += [event for user in USERS[:3] for event in searched(split, user, submitted("Red  Hat"))]
        events += [event for user in USERS[:2] for event in searched(split, user, submitted("of two"))]
        for _ in range(2):  # what comes again counts once
            service.WriteUserEvents(events_pb.WriteUserEventsRequest(user_events=events))

        def counted(name: str, **labels: str) -> list[float]:
            names = (f"autocomplete_{name}_total", {"model": "twin"} | labels)
            return [sample(split.server, names[0], **names[1], version=version) for version in ("1", "2")]

        by_version = [sum(split.ask(user) == version for user in USERS) for version in ("1", "2")]
        assert counted("searches", outcome="accepted") == by_version
        assert sum(counted("searches", outcome="submitted")) == 5
        assert sum(counted("shown_lists", outcome="filled")) == len(USERS) + 5
        assert counted("accepted_suggestions", source="generated", position="2") == by_version
        assert counted("reciprocal_ranks") == [count / 2 for count in by_version]
        assert counted("saved_letters") == [count * (len("newcastle") - 2) for count in by_version]
        assert unanswered(split) == [("red hat", 3, 3)]
        assert unanswered(split, lack="LACK_SUGGESTED") == []
        empty = [events_pb.UserEvent(event_type="EVENT_TYPE_IMPRESSION", query="qzx", user_pseudo_id=u) for u in "abc"]
        sent = [events_pb.UserEvent(event_type="EVENT_TYPE_SUBMISSION", query="qzx", user_pseudo_id=u) for u in "abc"]
        service.WriteUserEvents(events_pb.WriteUserEventsRequest(user_events=[*empty, *sent]))
        assert unanswered(split, lack="LACK_SUGGESTED") == [("qzx", 3, 3)]
        assert (
            sample(split.server, "autocomplete_shown_lists_total", model="twin", version="other", outcome="empty") == 3
        )
    report = json.loads(CliRunner().invoke(app, ["live", "report", "--live", live, "--json"]).output)
    (model,) = report["models"]
    assert sorted((each["version"], each["users"]) for each in model["versions"]) == [
        ("1", by_version[0]),
        ("2", by_version[1]),
    ]
    assert model["verdicts"][0]["decision"] == "too_few_users"
    assert report["unanswered"]["not_accepted"] == [{"model": "twin", "query": "red hat", "searches": 3, "users": 3}]
    assert report["searches_without_version"] == 3


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"model": "twin"}, grpc.StatusCode.INVALID_ARGUMENT, "model"),
        ({"model": "models/none"}, grpc.StatusCode.NOT_FOUND, "models/none"),
        ({"lack": "LACK_UNSPECIFIED"}, grpc.StatusCode.INVALID_ARGUMENT, "LACK_ACCEPTED (1)"),
        ({"page_size": -1}, grpc.StatusCode.INVALID_ARGUMENT, "page_size"),
        ({"page_token": "x"}, grpc.StatusCode.INVALID_ARGUMENT, "page_token"),
    ],
)
def test_a_wrong_request_is_named(tmp_path: Path, fields: dict[str, Any], code: grpc.StatusCode, said: str) -> None:
    with splitting(tmp_path, _SPLIT) as split, pytest.raises(grpc.RpcError) as raised:
        unanswered(split, **fields)
    assert raised.value.code() is code
    assert said in raised.value.details()


def test_without_a_store_there_is_nothing_to_list(tmp_path: Path) -> None:
    with splitting(tmp_path, _SPLIT, live="off") as split, pytest.raises(grpc.RpcError) as raised:
        unanswered(split)
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION


def test_only_operators_list_them_over_http(tmp_path: Path) -> None:
    path = "/v1/unansweredQueries?lack=LACK_ACCEPTED"
    with splitting(tmp_path, _SPLIT) as split:
        for admin, status in ((True, 200), (False, 404)):
            with running_gateway(f"127.0.0.1:{split.server.port}", admin=admin) as gateway:
                answer = gateway.ask("GET", path)
                assert answer.status == status
                assert not admin or answer.json == {"unansweredQueries": [], "nextPageToken": "", "partial": False}
