"""Live queries with other weights, and with tags."""

from __future__ import annotations

import pytest

from lm.index import live_queries
from lm.index.live_queries import LiveQueries, LiveQuery
from lm.index.tags import TagFilter

QUERIES = LiveQueries().with_changes(
    {
        text: LiveQuery(text, count, tags=frozenset(tags))
        for text, count, tags in (("red hat", 4.0, "ab"), ("red shoes", 2.0, "b"), ("blue hat", 1.0, ""))
    }
)


def test_scaled_queries_are_the_same_with_other_counts() -> None:
    scaled = QUERIES.scaled(0.5)
    assert scaled.completions("red", 5) == ([("red hat", 2.0), ("red shoes", 1.0)], 3.0)
    assert [(match.text, match.count) for match in scaled.word_matches("hat", 5)] == [
        ("red hat", 2.0),
        ("blue hat", 0.5),
    ]
    assert scaled.get("blue hat") == LiveQuery("blue hat", 0.5)
    texts = ["nowhere", "blue hat", "red hat"]
    assert [(place, query.text, query.count) for place, query in scaled.among(texts)] == [
        (1, "blue hat", 0.5),
        (2, "red hat", 2.0),
    ]
    assert len(scaled) == 3
    assert QUERIES.get("red hat") == LiveQuery("red hat", 4.0, tags=frozenset("ab"))


def test_only_queries_with_wanted_tags_are_found() -> None:
    assert [text for text, _ in QUERIES.completions("red", 5, TagFilter(("b",)))[0]] == ["red hat", "red shoes"]
    assert [text for text, _ in QUERIES.completions("", 5, TagFilter(("a", "b")))[0]] == ["red hat"]
    assert [match.text for match in QUERIES.word_matches("hat", 5, TagFilter((), ("a", "x")))] == ["red hat"]
    changed = QUERIES.with_changes({"red hat": LiveQuery("red hat", 4.0), "blue hat": None})
    assert [text for text, _ in changed.completions("", 5, TagFilter(("b",)))[0]] == ["red shoes"]


@pytest.mark.parametrize("few", [0, 1000])
def test_what_is_removed_hides_nothing_and_counts_no_more(monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(live_queries, "_FEW", few)
    names = [f"hat {number:03d}" for number in range(300)]
    every = LiveQueries().with_changes({name: LiveQuery(name, 1000.0 - at) for at, name in enumerate(names)})
    left = every.with_changes(dict.fromkeys(names[:250])).with_changes({names[299]: LiveQuery(names[299], 5000.0)})
    expected = [(names[299], 5000.0), *((name, 1000.0 - at) for at, name in enumerate(names[250:259], 250))]
    found, total = left.completions("ha", 10)
    assert found == expected
    assert total == pytest.approx(5000.0 + sum(1000.0 - at for at in range(250, 299)))
    assert [(match.text, match.count) for match in left.word_matches("hat", 10)] == expected
    assert left.completions("hat 1", 10) == ([], 0.0)
    assert every.completions("", 1)[1] == pytest.approx(sum(1000.0 - at for at in range(300)))


def test_submissions_of_hangul_in_the_making_are_of_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_queries, "_FEW", 0)
    every = LiveQueries().with_changes({text: LiveQuery(text, 4.0) for text in ("한국", "하나", "가방")})
    assert every.with_changes({"한국": None}).completions("하", 5) == ([("하나", 4.0)], 4.0)
