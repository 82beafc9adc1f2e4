"""Live queries with other weights, and with tags."""

from __future__ import annotations

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
