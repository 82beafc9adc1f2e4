"""The weights of own queries, fitted on what users did one after the other."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow
import pytest
from pyarrow.parquet import write_table

from lm.bundle.manifest import Personal
from lm.index.queries import QueryIndex
from suggest.own import History, OwnQuery
from suggest.personal import User
from tests.query_indexes import QueryRow, build_query_index
from training.data.query_log import HISTORIES_FILE
from training.fit.personal import fit_personal
from training.progress import SilentReporter

FILLER = [f"query {number}" for number in range(50)]


def fitted(folder: Path, by_user: list[list[tuple[float, str]]]) -> Personal:
    rows = [(user, at_s, query) for user, submissions in enumerate(by_user) for at_s, query in submissions]
    columns = dict(zip(("user", "time_s", "query"), map(list, zip(*rows, strict=True)), strict=True))
    write_table(pyarrow.table(columns), folder / HISTORIES_FILE)
    (folder / "index").mkdir()
    build_query_index(folder / "index", [QueryRow(query, 10.0) for query in FILLER])
    bundle: Any = SimpleNamespace(queries=QueryIndex(folder / "index"))
    return fit_personal(bundle, folder, SilentReporter())


def own_share(weights: Personal, times: int = 1) -> float:
    """How probable an hour-old query of a user is once its first word is typed."""
    history = History([OwnQuery("red hats", "red hats", 0.0, times)])
    (chance,) = User(history, (), 3600.0).chances("red", -3.0, weights)
    return chance.log_prob


def test_where_users_repeat_themselves_own_queries_weigh_more(tmp_path: Path) -> None:
    repeats = [[(3600.0 * at, FILLER[at % 2 + user]) for at in range(10)] for user in range(40)]
    news = [[(3600.0 * at, FILLER[at + user]) for at in range(10)] for user in range(40)]
    shares = []
    for name, by_user in (("repeats", repeats), ("news", news)):
        (tmp_path / name).mkdir()
        shares.append(own_share(fitted(tmp_path / name, by_user)))
    assert shares[0] > shares[1] + 1.0


def test_too_few_submissions_change_nothing(tmp_path: Path) -> None:
    assert fitted(tmp_path, [[(1.0, "a b"), (2.0, "a b")]]) == Personal()
    bare: Any = SimpleNamespace(queries=None)
    assert fit_personal(bare, tmp_path, SilentReporter()) == Personal()


@pytest.mark.parametrize("times", [1, 5])
def test_the_usual_weights_state_probabilities(times: int) -> None:
    assert -20 < own_share(Personal(), times) < 0
