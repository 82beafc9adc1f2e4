"""The set of withheld queries says what a set of strings says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.errors import BundleDamagedError
from lm.index.never_generated import Withheld, build_withheld, hash_query

_QUERIES = st.lists(st.text(max_size=6), max_size=40)


@given(withheld=_QUERIES, others=_QUERIES)
def test_as_a_set(tmp_path_factory: pytest.TempPathFactory, withheld: list[str], others: list[str]) -> None:
    folder = tmp_path_factory.mktemp("withheld")
    assert build_withheld(folder, [hash_query(query) for query in withheld]) == len(set(withheld))
    found = Withheld(folder)
    assert len(found) == len(set(withheld))
    assert found.among(withheld + others).tolist() == [query in set(withheld) for query in withheld + others]
    assert all(query in found for query in withheld)


def test_the_hash_is_that_of_bundles_in_use() -> None:
    assert hash_query("jane doe divorce") == 9111614980282653292
    assert 0 <= hash_query("") < 1 << 64


def test_without_a_file_nothing_is_withheld(tmp_path: Path) -> None:
    assert len(Withheld(tmp_path)) == 0
    assert "anything" not in Withheld(tmp_path)


def test_another_file_is_damage(tmp_path: Path) -> None:
    np.save(tmp_path / "hashes.npy", np.zeros(3))
    with pytest.raises(BundleDamagedError, match="holds float64, not uint64"):
        Withheld(tmp_path)
    np.save(tmp_path / "hashes.npy", np.zeros((3, 2), np.uint64))
    with pytest.raises(BundleDamagedError, match="has 2 dimensions"):
        Withheld(tmp_path)
