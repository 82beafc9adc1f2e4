"""A user's own queries through the whole server: told by events, suggested to their user alone, forgotten."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import deny_list_service_pb2 as deny_pb
from autocomplete.v1 import deny_list_service_pb2_grpc as deny_grpc
from autocomplete.v1 import user_event_service_pb2 as event_pb
from autocomplete.v1 import user_event_service_pb2_grpc as event_grpc
from typer.testing import CliRunner

from cli.main import app
from service.app import Server
from service.live.events.event import Event, EventKind
from service.live.stores.store import LiveStore, open_store
from service.live.users.keys import UserKeys
from suggest.model import open_model
from tests.redis_process import RedisProcess
from tests.service_twins import PATIENCE, eventually, sample, served

PERSONAL, GENERATED = pb.SUGGESTION_SOURCE_PERSONAL, pb.SUGGESTION_SOURCE_GENERATED
SECRET = "not told"


class Users:
    """Who searches and who types, as seen from outside; events are written as another replica would."""

    def __init__(self, server: Server, channel: grpc.Channel, store: LiveStore) -> None:
        self.server = server
        self.channel = channel
        self.store = store
        self.stub = pb_grpc.AutocompleteServiceStub(channel)
        self._model = server.models.default

    def search(self, user: str, *queries: str, ago_s: float = 0.0) -> None:
        """Tells of a user's searches, the last one last."""
        key, now_s = UserKeys(SECRET).of(user), time.time()
        events = [
            Event(
                kind=EventKind.SUBMISSION,
                at_s=now_s - ago_s - len(queries) + place,
                model=self._model,
                query=query,
                user=key,
            )
            for place, query in enumerate(queries)
        ]
        self.store.events.write(events, now_s=now_s)

    def complete(self, query: str, user: str = "", **fields: Any) -> list[pb.CompleteQueryResponse.QuerySuggestion]:
        request = pb.CompleteQueryRequest(query=query, user_pseudo_id=user, **fields)
        return list(self.stub.CompleteQuery(request, timeout=30).suggestions)

    def own(self, query: str, user: str = "", **fields: Any) -> list[str]:
        return [each.text for each in self.complete(query, user, **fields) if each.source == PERSONAL]

    def typed(self, query: str, **config: Any) -> list[str]:
        """The own queries in the last answer of a stream to one keystroke."""
        request = pb.StreamCompleteQueryRequest
        messages = iter([request(config=request.Config(**config)), request(keystroke=request.Keystroke(query=query))])
        answers = [answer.completion for answer in self.stub.StreamCompleteQuery(messages, timeout=30)]
        return [each.text for each in answers[-1].suggestions if each.source == PERSONAL]


_open_once = functools.cache(open_model)
"""Each open bundle takes some 50 descriptors until it is collected."""


@contextmanager
def serving(registry: Path, live: str, **settings: Any) -> Iterator[Users]:
    patience = PATIENCE | {"max_wait_ms": 20_000, "drain_s": 5}
    given = patience | {"live": live, "user_secret": SECRET} | settings
    with served(registry, opener=_open_once, **given) as (server, channel), closing(open_store(live)) as store:
        yield Users(server, channel, store)


@pytest.fixture
def users(tiny_bundle_registry: Path, tmp_path: Path) -> Iterator[Users]:
    with serving(tiny_bundle_registry, str(tmp_path / "live.sqlite")) as served:
        yield served


def test_own_queries_come_first_in_an_empty_box_and_where_they_fit(users: Users) -> None:
    users.search("ann", "Zebra Crossing", "quilt patterns", "zebra stripes")
    eventually(lambda: users.own("", "ann") == ["zebra stripes", "quilt patterns", "Zebra Crossing"])
    assert [each.source == PERSONAL for each in users.complete("", "ann")][:4] == [True, True, True, False]
    assert users.own("ze", "ann") == ["zebra stripes", "Zebra Crossing"]
    assert users.own("cross", "ann") == ["Zebra Crossing"]  # in any order
    assert users.own("zerba", "ann") == ["zebra stripes", "Zebra Crossing"]  # mistyped
    stated = [each.acceptance_probability for each in users.complete("ze", "ann")]
    assert stated == sorted(stated, reverse=True)
    (first, *_) = users.complete("zebra s", "ann")
    assert [(segment.text, segment.typed) for segment in first.segments] == [("zebra s", True), ("tripes", False)]


