"""Take-downs through the whole server: written over gRPC, obeyed by every method, kept whatever ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import deny_list_service_pb2 as deny_pb
from autocomplete.v1 import deny_list_service_pb2_grpc as deny_grpc

from lm.errors import ConfigError
from service.app import Server
from service.live.changes import Change
from service.live.deny_list import KIND
from service.live.stores.sqlite_store import SqliteStore
from tests.redis_process import RedisProcess, free_port
from tests.service_twins import TwinModel, eventually, refused, running, sample

EXACT, CONTAINS, PATTERN, GENERATED, EVERYTHING = (
    getattr(deny_pb.DenyListEntry, f"MATCH_OPERATOR_{name}")
    for name in ("EXACT", "CONTAINS", "PATTERN", "GENERATED", "EVERYTHING")
)


class Caller:
    """Who takes down and who types, on one channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.answers = pb_grpc.AutocompleteServiceStub(channel)
        self.entries = deny_grpc.DenyListServiceStub(channel)

    def deny(self, phrase: str = "", match: Any = EXACT, **fields: Any) -> deny_pb.DenyListEntry:
        entry = deny_pb.DenyListEntry(phrase=phrase, match_operator=match, **fields)
        request = deny_pb.CreateDenyListEntryRequest(deny_list_entry=entry)
        created: deny_pb.DenyListEntry = self.entries.CreateDenyListEntry(request, timeout=30)
        return created

    def allow(self, name: str) -> None:
        self.entries.DeleteDenyListEntry(deny_pb.DeleteDenyListEntryRequest(name=name, remover="bob"), timeout=30)

    def listed(self, **fields: Any) -> deny_pb.ListDenyListEntriesResponse:
        request = deny_pb.ListDenyListEntriesRequest(**fields)
        listed: deny_pb.ListDenyListEntriesResponse = self.entries.ListDenyListEntries(request, timeout=30)
        return listed

    def complete(self, query: str, **fields: Any) -> pb.CompleteQueryResponse:
        request = pb.CompleteQueryRequest(query=query, **fields)
        answer: pb.CompleteQueryResponse = self.answers.CompleteQuery(request, timeout=30)
        return answer

    def texts(self, query: str, **fields: Any) -> list[str]:
        return [each.text for each in self.complete(query, **fields).suggestions]

    def words(self, text: str) -> list[str]:
        answer = self.answers.PredictNextWord(pb.PredictNextWordRequest(text=text), timeout=30)
        return [each.text for each in answer.suggestions]

    def generated(self, tokens: int = 3) -> list[pb.GenerateTextResponse]:
        return list(self.answers.GenerateText(pb.GenerateTextRequest(max_output_tokens=tokens), timeout=30))


@contextmanager
def serving(folder: Path, *models: TwinModel, **settings: Any) -> Iterator[tuple[Server, Caller]]:
    with running(folder, *models, **settings) as (server, channel):
        yield server, Caller(channel)


def test_what_is_taken_down_is_shown_by_no_method_and_comes_back(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, caller):
        assert caller.texts("new") == ["newc", "newb", "newa"]  # now in the cache
        entry = caller.deny("NEWB", reason="asked to", creator="ann")
        eventually(lambda: caller.texts("new") == ["newc", "newa"])
        caller.deny("states")
        eventually(lambda: caller.words("the united ") == ["nations"])
        word = caller.deny("word", CONTAINS)
        eventually(lambda: [each.text for each in caller.generated()] == [""])
        for each in (entry, word):
            caller.allow(each.name)
        eventually(lambda: caller.texts("new") == ["newc", "newb", "newa"])
        eventually(lambda: len(caller.generated()) == 3)


def test_kill_switches_silence_one_model_or_all(tmp_path: Path) -> None:
    with serving(tmp_path, TwinModel("shop"), TwinModel("films")) as (_, caller):
        off = caller.deny(match=GENERATED, model="models/shop")
        eventually(lambda: caller.texts("new") == ["newc"])
        assert caller.texts("new", generated=pb.GENERATED_QUERIES_MIX) == ["newc"]
        assert [each.finish_reason for each in caller.generated()] == [pb.GenerateTextResponse.FINISH_REASON_STOP]
        assert caller.words("the ") == ["states", "nations"]
        assert len(caller.texts("new", model="models/films")) == 3
        caller.deny(match=EVERYTHING, model="models/films")
        eventually(lambda: caller.texts("new", model="models/films") == [])
        everything = caller.deny(match=EVERYTHING)
        eventually(lambda: caller.texts("new") == caller.words("the ") == [])
        for each in (off, everything):
            caller.allow(each.name)
        eventually(lambda: len(caller.texts("new")) == 3)
        assert caller.texts("new", model="models/films") == []


