"""What a denied phrase or pattern takes down, and what only looks like it."""

from __future__ import annotations

import math

import pytest

from lm.errors import RequestError
from lm.text.normalize import normalize_query
from service.live.changes import removal
from service.live.denied import Denied, DeniedView
from service.live.deny_list import DenyEntry, Operator, creation, entry_of


def entry(operator: Operator, phrase: str = "", **fields: object) -> DenyEntry:
    return DenyEntry(operator=operator, phrase=phrase, **{"created_s": 1.0, **fields})  # type: ignore[arg-type]


def view_of(*entries: DenyEntry, model: str = "shop") -> DeniedView:
    return Denied().with_changes([(each.checked(), True) for each in entries]).view(model)


def blocks(operator: Operator, phrase: str, text: str) -> bool:
    return view_of(entry(operator, phrase)).blocks(normalize_query(text))


SAME = [
    ("harry potter", "Harry Potter"),
    ("harry potter", "harrypotter"),
    ("harrypotter", "harry potter"),
    ("harry potter", "harry-potter"),
    ("harry potter", "harry  potter!"),
    ("Beyoncé", "beyonce"),
    ("beyonce", "BEYONCÉ"),
    ("köln", "koeln"),
    ("koeln", "Köln"),
    ("köln", "koln"),
    ("straße", "strasse"),
    ("sex", "s e x"),
    ("sex", "s.e.x"),
    ("s e x", "sex"),
    ("mcdonalds", "mcdonald's"),
    ("mcdonald's", "mcdonalds"),
    ("you'll never walk alone", "youll never walk alone"),
    ("iphone 15", "iPhone15"),
    ("\uff46\uff55\uff4c\uff4c width", "full width"),
    ("東京", "東 京"),
    ("हिन्दी", "हिंदी"),
    ("カタカナ", "かたかな"),
    ("soft\u00adhyphen", "softhyphen"),
]
OTHER = [
    ("harry potter", "harry potter 2"),
    ("harry potter", "harry"),
    ("harry potter", "potter harry"),
    ("sex", "essex"),
    ("essex", "sex"),
    ("penis land", "pen island"),
    ("pen island", "penis land"),
    ("hell", "he'll"),
    ("shell", "she'll"),
    ("well", "we'll"),
    ("were", "we're"),
    ("c", "c++"),
    ("c++", "c#"),
    ("iphone 15", "iphone 1 5 6"),
    ("black", "blacks"),
    ("東京", "京東"),
]


@pytest.mark.parametrize(("phrase", "text"), SAME)
@pytest.mark.parametrize("operator", [Operator.EXACT, Operator.CONTAINS])
def test_spelling_accents_and_joined_words_get_around_nothing(operator: Operator, phrase: str, text: str) -> None:
    assert blocks(operator, phrase, text)


@pytest.mark.parametrize(("phrase", "text"), OTHER)
def test_what_only_looks_like_a_phrase_stays(phrase: str, text: str) -> None:
    assert not blocks(Operator.EXACT, phrase, text)


@pytest.mark.parametrize(("phrase", "text"), [each for each in OTHER if each[1][-1] not in "26"])
def test_what_does_not_contain_a_phrase_stays(phrase: str, text: str) -> None:
    assert not blocks(Operator.CONTAINS, phrase, text)
    assert not blocks(Operator.CONTAINS, phrase, f"buy {text} online")


@pytest.mark.parametrize(("phrase", "text"), SAME)
def test_a_phrase_is_found_wherever_it_stands(phrase: str, text: str) -> None:
    for around in (f"{text} online", f"buy {text}", f"buy {text} online"):
        assert blocks(Operator.CONTAINS, phrase, around)
        assert not blocks(Operator.EXACT, phrase, around)