def test_an_event_tells_of_a_query_and_one_without_an_id_of_nobodys(users: Users) -> None:
    events = event_grpc.UserEventServiceStub(users.channel)
    submission = event_pb.UserEvent.EVENT_TYPE_SUBMISSION
    for user, query in (("ann", "zebra stripes"), ("", "zebra crossing")):
        event = event_pb.UserEvent(event_type=submission, query=query, user_pseudo_id=user)
        events.WriteUserEvent(event_pb.WriteUserEventRequest(user_event=event), timeout=30)
    eventually(lambda: users.own("ze", "ann") == ["zebra stripes"])
    assert {each.user for each in users.store.events.after(0, 9)} == {UserKeys(SECRET).of("ann"), ""}


def test_nobody_else_gets_them(users: Users) -> None:
    users.search("ann", "zebra stripes")
    eventually(lambda: users.own("", "ann"))
    for other in ("bob", "", "Ann"):
        assert users.own("ze", other) == users.own("", other) == []
        assert "zebra stripes" not in [each.text for each in users.complete("zebra s", other)]


def test_a_stream_has_them_too(users: Users) -> None:
    users.search("ann", "zebra stripes")
    eventually(lambda: users.typed("ze", user_pseudo_id="ann") == ["zebra stripes"])
    assert users.typed("ze") == users.typed("ze", user_pseudo_id="bob") == []
    assert users.typed("ze", user_pseudo_id="ann", incognito=True) == []
    assert users.typed("ze", context_queries=["zebra stripes"]) == ["zebra stripes"]


def test_whoever_is_incognito_uses_nothing(users: Users) -> None:
    users.search("ann", "zebra stripes")
    eventually(lambda: users.own("ze", "ann"))
    assert users.own("ze", "ann", incognito=True) == []
    assert users.own("ze", context_queries=["zebra stripes"], incognito=True) == []


def test_words_of_the_session_complete_what_is_typed(users: Users) -> None:
    refined = users.complete("stores qu", context_queries=["cheap quilt"])
    assert ("stores quilt", GENERATED) in [(each.text, each.source) for each in refined]
    off = users.complete("stores qu", context_queries=["cheap quilt"], generated=pb.GENERATED_QUERIES_OFF)
    assert "stores quilt" not in [each.text for each in off]
    assert users.own("che", context_queries=["cheap quilt"]) == ["cheap quilt"]
    users.search("ann", "cheap quilt")  # the server knows the session by itself
    eventually(lambda: "stores quilt" in [each.text for each in users.complete("stores qu", "ann")])


def test_what_is_taken_down_is_not_shown_to_its_own_user_either(users: Users) -> None:
    users.search("ann", "zebra stripes", "zebra crossing")
    eventually(lambda: len(users.own("ze", "ann")) == 2)
    entry = deny_pb.DenyListEntry(phrase="stripes", match_operator=deny_pb.DenyListEntry.MATCH_OPERATOR_CONTAINS)
    deny = deny_grpc.DenyListServiceStub(users.channel)
    deny.CreateDenyListEntry(deny_pb.CreateDenyListEntryRequest(deny_list_entry=entry), timeout=30)
    eventually(lambda: users.own("ze", "ann") == ["zebra crossing"])
    assert users.own("", "ann") == ["zebra crossing"]
    assert users.own("zebra", context_queries=["zebra stripes"]) == []


def test_what_no_log_may_hold_is_not_shown(users: Users) -> None:
    users.search("ann", "call 555 123 4567", "zebra stripes")
    eventually(lambda: users.own("", "ann") == ["zebra stripes"])
    assert users.own("call", context_queries=["call 555 123 4567"]) == []