def test_open_streams_obey(tmp_path: Path) -> None:
    typed: list[pb.StreamCompleteQueryRequest] = []
    more = threading.Condition()

    def keystrokes() -> Iterator[pb.StreamCompleteQueryRequest]:
        yield pb.StreamCompleteQueryRequest(config=pb.StreamCompleteQueryRequest.Config())
        for number in range(3):
            with more:
                more.wait_for(lambda number=number: len(typed) > number, 30)  # type: ignore[misc]
            yield typed[number]

    def keystroke(number: int) -> None:
        with more:
            stroke = pb.StreamCompleteQueryRequest.Keystroke(sequence_number=number, query="new")
            typed.append(pb.StreamCompleteQueryRequest(keystroke=stroke))
            more.notify()

    def final(stream: Any) -> list[str]:
        last = next(each for each in stream if each.is_final)
        return [each.text for each in last.completion.suggestions]

    with serving(tmp_path) as (server, caller):
        stream = caller.answers.StreamCompleteQuery(keystrokes(), timeout=60)
        keystroke(1)
        assert final(stream) == ["newc", "newb", "newa"]
        caller.deny("newb")
        eventually(lambda: sample(server, "autocomplete_live_entries") == 1)
        keystroke(2)
        assert final(stream) == ["newc", "newa"]
        stream.cancel()


def test_text_that_is_being_generated_stops(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, caller):
        stream = caller.answers.GenerateText(pb.GenerateTextRequest(max_output_tokens=256), timeout=60)
        model_read = next(stream)
        assert model_read.text == " word"
        caller.deny(match=EVERYTHING)
        rest = list(stream)
        assert rest[-1].finish_reason in (
            pb.GenerateTextResponse.FINISH_REASON_STOP,
            pb.GenerateTextResponse.FINISH_REASON_LENGTH,
        )
        eventually(lambda: len(caller.generated()) == 1)


def test_creating_the_same_again_returns_what_there_is_and_the_later_end_counts(tmp_path: Path) -> None:
    soon, later = time.time() + 3600, time.time() + 7200
    with serving(tmp_path) as (_, caller):
        first = caller.deny("New York", expire_time={"seconds": int(soon)}, reason="one")
        assert caller.deny("new-york", reason="two") != first
        again = caller.deny("NEW  york ", expire_time={"seconds": int(later)})
        (listed,) = caller.listed().deny_list_entries
        assert again == listed
        assert (listed.name, listed.reason, listed.HasField("expire_time")) == (first.name, "one", False)
        assert caller.deny("new york", model="models/twin").name != first.name


def test_entries_end_by_themselves(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, caller):
        end = time.time() + 1.5
        caller.deny("newb", expire_time={"seconds": int(end), "nanos": int(end % 1 * 1e9)})
        eventually(lambda: caller.texts("new") == ["newc", "newa"])
        eventually(lambda: caller.texts("new") == ["newc", "newb", "newa"])
        assert time.time() >= end
        assert not caller.listed().deny_list_entries
        caller.deny("newb")
        eventually(lambda: caller.texts("new") == ["newc", "newa"])


def test_entries_are_listed_in_pages_newest_first(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, caller):
        for number in range(5):
            caller.deny(f"phrase {number}", CONTAINS, creator="ann", reason="r", model="models/other")
        pages, token = list[list[str]](), ""
        while token or not pages:
            page = caller.listed(page_size=2, page_token=token)
            pages.append([each.phrase for each in page.deny_list_entries])
            token = page.next_page_token
        assert pages == [["phrase 4", "phrase 3"], ["phrase 2", "phrase 1"], ["phrase 0"]]
        entry = caller.listed().deny_list_entries[0]
        assert (entry.match_operator, entry.creator, entry.model) == (CONTAINS, "ann", "models/other")
        assert abs(entry.create_time.seconds - time.time()) < 60


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"phrase": "a", "match": 0}, "match_operator"),
        ({"phrase": "a", "match": 99}, "match_operator"),
        ({"phrase": ""}, "phrase"),
        ({"phrase": "!"}, "phrase"),
        ({"phrase": "x" * 300}, "phrase"),
        ({"phrase": "(?=x)", "match": PATTERN}, "phrase"),
        ({"phrase": "x", "match": EVERYTHING}, "phrase"),
        ({"phrase": "x", "model": "shop"}, "model"),
        ({"phrase": "x", "reason": "x" * 1025}, "reason"),
        ({"phrase": "x", "creator": "x" * 129}, "creator"),
        ({"phrase": "x", "expire_time": {"seconds": 1}}, "expire_time"),
        ({"phrase": "x", "expire_time": {"seconds": 10**15}}, "expire_time"),
    ],
)
def test_a_wrong_field_is_named_with_what_to_do(tmp_path: Path, fields: dict[str, Any], field: str) -> None:
    with serving(tmp_path) as (_, caller):
        error = refused(caller.deny, **fields)
        assert error.code is grpc.StatusCode.INVALID_ARGUMENT
        assert [each.field for each in error.violations] == [f"deny_list_entry.{field}"]
        assert error.message.count(".") >= 2
        assert not caller.listed().deny_list_entries


