from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.errors import BundleDamagedError
from lm.index.warm_set import WARM_SET_FILE, most_typed, open_warm_set, save_warm_set

_QUERIES = st.dictionaries(st.text("ab 한", min_size=1, max_size=5), st.integers(1, 9))


@given(queries=_QUERIES, count=st.integers(0, 30))
def test_a_beginning_weighs_what_the_queries_weigh_that_begin_with_it(queries: dict[str, int], count: int) -> None:
    beginnings = {query[:length] for query in queries for length in range(4)}
    weights = {text: sum(n for query, n in queries.items() if query.startswith(text)) for text in beginnings}
    found = most_typed(((query, float(n)) for query, n in queries.items()), count)
    assert found == sorted(weights, key=lambda text: (-weights[text], text))[:count]


def test_it_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    assert open_warm_set(tmp_path) == ()
    for texts in ((), ("",), ("", "a", "a ", "한국")):
        save_warm_set(tmp_path, texts)
        assert open_warm_set(tmp_path) == texts


def test_a_file_that_is_not_text_is_damaged(tmp_path: Path) -> None:
    (tmp_path / WARM_SET_FILE).write_bytes(b"\xff\n")
    with pytest.raises(BundleDamagedError, match="cannot be read"):
        open_warm_set(tmp_path)