def test_only_whole_words_begin_and_end_a_phrase() -> None:
    assert not blocks(Operator.CONTAINS, "art shop", "smart shop")
    assert not blocks(Operator.CONTAINS, "art shop", "smartshop")
    assert not blocks(Operator.CONTAINS, "art shop", "art shopping")


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"\bb[0o]mb\b", "how to make a b0mb", True),
        (r"\bb[0o]mb\b", "bombay", False),
        (r"^harry", "harry potter", True),
        (r"^harry", "dirty harry", False),
        (r"HARRY \w+$", "harry potter", True),
        (r"café", "cafe rouge", True),
        (r"cafe", "café rouge", True),
        (r"iphone \d+", "iphone15", True),
        (r"[дД]ом", "ДОМ", True),
    ],
)
def test_patterns_look_at_the_text_and_its_words(pattern: str, text: str, found: bool) -> None:
    assert blocks(Operator.PATTERN, pattern, text) is found


@pytest.mark.parametrize("memory", [0, -5000])
def test_many_patterns_are_found_too_where_one_pass_has_too_little_memory(
    memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.live.patterns._STATE_BYTES", memory)
    view = view_of(*(entry(Operator.PATTERN, rf"w{number}\s+\w*(x|y)+\w*end{number}") for number in range(150)))
    for number in range(150):
        assert view.blocks(f"w{number} {'ab' * number}xend{number}")
        assert not view.blocks(f"w{number} {'ab' * number}xen{number}")


@pytest.mark.parametrize(
    ("operator", "phrase", "said"),
    [
        (Operator.PATTERN, "[a", "missing ]"),
        (Operator.PATTERN, "(?=a)", "RE2"),
        (Operator.PATTERN, r"(a)\1", "RE2"),
        (Operator.PATTERN, "(a{1000}){1000}", "RE2"),
        (Operator.PATTERN, "((a{100}){10}){9}" * 14, "RE2"),
        (Operator.PATTERN, r"\Qopen", "RE2"),
        (Operator.PATTERN, "a*", "every text"),
        (Operator.PATTERN, "|x", "every text"),
        (Operator.PATTERN, "\ud800", "UTF-8"),
        (Operator.EXACT, "", "missing"),
        (Operator.CONTAINS, "  ", "missing"),
        (Operator.EXACT, "?!", "no word"),
        (Operator.EXACT, "x" * 257, "At most 256"),
        (Operator.GENERATED, "x", "kill switch"),
    ],
)
def test_a_phrase_that_cannot_be_used_is_refused(operator: Operator, phrase: str, said: str) -> None:
    with pytest.raises(RequestError, match=said) as raised:
        entry(operator, phrase).checked()
    assert raised.value.field == "deny_list_entry.phrase"
    assert raised.value.remedy


def test_other_fields_are_checked() -> None:
    for fields in ({"reason": "x" * 1025}, {"creator": "x" * 129}):
        with pytest.raises(RequestError, match="At most"):
            entry(Operator.EXACT, "a", **fields).checked()
    with pytest.raises(RequestError, match="expire_time"):
        entry(Operator.EXACT, "a", ends_s=1.0).checked()


def test_entries_come_back_from_their_changes() -> None:
    made = entry(Operator.PATTERN, "x+", model="shop", reason="because", creator="ann", ends_s=7.5)
    change = creation(made, at_s=2.0, by="ann")
    assert entry_of(change) == made
    assert entry_of(removal(change, at_s=3.0, by="bob")) == made
    assert entry_of(creation(made.until(math.inf), at_s=2.0, by="")).ends_s == math.inf


def test_entries_that_take_down_the_same_are_the_same() -> None:
    keys = [entry(Operator.EXACT, phrase).key for phrase in ("Harry Potter", "harry  potter ", "harry-potter")]
    assert len(set(keys)) == 1
    others = [
        entry(Operator.CONTAINS, "harry potter"),
        entry(Operator.EXACT, "harry potter", model="shop"),
        entry(Operator.EXACT, "harry potters"),
        entry(Operator.GENERATED),
        entry(Operator.EVERYTHING),
    ]
    assert len({*keys, *(each.key for each in others)}) == 6


def test_a_model_has_its_own_and_what_holds_for_all() -> None:
    everywhere, own = entry(Operator.EXACT, "a"), entry(Operator.EXACT, "b", model="shop")
    overlay = Denied().with_changes([(everywhere, True), (own, True)])
    shop, other = overlay.view("shop"), overlay.view("other")
    assert (shop.blocks("a"), shop.blocks("b")) == (True, True)
    assert (other.blocks("a"), other.blocks("b")) == (True, False)
    assert shop.epoch != other.epoch


def test_kill_switches() -> None:
    assert view_of().generates
    assert not view_of(entry(Operator.GENERATED)).generates
    assert not view_of(entry(Operator.GENERATED)).is_silent
    silent = view_of(entry(Operator.EVERYTHING))
    assert (silent.is_silent, silent.generates) == (True, False)
    one = Denied().with_changes([(entry(Operator.EVERYTHING, model="shop"), True)])
    assert (one.view("shop").is_silent, one.view("other").is_silent) == (True, False)


def test_the_epoch_names_what_is_taken_down_and_nothing_else() -> None:
    first, second = entry(Operator.EXACT, "a"), entry(Operator.PATTERN, "b")
    one, two = Denied().with_changes([(first, True)]), Denied().with_changes([(second, True), (first, True)])
    assert Denied().view("shop").epoch == ""
    assert two.view("shop").epoch == one.with_changes([(second, True)]).view("shop").epoch
    assert one.view("shop").epoch == two.with_changes([(second, False)]).view("shop").epoch != two.view("shop").epoch
    assert two.with_changes([(first, True)]).view("shop").epoch == two.view("shop").epoch
    assert two.with_changes([(first, False), (second, False)]).view("shop").epoch == ""
    assert one.with_changes([(entry(Operator.EXACT, "c", model="m"), True)]).view("shop") is one.view("shop")


def test_doing_a_change_twice_changes_nothing() -> None:
    shared = [entry(Operator.EXACT, phrase) for phrase in ("köln", "koeln", "koln")]
    overlay = Denied().with_changes([(each, True) for each in shared] * 2)
    assert overlay.size == 3
    overlay = overlay.with_changes([(shared[0], False)]).with_changes([(shared[0], False)])
    assert overlay.size == 2
    assert overlay.view("m").blocks("koeln")
    overlay = overlay.with_changes([(shared[1], False), (shared[2], False)])
    assert (overlay.size, overlay.view("m").has_texts, overlay.view("m").blocks("koeln")) == (0, False, False)


def test_entries_end() -> None:
    entries = [entry(Operator.EXACT, "a", ends_s=9.0), entry(Operator.EXACT, "b")]
    overlay = Denied().with_changes([(each, True) for each in entries])
    assert overlay.next_change_s == 9.0
    assert overlay.at(8.9) is overlay
    later = overlay.at(9.0)
    assert (later.view("m").blocks("a"), later.view("m").blocks("b")) == (False, True)
    assert later.next_change_s == math.inf
    longer = overlay.with_changes([(entry(Operator.EXACT, "a"), True)])
    assert longer.at(99.0).view("m").blocks("a")


@pytest.mark.parametrize(
    ("operator", "phrase", "before", "word", "blocked"),
    [
        (Operator.CONTAINS, "new york", "i love new ", "york", True),
        (Operator.CONTAINS, "new york", "i love new york ", "city", False),
        (Operator.CONTAINS, "new york", "i love ", "new", False),
        (Operator.CONTAINS, "york", "i love new ", "york", True),
        (Operator.CONTAINS, "newyork", "new ", "york", True),
        (Operator.EXACT, "new york", "new ", "york", True),
        (Operator.EXACT, "new york", "i love new ", "york", False),
        (Operator.EXACT, "york", "i love new ", "york", True),
        (Operator.PATTERN, "new y", "i love new ", "york", True),
        (Operator.PATTERN, "love", "i love new ", "york", False),
        (Operator.PATTERN, "^y", "i love new ", "york", True),
    ],
)
def test_words_must_not_bring_in_what_is_denied(
    operator: Operator, phrase: str, before: str, word: str, blocked: bool
) -> None:
    assert view_of(entry(operator, phrase)).blocks_after(before, word) is blocked