def test_what_is_not_there_cannot_be_removed(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, caller):
        missing = refused(caller.allow, "denyListEntries/0123456789abcdef")
        assert (missing.code, missing.reason) == (grpc.StatusCode.NOT_FOUND, "ENTRY_NOT_FOUND")
        for name in ("", "denyListEntries/", "denyListEntries/x", "models/a"):
            assert refused(caller.allow, name).code is grpc.StatusCode.INVALID_ARGUMENT
        for fields in ({"page_size": -1}, {"page_token": "x"}, {"page_token": "9" * 30}):
            assert refused(caller.listed, **fields).code is grpc.StatusCode.INVALID_ARGUMENT
        assert (
            refused(
                caller.entries.DeleteDenyListEntry,
                deny_pb.DeleteDenyListEntryRequest(name="denyListEntries/0123456789abcdef", remover="x" * 129),
            )
            .violations[0]
            .field
            == "remover"
        )


def test_all_outlives_a_restart_and_the_log_tells_who_did_what(tmp_path: Path) -> None:
    with serving(tmp_path / "a", live=str(tmp_path / "live.sqlite")) as (_, caller):
        gone = caller.deny("newa", creator="ann")
        caller.deny("newb", creator="ann")
        caller.allow(gone.name)
    with serving(tmp_path / "b", live=str(tmp_path / "live.sqlite")) as (_, caller):
        assert caller.texts("new") == ["newc", "newa"]
    log = SqliteStore(tmp_path / "live.sqlite").log(after=0, count=10)
    assert [(change.by, change.value is None) for change in log] == [("ann", False), ("ann", False), ("bob", True)]
    assert log[2].was is not None
    assert log[2].was["phrase"] == "newa"


def test_servers_that_share_a_file_obey_each_other(tmp_path: Path) -> None:
    live = str(tmp_path / "live.sqlite")
    with serving(tmp_path / "a", live=live) as (_, one), serving(tmp_path / "b", live=live) as (_, other):
        with ThreadPoolExecutor(8) as pool:  # both are written to at once
            entries = list(pool.map(lambda number: (one, other)[number % 2].deny(f"n{number // 2}"), range(40)))
        assert len({entry.name for entry in entries}) == 20
        for caller in (one, other):
            eventually(lambda caller=caller: len(caller.listed().deny_list_entries) == 20)  # type: ignore[misc]
        other.deny("newb")
        eventually(lambda: one.texts("new") == other.texts("new") == ["newc", "newa"])


def test_without_a_live_state_take_downs_are_refused(tmp_path: Path) -> None:
    with serving(tmp_path, live="off") as (_, caller):
        error = refused(caller.deny, "a")
        assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "METHOD_UNSUPPORTED")
        assert "--live" in error.message
        assert caller.texts("new")


def test_a_file_that_goes_away_is_noticed_and_nothing_is_lost(tmp_path: Path) -> None:
    live = tmp_path / "live.sqlite"
    with serving(tmp_path / "a", live=str(live)) as (server, caller):
        caller.deny("newb")
        eventually(lambda: caller.texts("new") == ["newc", "newa"])
        away = [(path, path.with_name("away" + path.suffix + path.name[11:])) for path in tmp_path.glob("live.sqlite*")]
        for path, elsewhere in away:
            path.rename(elsewhere)
        error = refused(caller.deny, "newa")
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        assert error.retry_delay_s == 1.0
        eventually(lambda: caller.complete("new").degraded)
        assert caller.texts("new") == ["newc", "newa"]
        assert caller.answers.PredictNextWord(pb.PredictNextWordRequest(text="a ")).degraded
        assert sample(server, "autocomplete_live_age_seconds") > 2
        assert sample(server, "autocomplete_live_write_failures_total") == 1
        assert sample(server, "autocomplete_degraded_answers_total", reason="store", part="live") > 0
        for path, elsewhere in away:
            elsewhere.rename(path)
        eventually(lambda: not caller.complete("new").degraded)
        caller.deny("newa")
        eventually(lambda: caller.texts("new") == ["newc"])


