"""What is curated through the whole server: written over gRPC, shown by a trained model, kept whatever ends."""

from __future__ import annotations

import json
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
from autocomplete.v1 import curation_service_pb2 as curation_pb
from autocomplete.v1 import curation_service_pb2_grpc as curation_grpc
from autocomplete.v1 import deny_list_service_pb2 as deny_pb
from autocomplete.v1 import deny_list_service_pb2_grpc as deny_grpc

from lm.bundle.registry import Registry
from service.app import Server
from service.live.stores.sqlite_store import SqliteStore
from suggest.model import Model, open_model
from tests.service_twins import TwinModel, eventually, refused, running, sample
from training.config import TrainingConfig
from training.pipeline import train
from training.progress import SilentReporter

_BRANDS = ["Apple iPhone", "Samsung Galaxy", "Sony Walkman", "LEGO Technic", "Bosch Professional", "Television"]
_THINGS = ["Case", "Charger", "Leather Cover", "Spare Parts", "Gift Box", "Cable", "Holder", "Poster", "Bag", "Stand"]
TYPED, BEGINS = curation_pb.Pin.MATCH_TYPED, curation_pb.Pin.MATCH_BEGINS
HISTORY, CATALOGUE = pb.SUGGESTION_SOURCE_HISTORY, pb.SUGGESTION_SOURCE_CATALOGUE


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("curation")
    rows = [
        {
            "text": f"{brand} {thing}",
            "weight": 10 * (9 - number) + place,
            "id": f"{number}-{place}",
            "tags": [f"brand:{brand.split()[0].lower()}", "small" if place % 2 else "large"],
        }
        for number, brand in enumerate(_BRANDS)
        for place, thing in enumerate(_THINGS)
    ]
    (folder / "products.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    catalogue = {"path": "products.jsonl", "weight_column": "weight", "payload_column": "id", "tags_column": "tags"}
    language_model: dict[str, Any] = {
        "name": "queries",
        "unit": "subword",
        "sources": ["queries"],
        "vocabulary_size": 120,
    }
    language_model["ngram"] = {"smoothing": "add_delta", "order": 3}
    document = {
        "name": "shop",
        "catalogue": [catalogue],
        "language_models": [language_model],
        "publishing": {"registry": "registry"},
    }
    train(TrainingConfig.model_validate(document), base=folder, reporter=SilentReporter())
    return open_model(Registry(folder / "registry").resolve("shop"))


class Caller:
    """Who curates and who types, on one channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.answers = pb_grpc.AutocompleteServiceStub(channel)
        self.curation = curation_grpc.CurationServiceStub(channel)
        self.entries = deny_grpc.DenyListServiceStub(channel)

    def entry(self, text: str, weight: float = 1.0, **fields: Any) -> curation_pb.CatalogueEntry:
        entry = curation_pb.CatalogueEntry(text=text, weight=weight, **fields)
        request = curation_pb.CreateCatalogueEntryRequest(catalogue_entry=entry)
        created: curation_pb.CatalogueEntry = self.curation.CreateCatalogueEntry(request, timeout=30)
        return created

    def withdraw(self, text: str) -> curation_pb.CatalogueEntry:
        return self.entry(text, 0.0, withdrawn=True)

    def restore(self, name: str) -> None:
        request = curation_pb.DeleteCatalogueEntryRequest(name=name, remover="bob")
        self.curation.DeleteCatalogueEntry(request, timeout=30)

    def pin(self, query: str, text: str, match: Any = TYPED, **fields: Any) -> curation_pb.Pin:
        pin = curation_pb.Pin(query=query, text=text, match=match, **fields)
        created: curation_pb.Pin = self.curation.CreatePin(curation_pb.CreatePinRequest(pin=pin), timeout=30)
        return created

    def synonym(self, phrase: str, replacement: str, **fields: Any) -> curation_pb.Synonym:
        synonym = curation_pb.Synonym(phrase=phrase, replacement=replacement, **fields)
        request = curation_pb.CreateSynonymRequest(synonym=synonym)
        created: curation_pb.Synonym = self.curation.CreateSynonym(request, timeout=30)
        return created

    def hits(self, **counts: int) -> None:
        each = [curation_pb.HitCount(query=query.replace("_", " "), hits=hits) for query, hits in counts.items()]
        self.curation.SetHitCounts(curation_pb.SetHitCountsRequest(hit_counts=each, creator="ann"), timeout=30)

    def deny(self, phrase: str) -> None:
        entry = deny_pb.DenyListEntry(phrase=phrase, match_operator=deny_pb.DenyListEntry.MATCH_OPERATOR_EXACT)
        self.entries.CreateDenyListEntry(deny_pb.CreateDenyListEntryRequest(deny_list_entry=entry), timeout=30)

    def complete(self, query: str, **fields: Any) -> list[pb.CompleteQueryResponse.QuerySuggestion]:
        request = pb.CompleteQueryRequest(query=query, **fields)
        return list(self.answers.CompleteQuery(request, timeout=30).suggestions)

    def texts(self, query: str, **fields: Any) -> list[str]:
        return [each.text for each in self.complete(query, **fields)]


@contextmanager
def serving(folder: Path, model: Model | None = None, **settings: Any) -> Iterator[tuple[Server, Caller]]:
    """A server with a trained model, or with a twin."""
    if model is None:
        twins, opener = [TwinModel()], None
    else:
        twins, opener = [TwinModel("shop", version=model.version)], lambda _: model
    with running(folder, *twins, opener=opener, **settings) as (server, channel):
        yield server, Caller(channel)


def test_an_entry_is_found_as_those_of_the_catalogue_and_goes_when_it_is_deleted(tmp_path: Path, model: Model) -> None:
    with serving(tmp_path, model) as (_, caller):
        assert "Zenith Desk Lamp" not in caller.texts("zen")
        made = caller.entry("Zenith Desk Lamp", 50.0, payload="lamp-1", creator="ann")
        assert (made.model, made.text, made.creator) == ("models/shop", "Zenith Desk Lamp", "ann")
        eventually(lambda: caller.texts("zen")[:1] == ["Zenith Desk Lamp"])
        first = caller.complete("lamp zen")[0]  # any order
        assert (first.text, first.payload, first.source) == ("Zenith Desk Lamp", "lamp-1", CATALOGUE)
        assert caller.texts("zenith desl la")[0] == "Zenith Desk Lamp"  # an error
        caller.entry("zenith desk lamp", 50.0, payload="lamp-2")
        eventually(lambda: [each.payload for each in caller.complete("zen")][:1] == ["lamp-2"])
        caller.restore(made.name)
        eventually(lambda: not any("enith" in text for text in caller.texts("zen")))


def test_an_entry_of_the_catalogue_is_changed_and_withdrawn_and_restored(tmp_path: Path, model: Model) -> None:
    with serving(tmp_path, model) as (_, caller):
        before = caller.texts("apple")
        assert before.index("Apple iPhone Stand") < before.index("Apple iPhone Case")
        changed = caller.entry("APPLE iPhone Case", 5000.0, payload="new")
        eventually(lambda: caller.texts("apple")[0] == "APPLE iPhone Case")
        assert caller.complete("apple")[0].payload == "new"
        assert "Apple iPhone Case" not in caller.texts("apple")
        withdrawn = caller.withdraw("apple iphone case")
        assert withdrawn.name == changed.name
        eventually(lambda: "iphone case" not in " ".join(caller.texts("apple")).lower())
        caller.restore(changed.name)
        eventually(lambda: caller.texts("apple") == before)


def test_pins_stand_at_their_places(tmp_path: Path, model: Model) -> None:
    with serving(tmp_path, model) as (_, caller):
        before = caller.texts("sony")
        caller.pin("Sony", "Sony Walkman Bag", place=1, creator="ann")
        made = caller.pin("son", "Free Shipping!", BEGINS, place=3, payload="promo")
        eventually(lambda: caller.texts("sony")[2:3] == ["Free Shipping!"])
        listed = caller.complete("sony")
        assert [each.text for each in listed if each.pinned] == [listed[0].text, listed[2].text]
        assert (listed[0].text, listed[0].source) == ("Sony Walkman Bag", CATALOGUE)
        assert (listed[2].payload, listed[2].source) == ("promo", CATALOGUE)
        assert [each.typed for each in listed[2].segments] == [False]
        others = [text for text in before if text != "Sony Walkman Bag"]
        assert [each.text for each in listed if not each.pinned] == others[: 10 - 2]
        assert caller.texts("sony w")[2] == "Free Shipping!"
        assert "Free Shipping!" not in caller.texts("so")
        assert "Free Shipping!" not in caller.texts("sony", max_suggestions=2)
        caller.deny("free shipping")
        eventually(lambda: "Free Shipping!" not in caller.texts("sony"))
        caller.curation.DeletePin(curation_pb.DeletePinRequest(name=made.name), timeout=30)
        caller.pin("", "Welcome", place=1)
        eventually(lambda: caller.texts("")[0] == "Welcome")


def test_a_boost_raises_what_is_far_down(tmp_path: Path, model: Model) -> None:
    with serving(tmp_path, model) as (_, caller):
        last = "Television Case"
        assert caller.texts("")[0] != last
        caller.pin("tele", last, BEGINS, boost=1000.0)
        eventually(lambda: caller.texts("tele")[0] == last)
        first = caller.complete("telev")[0]
        assert (first.text, first.pinned) == (last, True)
        assert 0 < first.acceptance_probability <= 1
        stated = [each.acceptance_probability for each in caller.complete("tele")]
        assert stated == sorted(stated, reverse=True)


def _at(at_s: float) -> dict[str, int]:
    return {"seconds": int(at_s), "nanos": int(at_s % 1 * 1e9)}


def test_a_pin_begins_and_ends_by_itself(tmp_path: Path, model: Model) -> None:
    with serving(tmp_path, model) as (_, caller):
        start_s = time.time() + 1.0
        caller.pin("bosch", "Today only", place=1, start_time=_at(start_s))
        eventually(lambda: caller.texts("bosch")[0] == "Today only")
        assert time.time() >= start_s
        end_s = time.time() + 1.0
        caller.pin("bosch", "Today only", place=1, expire_time=_at(end_s))
        eventually(lambda: caller.texts("bosch")[0] != "Today only")
        assert time.time() >= end_s
        assert not caller.curation.ListPins(curation_pb.ListPinsRequest()).pins


def test_synonyms_find_what_has_the_other_word(tmp_path: Path, model: Model) -> None:
    with serving(tmp_path, model) as (_, caller):
        assert not any("Television" in text for text in caller.texts("tv sta", generated=pb.GENERATED_QUERIES_OFF))
        made = caller.synonym("TV", "television")
        caller.entry("tv guide", 1.0)
        eventually(lambda: caller.texts("tv sta")[:1] == ["Television Stand"])
        first = caller.complete("tv sta")[0]
        assert [(each.text, each.typed) for each in first.segments] == [
            ("Television ", False),
            ("Sta", True),
            ("nd", False),
        ]
        assert any(text.startswith("Television") for text in caller.texts("tv"))
        assert "tv guide" not in caller.texts("television")  # one way
        assert caller.synonym("tv", "television", two_way=True).name == made.name
        eventually(lambda: "tv guide" in caller.texts("television g"))


def test_what_finds_nothing_is_hidden_until_it_does(tmp_path: Path, model: Model) -> None:
    with serving(tmp_path, model) as (_, caller):
        before = caller.texts("lego")
        assert before[0].lower() == "lego technic stand"
        caller.hits(lego_technic_stand=0, Lego_Technic_Bag=5)
        eventually(lambda: before[0] not in caller.texts("lego"))
        (hidden,) = caller.curation.ListHitCounts(curation_pb.ListHitCountsRequest()).hidden_queries
        assert (hidden.query, hidden.model, hidden.creator) == ("lego technic stand", "models/shop", "ann")
        caller.hits(LEGO_technic_stand=3)
        eventually(lambda: caller.texts("lego") == before)


def test_only_what_carries_the_tags_is_shown(tmp_path: Path, model: Model) -> None:
    with serving(tmp_path, model) as (_, caller):
        sony = {"all_of": ["brand:sony"]}
        assert set(caller.texts("", filter=sony, max_suggestions=20)) == {f"Sony Walkman {each}" for each in _THINGS}
        assert caller.texts("case", filter=sony) == ["Sony Walkman Case"]
        assert caller.texts("wlakman cas", filter=sony) == ["Sony Walkman Case"]
        assert caller.texts("apple", filter=sony) == []
        both = {"all_of": ["small"], "any_of": ["brand:sony", "brand:lego"]}
        assert len(caller.texts("", filter=both, max_suggestions=20)) == 10
        assert caller.texts("", filter={"all_of": ["nothing"]}) == []
        assert caller.texts("apple", filter={}) == caller.texts("apple")
        caller.entry("Sony Zenith", 1.0, tags=["brand:sony"])
        caller.entry("Sony Zeppelin", 1000.0, tags=["brand:other"])
        caller.pin("sony z", "Sony Zebra", place=1)
        eventually(lambda: "Sony Zebra" in caller.texts("sony z"))
        found = caller.texts("sony z", filter=sony)
        assert found[0] == "Sony Zenith"
        assert set(found[1:]) <= {f"Sony Walkman {each}" for each in _THINGS}  # as corrections


def test_items_are_listed_and_outlive_a_restart(tmp_path: Path, model: Model) -> None:
    live = str(tmp_path / "live.sqlite")
    with serving(tmp_path / "a", model, live=live) as (_, caller):
        entry = caller.entry("Zenith", 2.0, payload="p", tags=["b", "a"], creator="ann")
        pin = caller.pin("q", "Zenith", place=20, start_time={"seconds": 1}, creator="ann")
        synonym = caller.synonym("a b", "c", creator="ann")
        assert list(entry.tags) == ["a", "b"]
        entries = [
            curation_pb.CreateCatalogueEntryRequest(catalogue_entry={"text": f"Item {n}", "weight": 1 + n})
            for n in range(5)
        ]
        request = curation_pb.BatchCreateCatalogueEntriesRequest(requests=[*entries, entries[0]])
        names = caller.curation.BatchCreateCatalogueEntries(request, timeout=30).names
        assert (len(names), len(set(names))) == (6, 5)
        caller.curation.BatchCreateCatalogueEntries(request, timeout=30)  # changes nothing
    with serving(tmp_path / "b", model, live=live) as (server, caller):
        eventually(lambda: sample(server, "autocomplete_live_entries") == 8)
        pages, token = list[list[str]](), ""
        while token or not pages:
            listed = curation_pb.ListCatalogueEntriesRequest(page_size=4, page_token=token)
            page = caller.curation.ListCatalogueEntries(listed, timeout=30)
            pages.append([each.text for each in page.catalogue_entries])
            token = page.next_page_token
        assert [len(page) for page in pages] == [4, 2]
        assert pages[1][-1] == "Zenith"
        assert page.catalogue_entries[-1] == entry
        assert list(caller.curation.ListPins(curation_pb.ListPinsRequest()).pins) == [pin]
        assert list(caller.curation.ListSynonyms(curation_pb.ListSynonymsRequest()).synonyms) == [synonym]
        caller.restore(entry.name)
    store = SqliteStore(tmp_path / "live.sqlite")
    log = store.log(after=0, count=100)
    store.close()
    assert len(log) == 3 + 5 + 1
    assert (log[-1].by, log[-1].value, (log[-1].was or {})["text"]) == ("bob", None, "Zenith")


@pytest.mark.parametrize(
    ("method", "args", "fields", "field"),
    [
        ("entry", ("x" * 300,), {}, "catalogue_entry.text"),
        ("entry", ("a", float("nan")), {}, "catalogue_entry.weight"),
        ("entry", ("a",), {"model": "shop"}, "catalogue_entry.model"),
        ("entry", ("a",), {"withdrawn": True}, "catalogue_entry.withdrawn"),
        ("pin", ("a", "b"), {"place": 21}, "pin.place"),
        ("pin", ("a", "b"), {}, "pin.place"),
        ("pin", ("a", "b", 0), {"place": 1}, "pin.match"),
        ("pin", ("a", "b"), {"place": 1, "expire_time": {"seconds": 1}}, "pin.expire_time"),
        ("pin", ("a", "b"), {"place": 1, "start_time": {"seconds": 10**15}}, "pin.start_time"),
        ("synonym", ("x" * 300, "b"), {}, "synonym.phrase"),
        ("synonym", ("a", "A"), {}, "synonym.replacement"),
        ("complete", ("a",), {"filter": {"all_of": ["x" * 65]}}, "filter.all_of"),
        ("complete", ("a",), {"filter": {"any_of": ["x"] * 33}}, "filter.any_of"),
    ],
)
def test_a_wrong_field_is_named_with_what_to_do(
    tmp_path: Path, method: str, args: tuple[Any, ...], fields: dict[str, Any], field: str
) -> None:
    with serving(tmp_path) as (_, caller):
        error = refused(getattr(caller, method), *args, **fields)
        assert error.code is grpc.StatusCode.INVALID_ARGUMENT
        assert [each.field for each in error.violations] == [field]
        assert error.message.count(".") >= 2


def test_of_a_batch_all_or_none_are_taken(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, caller):
        good = curation_pb.CreateCatalogueEntryRequest(catalogue_entry={"text": "a", "weight": 1})
        bad = curation_pb.CreateCatalogueEntryRequest(catalogue_entry={"text": "b"})
        batch = caller.curation.BatchCreateCatalogueEntries
        error = refused(batch, curation_pb.BatchCreateCatalogueEntriesRequest(requests=[good, bad]), timeout=30)
        assert [each.field for each in error.violations] == ["requests[1].catalogue_entry.weight"]
        for requests in ([], [good] * 1001):
            error = refused(batch, curation_pb.BatchCreateCatalogueEntriesRequest(requests=requests), timeout=30)
            assert [each.field for each in error.violations] == ["requests"]
        error = refused(caller.hits, a=1, b=-1)
        assert [each.field for each in error.violations] == ["hit_counts[1].hits"]
        assert not caller.curation.ListCatalogueEntries(curation_pb.ListCatalogueEntriesRequest()).catalogue_entries


def test_what_is_not_there_cannot_be_removed(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, caller):
        missing = refused(caller.restore, "catalogueEntries/0123456789abcdef")
        assert (missing.code, missing.reason) == (grpc.StatusCode.NOT_FOUND, "ENTRY_NOT_FOUND")
        for name in ("", "pins/0123456789abcdef", "catalogueEntries/x"):
            assert refused(caller.restore, name).code is grpc.StatusCode.INVALID_ARGUMENT


def test_limits_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.rpc.curation.MOST", {"entry": 2, "pin": 1, "synonym": 1, "hits": 1})
    with serving(tmp_path) as (server, caller):
        caller.entry("a")
        caller.entry("b")
        caller.pin("a", "b", place=1)
        caller.synonym("a", "b")
        caller.hits(a=0)
        eventually(lambda: sample(server, "autocomplete_live_entries") == 5)
        caller.entry("a", 2.0)  # no further one
        for call, args in ((caller.entry, ("c",)), (caller.synonym, ("b", "c"))):
            assert "one too many" in refused(call, *args).message
        assert "1 pins" in refused(caller.pin, "c", "d", place=1).message
        assert "1 queries" in refused(caller.hits, b=0).message


def test_without_a_live_state_and_while_it_is_away_nothing_is_taken(tmp_path: Path) -> None:
    with serving(tmp_path / "a", live="off") as (_, caller):
        error = refused(caller.entry, "a")
        assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "METHOD_UNSUPPORTED")
    live = tmp_path / "live.sqlite"
    with serving(tmp_path / "b", live=str(live)) as (server, caller):
        caller.entry("a")
        away = [(path, tmp_path / f"away{path.name[11:]}") for path in tmp_path.glob("live.sqlite*")]
        for path, elsewhere in away:
            path.rename(elsewhere)
        error = refused(caller.entry, "b")
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        assert sample(server, "autocomplete_live_write_failures_total") == 1
        for path, elsewhere in away:
            elsewhere.rename(path)
        eventually(lambda: caller.entry("b"))


def test_servers_that_share_a_file_show_the_same(tmp_path: Path, model: Model) -> None:
    live = str(tmp_path / "live.sqlite")
    with serving(tmp_path / "a", model, live=live) as (_, one), serving(tmp_path / "b", model, live=live) as (_, other):
        one.entry("Zenith Lamp", 5.0)
        other.pin("zen", "Zenith Sale", place=1)
        for caller in (one, other):
            eventually(lambda caller=caller: caller.texts("zen")[:2] == ["Zenith Sale", "Zenith Lamp"])  # type: ignore[misc]


def test_a_filter_holds_for_a_whole_stream_and_in_the_cache(tmp_path: Path, model: Model) -> None:
    def keystrokes() -> Iterator[pb.StreamCompleteQueryRequest]:
        yield pb.StreamCompleteQueryRequest(config={"filter": {"any_of": ["brand:sony"]}})
        yield pb.StreamCompleteQueryRequest(keystroke={"sequence_number": 1, "query": "case"})

    with serving(tmp_path, model) as (_, caller):
        every = caller.texts("case")
        assert len(every) > 1
        last = next(each for each in caller.answers.StreamCompleteQuery(keystrokes(), timeout=60) if each.is_final)
        assert [each.text for each in last.completion.suggestions] == ["Sony Walkman Case"]
        assert caller.texts("case", filter={"all_of": ["brand:sony"]}) == ["Sony Walkman Case"]
        assert caller.texts("case") == every


def test_a_take_down_waits_for_no_curation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    going_on = threading.Event()
    append = SqliteStore.append
    monkeypatch.setattr(SqliteStore, "append", lambda *args: going_on.wait(30) and append(*args))
    with serving(tmp_path) as (_, caller), ThreadPoolExecutor(5) as threads:
        entries = [threads.submit(caller.entry, f"lamp {number}") for number in range(5)]
        caller.deny("sofa")
        assert not any(entry.done() for entry in entries)
        going_on.set()
        assert [entry.result().text for entry in entries] == [f"lamp {number}" for number in range(5)]