def test_without_its_store_a_server_answers_without_histories(users: Users, tmp_path: Path) -> None:
    users.search("ann", "zebra stripes")
    eventually(lambda: users.own("ze", "ann"))
    (tmp_path / "live.sqlite").rename(tmp_path / "away")
    eventually(lambda: not users.own("ze", "ann"))
    assert users.complete("", "ann")
    (tmp_path / "away").rename(tmp_path / "live.sqlite")
    eventually(lambda: users.own("ze", "ann") == ["zebra stripes"])


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"context_queries": ["a"] * 6}, "context_queries"),
        ({"context_queries": ["a", "x" * 257]}, "context_queries[1]"),
        ({"user_pseudo_id": "x" * 129}, "user_pseudo_id"),
    ],
)
def test_bad_fields_are_refused(users: Users, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        users.stub.CompleteQuery(pb.CompleteQueryRequest(query="a", **fields), timeout=30)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in raised.value.details()
    with pytest.raises(grpc.RpcError, match="INVALID_ARGUMENT"):
        users.typed("a", **fields)


def test_of_two_users_with_one_cache_none_sees_what_the_other_searched_for(users: Users) -> None:
    mine = {user: [f"{user} searched for {word}" for word in ("apples", "boats")] for user in ("ann", "bob")}
    for user, queries in mine.items():
        users.search(user, *queries)
    eventually(lambda: all(len(users.own("", user)) == 2 for user in mine))
    typed = ["", "an", "bo", "ann s", "bob s", "searched", "apples", "boat", "sea", "searhc"]

    def ask(number: int) -> None:
        user, query = ("ann", "bob", "")[number % 3], typed[number // 3 % len(typed)]
        found = {each.text for each in users.complete(query, user)}
        foreign = {query for other, queries in mine.items() if other != user for query in queries}
        assert not found & foreign, (user, query)
        assert user == "" or query != "" or found.issuperset(mine[user])

    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(ask, range(10_000), chunksize=100):
            pass
    assert sample(users.server, "autocomplete_cache_lookups_total", tier="process", outcome="hit") > 5_000


def test_redis_shares_no_answer_that_was_for_one_user(tiny_bundle_registry: Path, redis_server: RedisProcess) -> None:
    redis_server.start()
    with redis.Redis(port=redis_server.port) as client:
        client.config_set("appendonly", "yes")
        client.flushall()
        with serving(tiny_bundle_registry, redis_server.url, redis=redis_server.url, redis_timeout_ms=1000) as users:
            users.search("ann", "zebra stripes")
            eventually(lambda: users.own("ze", "ann"))
            users.complete("ze", "bob")
            answers = "autocomplete:*:CompleteQuery:*"
            eventually(lambda: any(client.scan_iter(match=answers)))  # they are written behind the caller's back
            kept = [client.get(key) for key in client.scan_iter(match=answers)]
            assert not any(b"zebra stripes" in (answer or b"") for answer in kept)
        client.config_set("appendonly", "no")
        client.flushall()


def forget(users: Users, user: str = "", **fields: Any) -> int:
    events = event_grpc.UserEventServiceStub(users.channel)
    request = event_pb.DeleteUserDataRequest(user_pseudo_id=user, **fields)
    return int(events.DeleteUserData(request, timeout=30).event_count)


def test_who_is_forgotten_is_so_on_every_server(tiny_bundle_registry: Path, tmp_path: Path) -> None:
    live = str(tmp_path / "live.sqlite")
    with serving(tiny_bundle_registry, live) as one, serving(tiny_bundle_registry, live) as other:
        one.search("ann", "zebra stripes", "zebra crossing")
        one.search("bob", "zebra stripes")
        eventually(lambda: all(len(users.own("ze", "ann")) == 2 for users in (one, other)))
        assert forget(one, "ann", remover="support") == 2
        eventually(lambda: not any(users.own("ze", "ann") or users.own("", "ann") for users in (one, other)))
        assert one.own("ze", "bob") == ["zebra stripes"]
        assert {each.user for each in one.store.events.after(0, 99)} == {UserKeys(SECRET).of("bob")}
        assert forget(other, "ann") == forget(other, "nobody") == 0
        (first, *_) = one.store.log(after=0, count=9)
        assert (first.kind, first.by, first.value) == ("forget", "support", {})
        audit = str(one.store.log(after=0, count=9))
        assert "ann" not in audit.replace("Change", "")
        assert UserKeys(SECRET).of("ann") not in audit


def test_whom_to_forget_must_be_said(users: Users) -> None:
    long = "x" * 129
    for user, remover, field in (("", "", "user_pseudo_id"), (long, "", "user_pseudo_id"), ("ann", long, "remover")):
        with pytest.raises(grpc.RpcError) as raised:
            forget(users, user, remover=remover)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert field in raised.value.details()


def test_the_command_forgets_a_user(users: Users) -> None:
    users.search("ann", "zebra stripes")
    eventually(lambda: users.own("ze", "ann"))
    address = f"127.0.0.1:{users.server.port}"
    told = CliRunner().invoke(app, ["live", "forget", "ann", "--by", "support", "--server", address])
    assert told.exit_code == 0, told.output
    assert told.output.endswith("1 event and the user's own queries are removed.\n")
    eventually(lambda: not users.own("ze", "ann"))


def test_a_store_that_is_away_forgets_nobody(users: Users, tmp_path: Path) -> None:
    users.search("ann", "zebra stripes")
    eventually(lambda: users.own("ze", "ann"))
    (tmp_path / "live.sqlite").rename(tmp_path / "away")
    with pytest.raises(grpc.RpcError) as raised:
        forget(users, "ann")
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    (tmp_path / "away").rename(tmp_path / "live.sqlite")
    assert forget(users, "ann") == 1