@pytest.mark.parametrize("content", [b"", b"not a database " * 100])
def test_a_file_that_is_none_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "live.sqlite").write_bytes(content)
    with pytest.raises(ConfigError, match=r"Live state .*live\.sqlite: .*--live"), serving(tmp_path):
        pass


def test_a_redis_that_would_forget_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    redis = RedisProcess(tmp_path / "redis")
    redis.start()
    try:
        with serving(tmp_path, redis=redis.url) as (_, caller):
            error = refused(caller.deny, "newb")
            assert error.code is grpc.StatusCode.FAILED_PRECONDITION
            assert "appendonly" in error.message
            assert len(caller.texts("new")) == 3
    finally:
        redis.stop()


def test_a_redis_that_is_cut_off_and_back_makes_no_difference(tmp_path: Path) -> None:
    for name in ("redis", "a", "b"):
        (tmp_path / name).mkdir()
    redis = RedisProcess(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "always")
    redis.start()
    try:
        with (
            serving(tmp_path / "a", live=redis.url) as (_, one),
            serving(tmp_path / "b", redis=redis.url) as (_, other),
        ):
            one.deny("newb")
            eventually(lambda: one.texts("new") == other.texts("new") == ["newc", "newa"])
            redis.stop()
            eventually(lambda: other.complete("new").degraded)
            assert refused(other.deny, "newa").reason == "STORE_UNAVAILABLE"
            assert one.texts("new") == other.texts("new") == ["newc", "newa"]
            redis.start()
            eventually(lambda: not other.complete("new").degraded)
            other.deny("newa")
            eventually(lambda: one.texts("new") == other.texts("new") == ["newc"])
    finally:
        redis.stop()


def test_nothing_is_answered_before_it_is_known_what_is_taken_down(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    redis = RedisProcess(tmp_path / "redis", "--appendonly", "yes")
    with serving(tmp_path, live=redis.url) as (_, caller):
        time.sleep(0.5)
        error = refused(caller.complete, "new")
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_LOADING")
        redis.start()
        try:
            eventually(lambda: not isinstance(attempt(caller), grpc.RpcError))
        finally:
            redis.stop()


def attempt(caller: Caller) -> object:
    try:
        return caller.complete("new")
    except grpc.RpcError as error:
        return error


def test_limits_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.rpc.deny_list.MAX_ENTRIES", 3)
    monkeypatch.setattr("service.rpc.deny_list.MAX_PATTERNS", 1)
    with serving(tmp_path) as (server, caller):
        caller.deny("a+", PATTERN)
        eventually(lambda: sample(server, "autocomplete_live_entries") == 1)
        assert "1 patterns" in refused(caller.deny, "b+", PATTERN).message
        caller.deny("b")
        caller.deny("c")
        eventually(lambda: sample(server, "autocomplete_live_entries") == 3)
        assert "3 entries" in refused(caller.deny, "d").message
        caller.deny(match=EVERYTHING)  # there is always room for a kill switch


def test_what_a_server_cannot_obey_stops_nothing_else(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, caller):
        caller.deny("new york")
        store = SqliteStore(tmp_path / "live.sqlite")
        for key, said in (("0" * 16, {"operator": "pattern", "phrase": "("}), ("1" * 16, {"operator": "sounds_like"})):
            value = {"phrase": "x", "model": "", "reason": "", "creator": "", "created_s": 1.0, "ends_s": None, **said}
            store.put(Change(kind=KIND, key=key, value=value, by="", at_s=1.0), expected=0)
        store.close()
        caller.deny("new jersey")
        eventually(lambda: sample(server, "autocomplete_live_entries") == 2)
        assert {"new york", "new jersey"} <= {each.phrase for each in caller.listed().deny_list_entries}
    with serving(tmp_path / "again", live=str(tmp_path / "live.sqlite")) as (server, _):  # nor a start
        eventually(lambda: sample(server, "autocomplete_live_entries") == 2)


def test_a_redis_address_that_nobody_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="live"), serving(tmp_path, live=f"http://127.0.0.1:{free_port()}"):
        pass
