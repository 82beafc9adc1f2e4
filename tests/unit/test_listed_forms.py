"""Forms of a query stand in a list where their share of its probability puts them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lm.index.queries import QueryIndex
from lm.index.shown import Shown
from suggest.candidates import Candidates
from suggest.listing import Listed, listed_forms
from suggest.live import Known
from suggest.types import Generated
from tests.query_indexes import QueryRow, build_query_index


def _listed(log_probs: Sequence[float], texts: Sequence[str], counts: Sequence[float]) -> Listed:
    ones = np.ones(len(texts))
    candidates = Candidates(texts, ones, np.array(counts, np.float64), -ones, ones)
    return Listed([(log_prob, row) for row, log_prob in enumerate(log_probs)], candidates, -ones)


@pytest.fixture
def known(tmp_path: Path) -> Known:
    halves = (Shown("Lamp", "p", 0.5), Shown("Lamp", "q", 0.5))
    build_query_index(tmp_path, [QueryRow("lamp", 6, forms=halves), QueryRow("lap", 4), QueryRow("lamb", 2)])
    return Known(QueryIndex(tmp_path))


def test_a_form_moves_behind_what_is_more_probable(known: Known) -> None:
    found = listed_forms(_listed([math.log(0.6), math.log(0.4)], ["lamp", "lap"], [6, 4]), known, Generated.MIX)
    assert [(row, form.payload) for _, row, form in found] == [(1, ""), (0, "p"), (0, "q")]
    assert found[1][0] == pytest.approx(math.log(0.3))


def test_what_fills_the_list_stays_last(known: Known) -> None:
    found = listed_forms(_listed([-0.1, -0.2], ["lamp", "lax"], [6, 0]), known, Generated.FILL)
    assert [row for _, row, _ in found] == [0, 0, 1]
