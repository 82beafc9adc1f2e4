"""Live queries are found as a plain look at all of them finds them, after whatever changes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lm.index import live_queries
from lm.index.lexicon import Lexicons
from lm.index.live_queries import LiveQueries, LiveQuery

_TEXTS = [f"{first} {second}" for first in ("new", "news", "york", "a") for second in ("york", "car", "new car", "b-c")]
_CHANGES = st.lists(
    st.dictionaries(st.sampled_from(_TEXTS), st.none() | st.integers(1, 50), min_size=1, max_size=6), max_size=6
)


@pytest.mark.parametrize("least", [1, 4, 1000])
@settings(max_examples=20, deadline=None)
@given(changes=_CHANGES)
def test_after_each_change_queries_are_found_as_in_a_plain_list(
    least: int, changes: list[dict[str, int | None]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_queries, "_LEAST_CHANGED", least)
        patch.setattr(live_queries, "_FEW", 2)
        live, naive = LiveQueries(), dict[str, int]()
        for batch in changes:
            weighted = {text: None if count is None else LiveQuery(text, count) for text, count in batch.items()}
            live = live.with_changes(weighted)
            for text, count in batch.items():
                naive.pop(text, None)
                if count is not None:
                    naive[text] = count
            assert len(live) == len(naive)
            for prefix in ("", "n", "new", "new ", "york n", "x"):
                counts = sorted((count for text, count in naive.items() if text.startswith(prefix)), reverse=True)
                found, total = live.completions(prefix, 3)
                assert total == pytest.approx(sum(counts))
                assert [count for _, count in found] == counts[:3]
                assert all(naive[text] == count and text.startswith(prefix) for text, count in found)
            matches = {match.text: match.count for match in live.word_matches("car ne", 50)}
            words = {text: text.split(" ") for text in naive}
            assert matches == {
                text: naive[text]
                for text in naive
                if "car" in words[text] and any(word.startswith("ne") for word in words[text] if word != "car")
            }


def test_words_of_live_queries_are_spelt_as_those_of_a_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_queries, "_FEW", 0)
    live = LiveQueries().with_changes({"zyntrix pro": LiveQuery("zyntrix pro", 5.0)})
    live = live.with_changes({"zyntrix max": LiveQuery("zyntrix max", 2.0)})
    words = Lexicons(live.lexicons)
    assert words.count("zyntrix") == 7.0
    assert words.mass("zyn") == 7.0
    best = words.spellings("zyntirx", unfinished=False, k=3)[0]
    assert best.text == "zyntrix"
    assert best.score == pytest.approx(
        live.lexicons[0].spellings("zyntirx", unfinished=False, k=1)[0].score + 0.336, abs=0.01
    )
