"""What is curated, as changes hold it and as the overlay does."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from lm.errors import RequestError
from service.live.changes import Change, pack, removal, unpack
from service.live.curation import CuratedEntry, CuratedItem, Hits, Pin, Synonym, When, creation
from service.live.deny_list import DenyEntry, Operator
from service.live.kinds import check, read
from service.live.overlay import Overlay, View

_ENTRY = CuratedEntry(
    model="shop", text="Red Shoes", weight=3.0, payload="1", tags=("red", "shoes"), creator="ann", created_s=1.0
)
_GONE = CuratedEntry(model="shop", text="Old Hat", withdrawn=True, created_s=1.0)
_PIN = Pin(model="shop", query="Re", when=When.BEGINS, text="Red Hat", place=1, created_s=1.0)
_BOOST = Pin(model="shop", query="", when=When.TYPED, text="hat", boost=2.5, starts_s=5.0, ends_s=9.0, created_s=1.0)
_SYNONYM = Synonym(model="shop", phrase="TV", replacement="television", two_way=True, created_s=1.0)
_EMPTY = Hits(model="shop", query="Nothing There", created_s=1.0)
_ITEMS: list[CuratedItem] = [_ENTRY, _GONE, _PIN, _BOOST, _SYNONYM, _EMPTY]


def view(*items: CuratedItem, model: str = "shop", now_s: float = 2.0) -> View:
    return Overlay().with_changes([(item.checked(), True) for item in items]).at(now_s).view(model)


@pytest.mark.parametrize("item", _ITEMS, ids=lambda item: type(item).__name__)
def test_a_change_holds_an_item_and_so_does_its_removal(item: CuratedItem) -> None:
    change = unpack(pack(creation(item, at_s=2.0)), 7)
    assert read(change) == item
    check(change)
    removed = unpack(pack(removal(change, at_s=3.0, by="bob")), 8)
    assert (read(removed), removed.value) == (item, None)
    with pytest.raises(ValueError, match="key"):
        check(Change(kind=change.kind, key="0" * 16, value=change.value, by="", at_s=1.0))


def test_what_holds_no_item_is_refused() -> None:
    for value in ({}, {"model": "shop", "text": 5}, {**dict(creation(_PIN, at_s=1.0).value or {}), "when": "never"}):
        with pytest.raises(ValueError, match="change 3 holds nothing that can be curated"):
            read(Change(kind="pin", key="", value=value, by="", at_s=1.0, number=3))


def test_the_view_holds_all_kinds_of_one_model_alone() -> None:
    shop = view(*_ITEMS, now_s=6.0)
    query = shop.entries.queries.get("red shoes")
    assert query is not None
    assert (query.count, query.display, query.payload, query.tags) == (
        3.0,
        "Red Shoes",
        "1",
        frozenset({"red", "shoes"}),
    )
    assert query.entry
    assert shop.blocks("old hat")
    assert shop.blocks("nothing there")
    assert not shop.blocks("red shoes")
    assert shop.curated.pins is not None
    assert [pin.display for pin in shop.curated.pins.of("red sh")] == ["Red Hat"]
    assert [pin.display for pin in shop.curated.pins.of("")] == ["hat"]
    assert shop.curated.synonyms is not None
    assert shop.curated.synonyms.variants("television stand") == ["tv stand"]
    assert view(*_ITEMS, model="films").epoch == ""


def test_the_epoch_is_that_of_what_holds() -> None:
    epochs = {view(*order).epoch for order in itertools.permutations(_ITEMS[:4])}
    assert len(epochs) == 1
    every = [view(*(item for item in _ITEMS if item is not left_out)).epoch for left_out in [*_ITEMS, None]]
    assert len(set(every)) == len(every) - 1  # the boost does not hold yet
    overlay = Overlay().with_changes([(item, True) for item in _ITEMS])
    assert overlay.size == 6
    assert overlay.with_changes([(item, False) for item in _ITEMS]).view("shop").epoch == ""
    changed = view(_ENTRY, CuratedEntry(model="shop", text="red shoes", weight=4.0, created_s=2.0))
    assert changed.epoch == view(CuratedEntry(model="shop", text="red shoes", weight=4.0, created_s=9.0)).epoch


def test_a_taken_down_text_changes_nothing_of_what_is_curated() -> None:
    entry = DenyEntry(operator=Operator.EXACT, phrase="x", created_s=1.0)
    denied = Overlay().with_changes([(entry, True)])
    both = denied.with_changes([(_ENTRY, True)])
    assert both.view("films").epoch == denied.view("films").epoch
    assert both.view("shop").epoch == denied.view("shop").epoch + view(_ENTRY).epoch
    assert both.view("shop").blocks("x")


def test_pins_begin_and_end() -> None:
    overlay, shown = Overlay().with_changes([(_BOOST, True), (_ENTRY, True)]), []
    for now_s in (1.0, 4.9, 5.0, 8.9, 9.0, 20.0):
        overlay = overlay.at(now_s)
        assert overlay.at(now_s) is overlay
        shown.append(overlay.view("shop").curated.pins is not None)
    assert shown == [False, False, True, True, False, False]
    assert overlay.view("shop").epoch == view(_ENTRY).epoch


def _entry(**fields: Any) -> CuratedEntry:
    return CuratedEntry(**{"model": "m", "text": "x", "weight": 1.0, "created_s": 1.0, **fields})


def _pin(**fields: Any) -> Pin:
    return Pin(**{"model": "m", "query": "q", "when": When.TYPED, "text": "x", "created_s": 1.0, **fields})


def _synonym(**fields: Any) -> Synonym:
    return Synonym(**{"model": "m", "phrase": "a", "replacement": "b", "created_s": 1.0, **fields})


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (_entry(text=""), "catalogue_entry.text"),
        (_entry(text="x" * 300), "catalogue_entry.text"),
        *(
            (_entry(weight=weight), "catalogue_entry.weight")
            for weight in (0.0, -1.0, float("nan"), float("inf"), 1e13)
        ),
        (_entry(withdrawn=True), "catalogue_entry.withdrawn"),
        (_entry(payload="x" * 1025), "catalogue_entry.payload"),
        (_entry(tags=("x" * 65,)), "catalogue_entry.tags"),
        (_entry(tags=("",)), "catalogue_entry.tags"),
        (_entry(tags=tuple(map(str, range(33)))), "catalogue_entry.tags"),
        (_entry(creator="x" * 129), "catalogue_entry.creator"),
        (_pin(), "pin.place"),
        (_pin(place=1, boost=2.0), "pin.place"),
        (_pin(place=21), "pin.place"),
        (_pin(place=-1), "pin.place"),
        (_pin(boost=-1.0), "pin.boost"),
        (_pin(boost=float("nan")), "pin.boost"),
        (_pin(place=1, text=" "), "pin.text"),
        (_pin(place=1, query="x" * 300), "pin.query"),
        (_pin(place=1, ends_s=0.5), "pin.expire_time"),
        (_pin(place=1, starts_s=9.0, ends_s=8.0), "pin.expire_time"),
        (_synonym(phrase=""), "synonym.phrase"),
        (_synonym(replacement="x" * 300), "synonym.replacement"),
        (_synonym(replacement="a b c d e f"), "synonym.replacement"),
        (_synonym(replacement="A"), "synonym.replacement"),
        (Hits(model="m", query="", created_s=1.0), "hit_counts.query"),
        (Hits(model="m", query="x", hits=-1, created_s=1.0), "hit_counts.hits"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(item: CuratedItem, field: str) -> None:
    with pytest.raises(RequestError) as raised:
        item.checked()
    assert raised.value.field == field
    assert raised.value.remedy
