"""What users turn to ranks above what they turn from, where the log has times."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from lm.bundle.bundle import Bundle, open_bundle
from suggest.model import Model
from tests.data_config import train_on_log

_DAY_S = 86_400
_TOPICS = [first + last for first in ("bar", "cor", "dal", "fen", "gim", "hol", "jep", "kov") for last in "aeioux"]
_EACH = 60
"""Submissions of a query in 56 days, five of six of them in the first or in the last half of these."""


def _trends() -> dict[str, tuple[str, str]]:
    """Of each topic the query that rose and the one that fell."""
    draw = random.Random(1)
    return {topic: tuple(f"{topic} {word}" for word in draw.sample(["hotel", "music"], 2)) for topic in _TOPICS}  # type: ignore[misc]


def _train(folder: Path, **log: str) -> Bundle:
    draw, rows = random.Random(2), ["query\ttime"]
    for rose, fell in _trends().values():
        for number in range(_EACH):
            early, late = draw.uniform(0, 28), draw.uniform(28, 56)
            for query, mostly, seldom in ((rose, late, early), (fell, early, late)):
                days = mostly if number % 6 else seldom
                rows.append(f"{query}\t{1_700_000_000 + days * _DAY_S:.0f}")
    (folder / "log.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return open_bundle(train_on_log(folder, name="trends", query_log=[{"path": "log.tsv", **log}]))


def _risen_first(bundle: Bundle) -> float:
    """Share of the topics of which the query that rose comes first."""
    model, right = Model(bundle), 0
    for topic, (rose, fell) in _trends().items():
        listed = [suggestion.text for suggestion in model.complete_query(f"{topic} ").suggestions]
        assert {rose, fell} <= set(listed)
        right += listed.index(rose) < listed.index(fell)
    return right / len(_TOPICS)


@pytest.mark.timeout(120)
def test_what_rose_comes_first_though_all_counts_are_alike(tmp_path: Path) -> None:
    bundle = _train(tmp_path, time_column="time")
    assert bundle.queries is not None
    # held-out rows are late ones: what rose counts less in the index, if anything
    rose, fell = (sum(map(bundle.queries.count, queries)) for queries in zip(*_trends().values(), strict=True))
    assert fell - 0.1 * fell < rose < fell
    assert bundle.manifest.ranking.recency > 0.2
    assert _risen_first(bundle) == 1

    blind = bundle.manifest.ranking.model_copy(update={"recency": 0.0})
    assert _risen_first(replace(bundle, manifest=bundle.manifest.model_copy(update={"ranking": blind}))) < 0.5


@pytest.mark.timeout(120)
def test_without_times_there_is_no_recency(tmp_path: Path) -> None:
    bundle = _train(tmp_path)
    assert bundle.manifest.ranking.recency == 0.0
    assert not [name for name in bundle.manifest.files if "recency" in name]
